"""Rows that all writers move: which versions of them an answer may show (Note [Shared rows])."""

from collections.abc import Iterator, Mapping
from ctypes import c_int64
from multiprocessing.sharedctypes import RawArray
from typing import Any, NamedTuple

from tests.soak.declared import COLORS, SHARED_ITEMS, SHARED_ORDERS, Sighting, Target

KEPT = 4_096  # versions of one row that are remembered
FIELDS = 2  # numbers that make a place


class Place(NamedTuple):
    """Where a version of a row is: of an item the number of its colour and its order, of an order its region."""

    first: int
    order: int = 0


class Versions:
    """Every place of every shared row, by its version: written under the row's own lock, before the commit."""

    def __init__(self, writers: int) -> None:
        """Begin with version 0 of each: what writers are prepared for."""
        self.keys = (*SHARED_ITEMS, *SHARED_ORDERS)
        self.writers = range(writers)
        self.places: Any = RawArray(c_int64, len(self.keys) * KEPT * FIELDS)
        self.latest: Any = RawArray(c_int64, len(self.keys))
        self.noted: Any = RawArray(c_int64, writers * len(self.keys))
        for key, place in first_places().items():
            self.plan(key, 0, place)

    def plan(self, key: int, version: int, place: Place) -> None:
        """Take note of a version that is about to be committed, or else is made again."""
        number = self.keys.index(key)
        start = (number * KEPT + version % KEPT) * FIELDS
        self.places[start : start + FIELDS] = place
        self.latest[number] = version

    def note(self, writer: int, versions: Mapping[int, int]) -> None:
        """Note that versions are committed and delivered: from now on fresh answers must show these, or later ones."""
        for key, version in versions.items():
            self.noted[writer * len(self.keys) + self.keys.index(key)] = version

    def due(self) -> dict[int, int]:
        """Give what a fresh answer must show if it is asked for now."""
        size = len(self.keys)
        return {
            key: max(self.noted[writer * size + number] for writer in self.writers)
            for number, key in enumerate(self.keys)
        }

    def place(self, key: int, version: int) -> Place:
        """Give the place of a version."""
        start = (self.keys.index(key) * KEPT + version % KEPT) * FIELDS
        return Place(*self.places[start : start + FIELDS])

    def since(self, key: int, due: int) -> Iterator[Place]:
        """Give the places of the versions from the one that is due on."""
        latest = self.latest[self.keys.index(key)]
        return (self.place(key, version) for version in range(max(due, latest - KEPT + 1), latest + 1))

    def faults(self, target: Target, sightings: list[Sighting], due: Mapping[int, int]) -> Iterator[str]:
        """Give what is wrong with what an answer shows of shared items."""
        shown = {sighting.item: sighting for sighting in sightings}
        for item in SHARED_ITEMS:
            if item in shown:
                yield from self.faults_of(target, shown[item], due)
            elif not self.may_be_elsewhere(target, item, due):
                yield f"item {item} is not shown, and since version {due[item]} it was nowhere else"

    def faults_of(self, target: Target, seen: Sighting, due: Mapping[int, int]) -> Iterator[str]:
        """Give what is wrong with an item that is shown: a version before the one due, or one that never was.

        Its order matters to those alone who tell of regions, and only when it was moved to another.
        """
        if seen.version < due[seen.item]:
            yield f"version {seen.version} of item {seen.item} is shown; due was {due[seen.item]}"
        versions = range(seen.order_version, due[seen.order] + 1)
        if "region" in target.parameters and len({self.place(seen.order, version) for version in versions}) > 1:
            yield f"version {seen.order_version} of order {seen.order} is shown; due was {due[seen.order]}"
        where = self.place(seen.item, seen.version)
        region = self.place(seen.order, seen.order_version).first
        if where.order != seen.order or not is_in(target, where.first, region):
            yield f"{seen} never was there: {where}, region {region}"

    def may_be_elsewhere(self, target: Target, item: int, due: Mapping[int, int]) -> bool:
        """Tell whether any version that an answer may be of has the item out of its scope."""
        return any(
            not is_in(target, where.first, order.first)
            for where in self.since(item, due[item])
            for order in self.since(where.order, due[where.order])
        )


def is_in(target: Target, color: int, region: int) -> bool:
    """Tell whether an item of a colour, in a region, is in the scope of a target."""
    wanted = target.parameters
    return bool(wanted.get("color", COLORS[color]) == COLORS[color] and wanted.get("region", region) == region)


def first_places() -> dict[int, Place]:
    """Give where the rows are before anybody writes."""
    orders = {key: Place(1) for key in SHARED_ORDERS}
    return {key: Place(0, SHARED_ORDERS[0]) for key in SHARED_ITEMS} | orders


# Note [Shared rows]
# A writer knows the state of rows that nobody else writes; of rows that all write it knows no state, for it cannot know
# who commits first. But a row's version counts up under the row's own lock, in the statement that moves it: versions
# are in the order of commits. Their places are written down before the commit, so every version that a reader may see
# is known; and noted as delivered after it. A fresh answer then shows no version before the ones noted when it was
# asked for, and each in its place; what it does not show must have been elsewhere in one of those that it may be of.
# That is right whatever the order was, and says a little less than is true: an item and its order are each taken at
# any of their versions, as if independent.
