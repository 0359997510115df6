"""The test kit, as its users use it."""
