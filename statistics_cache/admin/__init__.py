"""The admin of what is stored: nothing is added or edited there; it is looked at, refreshed and cleared."""

from .entries import EntryAdmin
from .sidebar import DeclaredAdmin

__all__ = ["DeclaredAdmin", "EntryAdmin"]
