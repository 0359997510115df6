"""What each actor does: the real change path, read path and compute path, told to the oracle."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import connections, transaction

from statistics_cache import reading, upkeep
from statistics_cache.api import Statistic
from statistics_cache.changing import delivering
from statistics_cache.cold import changelog
from statistics_cache.declaring.declaration import Declaration, read_function
from statistics_cache.declaring.keys import generation_key
from statistics_cache.declaring.sources import read_sources
from statistics_cache.entry import Answer
from tests.models import Paint

from .operations import perform
from .oracle import CLEARED, ERASURES, PROOF_INTERVAL, Given
from .replaying import Actor

RED = "red"
SCOPE = 'color="red"'
BY_HAND, CLEARING = ERASURES + 1, CLEARED + 1


def changes(color: str) -> list[int]:
    """Give the changes that a compute sees: rows of the source, and erasures that are committed."""
    erasures = perform("erasures") or ()
    rows = Paint.objects.filter(color=color).order_by("litres").values_list("litres", flat=True)
    return [*rows, *sorted(erasures)]


def declare(name: str, version: int, function: Callable[..., Any]) -> Statistic[..., Any]:
    """Declare a statistic that no registry knows and no signal reaches: other tests never meet it."""
    parameters, result = read_function(function)
    declaration = Declaration(
        function=function,
        parameters=parameters,
        result=result,
        explicit_name=name,
        ttl=timedelta(minutes=5),
        stale_ttl=timedelta(hours=1),
        sources=read_sources({Paint: "color"}),
        on_change="revalidate",
        version=version,
    )
    return Statistic(declaration)


def subject(color: str, *, part: bool = False) -> list[int]:
    """Tell which changes there are."""
    return changes(color)


def parent(color: str) -> list[int]:
    """Tell what another statistic tells."""
    found: list[int] = SUBJECT(color)
    return found


SUBJECT = declare("tests.subject", 1, subject)
NEWER = declare("tests.subject", 2, subject)
PARENT = declare("tests.parent", 1, parent)


def write(number: int, names: tuple[str, ...] = ("tests.subject",)) -> None:
    """Change the source in a transaction, log and deliver it, as the signal handlers do."""
    with transaction.atomic():
        insert(number)
        for name in names:
            delivering.change("default", name, [SCOPE], "written")


def insert(number: int) -> None:
    """Change the source, in one statement that sends no signal."""
    with connections["default"].cursor() as cursor:
        cursor.execute(f"INSERT INTO {Paint._meta.db_table} (color, litres) VALUES (%s, %s)", [RED, number])  # noqa: S608


def told(number: int, act: Callable[[], object]) -> None:
    """Do something and tell the oracle that the change is delivered."""
    act()
    perform("delivered", number)


def writer(number: int = 1, act: Callable[[int], object] = write) -> Actor:
    """Commit a change and deliver it."""
    return Actor(f"writer {number}", partial(told, number, partial(act, number)))


def write_and_die(number: int) -> None:
    """Commit a change and be killed before the delivery."""
    with transaction.atomic():
        insert(number)
        changelog.record("default", "tests.subject", [SCOPE], "written")


def dead_writer(number: int = 1) -> Actor:
    """Commit a change that is never delivered."""
    return Actor(f"dead writer {number}", partial(write_and_die, number))


def write_and_undo(number: int) -> None:
    """Change, log and hand in for delivery, then roll back."""
    with transaction.atomic():
        write(number)
        transaction.set_rollback(True)


def undoing_writer(number: int = 9) -> Actor:
    """Roll a change back."""
    return Actor(f"undoing writer {number}", partial(write_and_undo, number))


def give(answer: Answer[list[int]] | None) -> None:
    """Tell the oracle of an answer."""
    if answer is None:
        perform("answered", None)
    else:
        age = answer.age.total_seconds()
        perform("answered", Given(frozenset(answer.value), answer.state, answer.reason, age))


def read(call: Callable[[], Answer[list[int]] | None], times: int = 1) -> None:
    """Ask, and hold each answer against the promise."""
    for _ in range(times):
        perform("begin")
        give(call())


def reader(name: str = "reader", times: int = 1, asked: Statistic[..., Any] = SUBJECT, **part: bool) -> Actor:
    """Take what the cache has."""
    return Actor(name, partial(read, partial(asked.answer, RED, wait=False, **part), times))


def call(asked: Statistic[..., Any], **part: bool) -> Answer[list[int]]:
    """Take what is fresh, else compute it, once for all: a call that gives nothing stale, as hydration does."""
    declaration, variant = asked.declaration, asked.declaration.variant((RED,), dict(part))
    found: Answer[list[int]] = reading.settle(
        declaration, variant, reading.search(declaration, variant), takes_stale=False
    )
    return found


def caller(name: str = "caller", process: str = "", asked: Statistic[..., Any] = SUBJECT, **part: bool) -> Actor:
    """Call: take what is fresh, else compute it, once for all."""
    return Actor(name, partial(read, partial(call, asked, **part)), process, leases=True)


def worker(name: str = "worker") -> Actor:
    """Do what a queued refresh asks for."""
    variant = SUBJECT.declaration.variant((RED,), {})
    return Actor(name, partial(upkeep.refresh, SUBJECT.declaration, variant), leases=True)


def refresher(name: str = "refresher", asked: Statistic[..., Any] = SUBJECT, **part: bool) -> Actor:
    """Compute and store, whatever is there."""
    return Actor(name, partial(read, partial(asked.refresh, RED, **part)))


def read_inside(call: Callable[[], Answer[list[int]] | None]) -> None:
    """Look at the database, then ask, in one transaction with a fixed snapshot; the oracle does not judge that."""
    with transaction.atomic():
        if connections["default"].vendor == "postgresql":
            with connections["default"].cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        Paint.objects.exists()
        call()


def snapshot_reader() -> Actor:
    """Read inside a transaction with a fixed snapshot."""
    return Actor("snapshot reader", partial(read_inside, partial(SUBJECT.answer, RED, wait=False)), mode="DEFERRED")


def flush() -> Actor:
    """Empty the cache."""
    return Actor("flush", partial(perform, "flush"))


def go_back() -> None:
    """Keep a copy of the cache, later make it the cache."""
    perform("replicate")
    perform("failover")


def failover(act: Callable[[], object] = go_back) -> Actor:
    """Let the cache fail over to a replica that lags behind."""
    return Actor("failover", act)


def repeater() -> Actor:
    """Send the first change of a generation once more: a command that was long under way."""
    return Actor("repeater", partial(perform, "repeat"))


def evict() -> Actor:
    """Let the cache evict the generations."""
    names = [generation_key("statistics", "tests.subject", scope) for scope in ("*", SCOPE)]
    return Actor("evict", partial(perform, "delete", *names))


def steal() -> Actor:
    """Let a lease run out."""
    name = f"statistics:lease:{SUBJECT.declaration.fingerprint}:"
    variant = SUBJECT.declaration.variant((RED,), {})
    return Actor("lease ends", partial(perform, "delete", name + variant.key))


def tick(seconds: float = PROOF_INTERVAL + 1) -> Actor:
    """Let time pass."""
    return Actor("time", partial(perform, "tick", seconds))


def fold_now() -> None:
    """Move the log into the bases, as the tick does."""
    changelog.fold("default")


def folder(name: str = "fold") -> Actor:
    """Fold the log."""
    return Actor(name, fold_now)


def invalidator(*, part: bool) -> Actor:
    """Invalidate one variant of the scope by hand; without a mark of its own where nobody reads that one."""
    return eraser("invalidator", BY_HAND, partial(SUBJECT.invalidate, RED, part=part), is_read=not part)


def clearer(part: bool | None = None) -> Actor:
    """Clear both tiers, of everything or of one variant."""
    return eraser("clearer", CLEARING, partial(SUBJECT.clear, part=part), is_read=not part)


def eraser(name: str, mark: int, act: Callable[[], object], *, is_read: bool) -> Actor:
    """Do something by hand that no answer may be older than, if it concerns what is read."""
    if not is_read:
        return Actor(f"{name} of a sibling", act)
    return Actor(name, partial(told, mark, act), changes=frozenset({mark}))
