"""Audit: fresh values computed anew and compared at an equal token. Nothing is stored, and no reader is given it.

(Note [What is a drift])
"""

import json
from collections.abc import Iterator, Sequence
from random import choice, sample, uniform
from time import sleep, time
from typing import Any, Literal, NamedTuple

from .changing import checking
from .cold import rows as cold
from .cold.proving import Proof
from .cold.transactions import is_dirty
from .conf import limits, limits_of, settings
from .declaring.declaration import Declaration, Variant
from .entry import Copy, Generations, microseconds
from .hot import counters
from .signals import drift_found
from .underway import frame, running

Verdict = Literal["same", "drift", "not deterministic", "changed", "not fresh", "failed"]

SETTLE = 0.2  # seconds in which what was committed in autocommit is logged, too; only what differs waits for them
MAX_FIELDS = 10  # of a value, that differ and are named
AMONG = 1_000  # young variants from which the tick chooses one: what was computed together is so chosen evenly
MAX_TEXT = 100  # characters of a value in a message
MISSING = object()


class Difference(NamedTuple):
    """A field whose value differs: its path, and both as JSON texts, shortened; empty where there is none."""

    field: str
    stored: str
    computed: str


class Audited(NamedTuple):
    """What came of auditing one variant. `differences` are those of a drift, and of what is not deterministic."""

    declaration: Declaration[..., Any]
    variant: Variant
    verdict: Verdict
    differences: tuple[Difference, ...] = ()
    failure: str = ""


def audit(declaration: Declaration[..., Any], variant: Variant) -> Audited:
    """Compute a fresh variant anew, and compare; count it, and signal what differs."""
    found = audited(declaration, variant)
    if found.verdict in ("same", "drift"):
        counters.note(declaration.name, "check")
    if found.verdict == "drift":
        counters.note(declaration.name, "drift")
    if found.differences:
        fields = tuple(each.field for each in found.differences)
        facts = {"key": variant.key, "fields": fields, "is_deterministic": found.verdict == "drift"}
        drift_found.send_robust(sender=type(declaration), statistic=declaration.name, **facts)
    return found


def audited(declaration: Declaration[..., Any], variant: Variant) -> Audited:
    """Compute a fresh variant anew, twice where that differs, and say what it means."""
    if (copy := fresh_copy(declaration, variant)) is None:
        return Audited(declaration, variant, "not fresh")
    texts = []
    for settle in (0.0, SETTLE):
        try:
            texts.append(computed(declaration, variant))
        except Exception as error:  # noqa: BLE001  (a function of the user's; whoever reads it next is told)
            return Audited(declaration, variant, "failed", failure=type(error).__name__)
        sleep(settle)
        if not is_still(declaration, variant, copy.database):
            return Audited(declaration, variant, "changed")
        if is_same(texts[-1], copy.payload):
            break
    if not (unlike := tuple(differences(texts[0], texts[-1]))):
        stored = tuple(differences(copy.payload, texts[-1]))
        return Audited(declaration, variant, "drift" if stored else "same", stored)
    return Audited(declaration, variant, "not deterministic", unlike)


def fresh_copy(declaration: Declaration[..., Any], variant: Variant) -> Copy | None:
    """Give the table's copy, if it is fresh and this transaction has not changed its source."""
    if running() is not None or is_dirty(cold.alias_of(declaration), declaration.name):
        return None
    proof = proof_of(declaration, variant)
    if proof is None or (copy := proof.copy) is None:
        return None
    state, _ = proof.judge(declaration, copy, time(), limits_of(declaration, variant))
    return copy if state == "fresh" else None


def proof_of(declaration: Declaration[..., Any], variant: Variant) -> Proof | None:
    """Ask the database; None while it is out, and while a change is unchecked."""
    proofs = checking.prove(declaration, [variant])
    proof = proofs[variant.key] if proofs else None
    return proof if proof and proof.is_checked else None


def is_still(declaration: Declaration[..., Any], variant: Variant, database: Generations) -> bool:
    """Tell whether the token is the one that the stored value was computed under."""
    proof = proof_of(declaration, variant)
    return proof is not None and proof.database == database


def computed(declaration: Declaration[..., Any], variant: Variant) -> str:
    """Compute a variant as any compute does, and give its JSON text."""
    with frame(declaration, variant, microseconds(time())):
        return declaration.encode(declaration.call(variant)).text


def is_same(one: str, other: str) -> bool:
    """Tell whether two JSON texts say the same; the order of names says nothing."""
    return one == other or not any(differences(one, other))


def differences(stored: str, computed: str) -> Iterator[Difference]:
    """Name the fields in which two JSON texts differ, ten at most."""
    found = compared("", json.loads(stored), json.loads(computed))
    return (each for each, _ in zip(found, range(MAX_FIELDS), strict=False))


def compared(path: str, one: Any, other: Any) -> Iterator[Difference]:
    """Go into objects, and into lists of one length; name what differs below."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = [*one, *(name for name in other if name not in one)]
        pairs = [(name, one.get(name, MISSING), other.get(name, MISSING)) for name in names]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(str(at), *pair) for at, pair in enumerate(zip(one, other, strict=True))]
    else:
        if not equal(one, other):
            yield Difference(path or "value", spelt(one), spelt(other))
        return
    for name, *both in pairs:
        yield from compared(f"{path}.{name}" if path else name, *both)


def equal(one: Any, other: Any) -> bool:
    """Compare what JSON keeps: equality in Python would merge 1, 1.0 and true."""
    return type(one) is type(other) and bool(one == other)


def spelt(value: Any) -> str:
    """Write a value of JSON for a message."""
    return "" if value is MISSING else json.dumps(value, ensure_ascii=False)[:MAX_TEXT]


def audit_some(declarations: Sequence[Declaration[..., Any]]) -> list[Audited]:
    """Audit as many fresh variants as AUDIT says, of statistics and variants chosen by chance."""
    most = settings().AUDIT
    if not most or not declarations:
        return []
    rounds = -(-most // len(declarations))
    chosen = [each for _ in range(rounds) for each in sample(declarations, len(declarations))]
    found: list[Audited] = []
    for declaration in chosen:
        if len(found) < most and (variant := some_variant(declaration)) is not None:
            found.append(audit(declaration, variant))
    counters.flush_now_and_then()
    return found


def some_variant(declaration: Declaration[..., Any]) -> Variant | None:
    """Choose a stored variant that is young enough to be fresh: one of a thousand computed after a moment of chance."""
    now = time()
    earliest = now - limits(declaration).ttl
    rows = cold.rows_of(cold.alias_of(declaration), declaration.name).filter(schema=declaration.fingerprint)
    for since in (uniform(earliest, now), earliest):
        young = rows.filter(computed_at__gt=cold.time_for(since)).order_by("computed_at").values_list("pk", flat=True)
        if some := list(young[:AMONG]):
            stored = rows.filter(pk=choice(some)).values_list("key", "params").first()
            return cold.read_variant(declaration, *stored) if stored else None
    return None


# Note [What is a drift]
# The token of the stored value says that the database has not changed since it was computed, as far as anybody saw. So
# a compute that began and ended under the same token has to give the same value. What it gives otherwise is either a
# change that nobody saw (a source that is not declared, a write that no capture sees, a clock that the function looks
# at), or a function that does not give one value for one state of the data: a second compute at the same token tells
# these apart. A change that comes in between moves the token, and says nothing. In autocommit a plain model's log row
# commits just after its row: the proof after the second compute waits for it.
