"""Triggers: the database itself logs what changes, whoever writes."""
