"""What reading and writing cost, side by side in one run: `python -m tests.benchmarks`, or one table by its name."""
