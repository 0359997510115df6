"""How a worker fails."""


class Violation(Exception):
    """An answer that broke a promise."""
