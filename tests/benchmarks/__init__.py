"""What reading and writing cost, side by side in one run: `python -m tests.benchmarks hot` and `writers`."""
