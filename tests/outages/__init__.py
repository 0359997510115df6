"""Outages of every kind, on real servers, and what every verb must still give meanwhile."""
