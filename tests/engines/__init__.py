"""The engines people run: each a real one, with something killed."""
