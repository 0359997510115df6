"""Broken versions, each of which the soak must catch: what it proves of the others rests on that."""

from collections.abc import Callable, Sequence
from datetime import datetime
from math import inf
from typing import Any

from statistics_cache import judging
from statistics_cache.changing import checking, delivering, receiving
from statistics_cache.cold import changelog, proving
from statistics_cache.conf import settings
from statistics_cache.hot import generations, holding, lease
from statistics_cache.identity import facts, known
from statistics_cache.triggering import installing
from tests.soak import declared
from tests.soak.auditor import UnseenWriter
from tests.soak.crew import Crew
from tests.soak.ledger import Ledger


def break_it(what: str) -> None:
    """Break what is named; else lose every log row whose cause ends so ("deleted", "updated", "by hand" …)."""
    if what in BROKEN:
        BROKEN[what]()
    elif what:
        lose_log_rows(what)


def lose_deliveries() -> None:
    """Deliver nothing."""
    generations.bump = lambda *_: None


def believe_for_ever() -> None:
    """Believe a hot copy whose tokens are those of now, however long ago it was proved."""
    believed = judging.believed
    judging.believed = lambda copy, read, bounds: believed(copy._replace(proved_at=read.at), read, bounds)
    judging.is_to_prove = lambda *_: False


def forget_epochs() -> None:
    """Give what was cleared as stale."""
    best = judging.best

    def any_epoch(declaration: Any, copies: Any, proof: Any, *rest: Any) -> Any:
        cleared = [
            copy and copy._replace(database=copy.database._replace(epoch=proof.database.epoch)) for copy in copies
        ]
        return best(declaration, cleared, proof, *rest)

    judging.best = any_epoch  # type: ignore[assignment]


def check_too_early() -> None:
    """Read the scopes that lie on other rows when a row is written: another writer may be moving those."""
    hand_over = delivering.hand_over

    def check_first(alias: str, facts: Any, rows: Any) -> None:
        checking.check(alias, rows)
        hand_over(alias, facts, [])

    delivering.hand_over = check_first


def leave_leases() -> None:
    """Let every lease stand for LEASE_TTL, and give none back that an outage kept from it."""
    vars(lease)["span_for"] = lambda _: settings().LEASE_TTL
    holding.holder.standing = list  # type: ignore[method-assign]


def have_one_identity() -> None:
    """Take every database for one."""
    known.forget("default")
    facts.digest = lambda *_: "everybodys"  # type: ignore[assignment]


def give_what_changed() -> None:
    """Give what changed for as long as anything."""
    proving.Moves.left_of = lambda *_: inf  # type: ignore[method-assign]


def forget_a_source() -> None:
    """Have a statistic name nothing of what it is computed from."""
    receiving.unwatch(declared.shelf.declaration)


def lose_a_trigger() -> None:
    """Have somebody remove a trigger by hand, once all have seen that it was there."""
    installing.run("default", ["DROP TRIGGER statistics_cache_update ON tests_item"])


def write_unseen() -> None:
    """Have somebody write by raw SQL, which nobody sees, and no reader compare what it is given."""
    Crew.audits = UnseenWriter
    Ledger.faults = lambda *_, **__: []  # type: ignore[method-assign]


BROKEN: dict[str, Callable[[], None]] = {
    "check": check_too_early,
    "changed": give_what_changed,
    "delivery": lose_deliveries,
    "lease": leave_leases,
    "proof": believe_for_ever,
    "epoch": forget_epochs,
    "identity": have_one_identity,
    "source": forget_a_source,
    "trigger": lose_a_trigger,
    "unseen": write_unseen,
}


def lose_log_rows(ending: str) -> None:
    """Have some changes delivered, but never logged."""
    write = changelog.write

    def forgetful(alias: str, changes: Sequence[changelog.Change], at: datetime | None = None) -> Any:
        return write(alias, [change for change in changes if not change.cause.endswith(ending)], at)

    changelog.write = forgetful
