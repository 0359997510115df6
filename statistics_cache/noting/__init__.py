"""What a compute reads: noted while it runs, compared with what its statistic says, and proposed as `depends_on`."""
