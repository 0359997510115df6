"""Tests of `identity/`."""
