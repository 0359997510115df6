"""What a compute reads, noted while it runs."""
