"""Capture by triggers."""
