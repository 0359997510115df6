"""How a worker fails."""


class Violation(Exception):
    """An answer that broke a promise."""


class Lost(Exception):
    """A committed write whose effect never appeared."""
