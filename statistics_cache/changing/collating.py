"""Whether texts that differ may name one scope: what a database compares as equal, its rows count together."""

from collections.abc import Mapping
from typing import Any

from django.db import connections, models

from statistics_cache.cold import rows as cold
from statistics_cache.declaring.declaration import Declaration
from statistics_cache.declaring.parameters import finite
from statistics_cache.exceptions import DeclarationError
from statistics_cache.fields import NO_PAD_COLLATIONS

from .walking import Trail

TEXTS = (models.CharField, models.TextField, models.FileField, models.FilePathField)


def are_blind(declaration: Declaration[..., Any], trails: Mapping[str, Trail]) -> bool:
    """Tell whether no text names the scopes at the ends of some trails for certain. (Note [Blind on MySQL])"""
    if any(trail.is_blind for trail in trails.values()):
        return True
    return is_on_mysql(declaration) and any(overlooks(declaration, *each) for each in trails.items())


def is_on_mysql(declaration: Declaration[..., Any]) -> bool:
    """Tell whether a statistic's rows are on MySQL or MariaDB; connects to nothing."""
    alias = cold.alias_of(declaration)
    return alias in connections.databases and connections[alias].vendor == "mysql"


def overlooks(declaration: Declaration[..., Any], name: str, trail: Trail) -> bool:
    """Tell whether MySQL may take other rows for those that a parameter, or a step of its path, names."""
    joins = (hop.model._meta.get_field(join) for hop in trail.hops for join in hop.joins)
    return any(map(is_loose, joins)) or (is_loose(trail.field) and not are_apart(declaration, name))


def is_loose(field: Any) -> bool:
    """Tell whether a column holds texts, and none of its model's own words says that each equals itself alone."""
    if related := getattr(field, "foreign_related_fields", ()):
        return any(map(is_loose, related))
    return isinstance(field, TEXTS) and getattr(field, "db_collation", None) not in NO_PAD_COLLATIONS


def are_apart(declaration: Declaration[..., Any], name: str) -> bool:
    """Tell whether a parameter has so few values that no collation takes one for another; what a row holds beside them
    moves every scope anyway."""
    try:
        members = list(finite(name, declaration.parameters.hints.get(name, str)))
    except DeclarationError:  # there is no end of them
        return False
    texts = [str(getattr(member, "value", member)) for member in members]
    return all(map(str.isascii, texts)) and len({text.strip().casefold() for text in texts}) == len(texts)


# Note [Blind on MySQL]
# By its default collations MySQL counts the rows of "US", "us" and "us " when it is asked for "us": a new "US" changes
# the value of "us", and the text of its scope would not say so. So a scope that ends in such a column is every scope,
# unless the parameter is an Enum or a Literal whose values no collation confuses, or the column is declared in a
# collation that confuses none: `db_collation="utf8mb4_nopad_bin"` (MariaDB), `"utf8mb4_0900_bin"` (MySQL). `check`
# says so (W010). A step of a path over a text is the same: its foreign key may be written in another case.
