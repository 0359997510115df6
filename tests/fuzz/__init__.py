"""Hostile input for everything that reads text: stored entries, parameters, tokens, messages, files, commands."""
