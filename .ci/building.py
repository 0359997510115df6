"""Builds what hatchling builds; an editable install has the dependency groups as extras, too.

`pip install -e '.[test]'` works with every pip, where groups take pip 25.1 (`pip install --group test`). Wheels and
sdists have the extras that users need, and no others.
"""

import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hatchling import build as hatchling
from hatchling.build import *  # noqa: F403  (all other hooks are hatchling's own)
from hatchling.metadata.plugin.interface import MetadataHookInterface

EDITABLE = "STATISTICS_CACHE_EDITABLE"  # hatchling loads the hook below as another module: this is how it is told


def build_editable(*args: Any, **options: Any) -> str:
    """Build what an editable install installs."""
    with editable():
        return hatchling.build_editable(*args, **options)


if hasattr(hatchling, "prepare_metadata_for_build_editable"):

    def prepare_metadata_for_build_editable(*args: Any, **options: Any) -> str:
        """Say what an editable install needs."""
        with editable():
            return hatchling.prepare_metadata_for_build_editable(*args, **options)


@contextmanager
def editable() -> Iterator[None]:
    """Have the hook add the groups."""
    os.environ[EDITABLE] = "1"
    try:
        yield
    finally:
        del os.environ[EDITABLE]


class Extras(MetadataHookInterface):
    """Gives the extras: `tool.hatch.metadata.hooks.custom.extras`, and in a checkout the dependency groups."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Give them."""
        extras = dict(self.config["extras"])
        if EDITABLE in os.environ:
            groups = self.groups()
            extras |= {name: list(members(groups, name)) for name in groups}
        metadata["optional-dependencies"] = extras

    def groups(self) -> dict[str, list[Any]]:
        """Read the dependency groups."""
        read: dict[str, list[Any]] = tomllib.loads((Path(self.root) / "pyproject.toml").read_text())[
            "dependency-groups"
        ]
        return read


def members(groups: dict[str, list[Any]], name: str) -> Iterator[str]:
    """Give the requirements of a group, and of those that it includes (PEP 735)."""
    for member in groups[name]:
        if isinstance(member, str):
            yield member
        else:
            yield from members(groups, member["include-group"])
