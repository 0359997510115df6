"""What the statistics compute."""
