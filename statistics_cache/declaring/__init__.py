"""What a statistic is."""
