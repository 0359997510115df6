"""`manage.py audit_statistics`: computes fresh values anew and compares them with what is stored."""

import json
import re
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from random import random
from typing import Any

from django.core.management.base import CommandError

from statistics_cache.auditing import Audited, audit
from statistics_cache.cold import rows as cold
from statistics_cache.management.base import (
    EXIT_CODES,
    FAILED,
    Chosen,
    StatisticsCommand,
    add_choice,
    choose,
    usage,
)

VERDICTS = {
    "same": "same",
    "drift": "drifted",
    "not deterministic": "not deterministic",
    "changed": "changed meanwhile",
    "not fresh": "not fresh",
    "failed": "failed",
}


class Command(StatisticsCommand):
    """Ends with 1 where a fresh value is not what its function gives now, or the function raised."""

    help = (
        "Computes fresh stored variants again and compares, if none of their sources has changed in between. A "
        "difference is a drift: a source is not declared, a write was not seen, or the function looks at something "
        "else. If two computes differ from each other, the function is named as not deterministic. "
        "Stores nothing. "
    ) + EXIT_CODES

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to audit, and how much of it."""
        add_choice(parser)
        parser.add_argument(
            "--sample", metavar="1%", default="100%", help="Only this share of the stored variants, chosen by chance."
        )
        parser.add_argument(
            "--format",
            choices=("text", "json"),
            default="text",
            help="json writes one list of {name, params, verdict, failure, differences: [{field, stored, computed}]}.",
        )

    def work(self, **options: Any) -> None:
        """Audit what is chosen; end with 1 if something drifted or failed."""
        share = read_share(options["sample"])
        self.counts: Counter[str] = Counter()
        write = self.write_json if options["format"] == "json" else self.write_text
        write(each for chosen in choose(options["names"], options["params"]) for each in audits(chosen, share))
        if bad := self.counts["drift"] + self.counts["failed"]:
            raise CommandError(f"{bad} drifted or failed.", returncode=FAILED)

    def write_json(self, audited: Iterator[Audited]) -> None:
        """Write one document and nothing else, a variant a line."""
        opening = "["
        for each in self.counted(audited):
            self.stdout.write(f"{opening}{as_json(each)}", ending="\n")
            opening = ","
        self.stdout.write("[]" if opening == "[" else "]")

    def write_text(self, audited: Iterator[Audited]) -> None:
        """Write a line for each variant that is not as it should be, and the counts."""
        for each in self.counted(audited):
            for line in lines_of(each):
                self.stdout.write(line)
        numbers = ", ".join(f"{self.counts[name]} {VERDICTS[name]}" for name in VERDICTS if self.counts[name])
        self.stdout.write(f"{self.counts.total()} stored: {numbers}." if numbers else "Nothing is stored.")

    def counted(self, audited: Iterator[Audited]) -> Iterator[Audited]:
        """Count verdicts."""
        for each in audited:
            self.counts[each.verdict] += 1
            yield each


def audits(chosen: Chosen, share: float) -> Iterator[Audited]:
    """Audit a share of a statistic's stored variants."""
    for variants in cold.stored_variants(*chosen):
        yield from (audit(chosen.declaration, variant) for variant in variants if random() < share)


def read_share(text: str) -> float:
    """Read a share of a hundred, above 0; anything else is wrong usage."""
    found = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)%", text)
    share = float(found[1]) / 100 if found else 0.0
    if not 0.0 < share <= 1.0:
        raise usage(f"--sample is {text!r}. Write a share above 0% and up to 100%, for example 1%.")
    return share


def lines_of(audited: Audited) -> Iterator[str]:
    """Say what is wrong with one variant."""
    key = audited.variant.key
    if audited.failure:
        yield f"failed {key}: {audited.failure}"
    elif audited.differences:
        yield f"{audited.verdict} {key}:"
        first, second = ("stored", "now") if audited.verdict == "drift" else ("once", "then")
        for field, one, other in audited.differences:
            yield f"  {field}: {first} {one or 'nothing'}, {second} {other or 'nothing'}"


def as_json(audited: Audited) -> str:
    """Give one JSON object; parameters go in as they are stored."""
    rest = {
        "verdict": audited.verdict,
        "failure": audited.failure,
        "differences": [each._asdict() for each in audited.differences],
    }
    name = json.dumps(audited.declaration.name)
    return f'{{"name": {name}, "params": {audited.variant.json}, {json.dumps(rest, ensure_ascii=False)[1:]}'
