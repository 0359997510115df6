"""What a compute reads: noted while it runs, and compared with what its statistic says."""
