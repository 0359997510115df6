"""What a change of the data does."""
