"""What is done: small functions that take a family and chance, each something that users do."""

from . import bulk, deleting, hooked, inheriting, parcels, refused, relations, saving
from .registry import OPERATIONS, Operation

__all__ = [
    "OPERATIONS",
    "Operation",
    "bulk",
    "deleting",
    "hooked",
    "inheriting",
    "parcels",
    "refused",
    "relations",
    "saving",
]
