"""One stored variant as `show_statistics` writes it: a row of a table, or an object of a JSON list."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from textwrap import indent
from typing import Any, Literal

from statistics_cache import peeking
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.entry import Answer, State

STATES = ("fresh", "stale", "expired", "missing")
WIDTHS = (8, 12, 8, 5, 9, 17)
TITLES = ("STATE", "REASON", "AGE", "TIER", "COST", "COMPUTED")
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"), (0.001, "ms"))


@dataclass(frozen=True, slots=True)
class Shown:
    """One stored variant; `answer` and `payload` are None where no read may serve what is stored."""

    name: str
    variant: Variant
    answer: Answer[Any] | None
    payload: str | None
    failures: int
    last_error: str

    @property
    def state(self) -> State | Literal["missing"]:
        """Give the state in which a read would find it."""
        return self.answer.state if self.answer else "missing"

    @property
    def is_doubtful(self) -> bool:
        """Tell whether it is not fresh, or its last compute failed."""
        return self.state != "fresh" or self.failures > 0

    @property
    def complaint(self) -> str:
        """Say what is doubtful about it."""
        reason = f", {self.answer.reason}" if self.answer and self.answer.reason else ""
        times = "once" if self.failures == 1 else f"{self.failures} times"
        failed = f"; failed {times}, last: {' '.join(self.last_error.split())}" if self.failures else ""
        return f"{self.variant.key} ({self.state}{reason}{failed})"

    def as_json(self, *, values: bool) -> str:
        """Give one JSON object. Parameters and payload go in as they are stored: nothing is lost by reading them."""
        given = self.answer
        texts = {
            "name": json.dumps(self.name),
            "params": self.variant.json,
            "state": json.dumps(self.state),
            "reason": json.dumps(given and given.reason),
            "age": json.dumps(given and given.age.total_seconds()),
            "tier": json.dumps(given and given.tier),
            "computed_at": json.dumps(given and given.computed_at.isoformat()),
            "cost": json.dumps(given and given.cost.total_seconds()),
            "value": self.payload if values and self.payload else "null",
        }
        return "{" + ", ".join(f'"{key}": {text}' for key, text in texts.items()) + "}"

    def as_row(self, *, values: bool) -> str:
        """Give one line, and the value indented below it."""
        given = self.answer
        if given is None:
            cells = [self.state, *[""] * 5]
        else:
            age, cost = (humane(duration.total_seconds()) for duration in (given.age, given.cost))
            cells = [self.state, given.reason or "", age, given.tier, cost, f"{given.computed_at:%Y-%m-%d %H:%M}"]
        row = aligned(cells, self.variant.key)
        if values and self.payload:
            row += "\n" + indent(json.dumps(json.loads(self.payload), indent=2, ensure_ascii=False), "    ")
        return row


def read_stored(declaration: Declaration[..., Any], texts: Mapping[str, str]) -> Iterator[Shown]:
    """Give every stored variant that has these parameters, by key."""
    for variant, (found, row, *_) in peeking.peek_stored(declaration, texts):
        yield Shown(
            name=declaration.name,
            variant=variant,
            answer=found.answer() if found else None,
            payload=found.copy.payload if found else None,
            failures=row.failures if row else 0,
            last_error=row.last_error if row else "",
        )


def aligned(cells: list[str], last: str) -> str:
    """Give a line of columns; the last one is as long as it likes."""
    return "".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)) + last


HEADING = aligned(list(TITLES), "VARIANT")


def humane(seconds: float) -> str:
    """Give a duration in the largest unit it fills: `3.4 min`, `12 h`."""
    size, unit = next((each for each in UNITS if seconds >= each[0]), UNITS[-1])
    amount = seconds / size
    return f"{amount:.1f} {unit}" if amount < 10 else f"{int(amount)} {unit}"
