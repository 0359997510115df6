"""Readers and writers in many processes against an oracle of their own: `python -m tests.soak --minutes N --seed S`."""
