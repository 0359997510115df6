"""Tests of the demo's first page."""
