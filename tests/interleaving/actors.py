"""What each actor does: the real change path, read path and compute path, told to the oracle."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import DatabaseError, connections, transaction
from django.db.models import Model, QuerySet

from statistics_cache import answering, reading, upkeep
from statistics_cache.api import Statistic
from statistics_cache.changing import byhand, checking, delivering
from statistics_cache.cold import changelog
from statistics_cache.cold.changelog import Change
from statistics_cache.conf import max_parameters
from statistics_cache.declaring.declaration import Declaration
from statistics_cache.declaring.functions import read_function
from statistics_cache.declaring.sources import read_sources
from statistics_cache.entry import Answer
from tests.models import Item, Order, Paint, Region
from tests.spaces import generation, lease_of

from .operations import perform
from .oracle import CLEARED, ERASURES, MOVED, PROOF_INTERVAL, Given
from .replaying import Actor

RED = "red"
SCOPE = 'color="red"'
BLUE = "blue"
BY_HAND, CLEARING = ERASURES + 1, CLEARED + 1
HERE, THERE = 900_001, 900_002  # the keys of the two rows of each table that a scene has


def changes(color: str) -> list[int]:
    """Give the changes that a compute sees: rows of the source, and erasures that are committed."""
    erasures = perform("erasures") or ()
    rows = Paint.objects.filter(color=color).order_by("litres").values_list("litres", flat=True)
    return [*rows, *sorted(erasures)]


def declare(
    name: str, version: int, function: Callable[..., Any], sources: Mapping[type[Model], Any] | None = None
) -> Statistic[..., Any]:
    """Declare a statistic that no registry knows: other tests never meet it, nor do signals unless it is watched."""
    parameters, result = read_function(function)
    declaration = Declaration(
        function=function,
        parameters=parameters,
        result=result,
        max_parameters=max_parameters,
        explicit_name=name,
        ttl=timedelta(minutes=5),
        stale_ttl=timedelta(hours=1),
        sources=read_sources(sources or {Paint: "color"}),
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


def moved(color: str) -> list[int]:
    """Tell which writes of moved rows there are, as of one look at the rows."""
    found = sorted(perform("erasures") or ())
    look(f"SELECT count(*) FROM {Paint._meta.db_table} WHERE color = %s", color)  # noqa: S608
    return found


def look(sql: str, *values: str) -> None:
    """Have the database look: the world tells what there was."""
    with connections["default"].cursor() as cursor:
        cursor.execute(sql, values)


SUBJECT = declare("tests.subject", 1, subject)
NEWER = declare("tests.subject", 2, subject)
PARENT = declare("tests.parent", 1, parent)
SHELF = declare("tests.shelf", 1, moved)  # its scopes are the rows' own
PLACE = declare("tests.place", 1, moved, {Item: {"color": "order__region__name"}})  # its scopes lie on other rows


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
        changelog.write("default", [Change("tests.subject", SCOPE, "written")])


def dead_writer(number: int = 1) -> Actor:
    """Commit a change that is never delivered."""
    return Actor(f"dead writer {number}", partial(write_and_die, number))


def write_unseen_and_call(number: int, commits: bool) -> None:
    """Write and log as a trigger does it, so that nobody here knows of either, and ask, all in one transaction."""
    with transaction.atomic():
        insert(number)
        changelog.write("default", [Change("tests.subject", SCOPE, "written")])
        call(SUBJECT)
        transaction.set_rollback(not commits)


def unseen_writer(number: int = 1, *, commits: bool) -> Actor:
    """Write by the driver's own cursor where triggers log it, compute from that, and commit or roll back."""
    name = f"unseen writer {number}" if commits else f"unseen undoing writer {number}"
    return Actor(name, partial(write_unseen_and_call, number, commits), leases=True)


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


def read(call: Callable[[], Answer[list[int]] | None], times: int = 1, is_committed: bool = False) -> None:
    """Ask, and hold each answer against the promise."""
    for _ in range(times):
        perform("begin", is_committed)
        give(call())


def reader(name: str = "reader", times: int = 1, asked: Statistic[..., Any] = SUBJECT, **part: bool) -> Actor:
    """Take what the cache has."""
    return Actor(name, partial(read, partial(asked.answer, RED, wait=False, **part), times))


def call(asked: Statistic[..., Any], **part: bool) -> Answer[list[int]]:
    """Take what is fresh, else compute it, once for all: a call that gives nothing stale, as hydration does."""
    declaration, variant = asked.declaration, asked.declaration.variant((RED,), dict(part))
    found: Answer[list[int]] = answering.settle(
        declaration, variant, reading.search(declaration, variant), takes_stale=False
    )
    return found


def caller(name: str = "caller", process: str = "", asked: Statistic[..., Any] = SUBJECT, **part: bool) -> Actor:
    """Call: take what is fresh, else compute it, once for all."""
    return Actor(name, partial(read, partial(call, asked, **part)), process, leases=True)


def committed_reader(name: str = "committed reader", times: int = 1) -> Actor:
    """Take what is stored and lacks nothing that was committed before."""
    asked = partial(SUBJECT.answer, RED, wait=False, consistency="committed")
    return Actor(name, partial(read, asked, times, is_committed=True))


def call_committed() -> Answer[list[int]]:
    """Take what is fresh and lacks nothing that was committed before, else compute it, once for all."""
    declaration, variant = SUBJECT.declaration, SUBJECT.declaration.variant((RED,), {})
    found = reading.search(declaration, variant, consistency="committed")
    return answering.settle(declaration, variant, found, takes_stale=False, consistency="committed")


def committed_caller(name: str = "committed caller", process: str = "") -> Actor:
    """Call so."""
    return Actor(name, partial(read, call_committed, is_committed=True), process, leases=True)


def worker(name: str = "worker") -> Actor:
    """Do what a queued refresh asks for."""
    variant = SUBJECT.declaration.variant((RED,), {})
    return Actor(name, partial(upkeep.refresh, SUBJECT.declaration, variant), leases=True)


def refresher(name: str = "refresher", asked: Statistic[..., Any] = SUBJECT, **part: bool) -> Actor:
    """Compute and store, whatever is there."""
    return Actor(name, partial(read, partial(asked.refresh, RED, **part)))


def read_inside(call: Callable[[], object]) -> None:
    """Look at the database, then ask, in one transaction with a fixed snapshot; the oracle does not judge that."""
    with transaction.atomic():
        if connections["default"].vendor == "postgresql":
            with connections["default"].cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        Paint.objects.exists()
        call()


def compute_inside(asked: Statistic[..., Any] = SUBJECT) -> None:
    """Ask in a transaction with a fixed snapshot, and compute there what is not fresh."""
    read_inside(partial(call, asked))


def snapshot_caller() -> Actor:
    """Call inside a transaction with a fixed snapshot."""
    return Actor("snapshot caller", compute_inside, mode="DEFERRED", leases=True)


def take_inside() -> None:
    """Take a token and compute in a transaction with a fixed snapshot; store after it."""
    taken: list[Any] = []
    read_inside(lambda: taken.extend((SUBJECT.token(RED), subject(RED))))
    token, value = taken
    SUBJECT.set(RED, result=value, token=token)


def snapshot_taker() -> Actor:
    """Take a token inside a transaction with a fixed snapshot."""
    return Actor("snapshot taker", take_inside, mode="DEFERRED")


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
    names = [generation(SUBJECT, scope) for scope in ("*", SCOPE)]
    return Actor("evict", partial(perform, "delete", *names))


def steal() -> Actor:
    """Let a lease run out."""
    return Actor("lease ends", partial(perform, "delete", lease_of(SUBJECT, RED)))


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


def dead_clearer() -> Actor:
    """Clear one variant in both tiers and be killed after the commit."""
    return Actor("dead clearer", clear_and_die, changes=frozenset({CLEARING}))


def clear_and_die() -> None:
    """Commit the clearing of a variant, and nothing after it."""
    with transaction.atomic():
        SUBJECT.clear(part=False)
        connections["default"].run_on_commit = []


def age_clearer() -> Actor:
    """Clear by its age all that was computed of one variant until now."""
    act = partial(byhand.clear, SUBJECT.declaration, {"part": "false"}, older_than=timedelta(seconds=-1))
    return eraser("age clearer", CLEARING, act, is_read=True)


def eraser(name: str, mark: int, act: Callable[[], object], *, is_read: bool) -> Actor:
    """Do something by hand that no answer may be older than, if it concerns what is read."""
    if not is_read:
        return Actor(f"{name} of a sibling", act)
    return Actor(name, partial(told, mark, act), changes=frozenset({mark}))


# Rows that are moved: real saves, updates and deletes of a scene's rows, told by signals or by the source itself


# A row that it refers to is gone, or is there already; deadlock; serialization failure.
REFUSED = {"23503", "23505", "40P01", "40001"}


def attempt(write: Callable[[], object]) -> None:
    """Write, unless the database refuses what others have overtaken."""
    try:
        write()
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", "") not in REFUSED:
            raise


def commit(number: int, act: Callable[[], object]) -> None:
    """Write in a transaction, and tell the oracle when it is delivered."""
    with transaction.atomic():
        act()
    perform("delivered", number)


def commit_and_die(_: int, act: Callable[[], object]) -> None:
    """Write in a transaction and be killed before anything that waits for its commit."""
    with transaction.atomic():
        act()
        connections["default"].run_on_commit = []


def commit_by_hand(_: int, act: Callable[[], object]) -> None:
    """Write in a transaction of one's own, whose commit nobody is told of."""
    transaction.set_autocommit(False)
    try:
        act()
        transaction.commit()
    except DatabaseError:
        transaction.rollback()
        raise
    finally:
        transaction.set_autocommit(True)


Ending = Callable[[int, Callable[[], object]], None]
ENDINGS: dict[str, Ending] = {"": commit, "dead ": commit_and_die, "manual ": commit_by_hand}


def mover(name: str, act: Callable[[], object], ending: str = "", number: int = 1) -> Actor:
    """Write rows, as the statistic's value is another afterwards, or is not."""
    mark = MOVED + number
    write = partial(attempt, partial(ENDINGS[ending], mark, act))
    return Actor(f"{ending}{name}", write, changes=frozenset({mark}))


def repaint(key: int, color: str) -> None:
    """Read paint, change its colour and save it."""
    for paint in Paint.objects.filter(pk=key):
        paint.color = color
        paint.save()


def painter(color: str = BLUE, ending: str = "") -> Actor:
    """Move paint from one scope to another, or back."""
    return mover(f"painter of {color}", partial(repaint, HERE, color), ending, 1 if color == BLUE else 2)


def fetch_and_delete(number: int) -> None:
    """Read paint, then delete it in a transaction."""
    for paint in Paint.objects.filter(pk=HERE):
        commit(number, paint.delete)


def deleter() -> Actor:
    """Delete paint by an instance that was read before the transaction began."""
    mark = MOVED + 3
    return Actor("deleter", partial(attempt, partial(fetch_and_delete, mark)), changes=frozenset({mark}))


def create_item() -> None:
    """Create an item of the first order."""
    Item.objects.create(order_id=HERE, color=RED)


def move_item() -> None:
    """Move the item to the other order."""
    Item.objects.filter(pk=HERE).update(order_id=THERE)


def delete_item() -> None:
    """Delete the item, in one statement."""
    Item.objects.filter(pk=HERE)._raw_delete("default")


def move_order(region: int) -> None:
    """Move the first order to a region."""
    Order(pk=HERE, region_id=region).save()


def rename_region(name: str) -> None:
    """Rename the first region: all that lies there is in another scope."""
    Region(pk=HERE, name=name).save()


MOVES: dict[str, tuple[int, Callable[[], object]]] = {
    "creator": (4, create_item),
    "item mover": (5, move_item),
    "item deleter": (6, delete_item),
    "order mover": (7, partial(move_order, THERE)),
    "order mover back": (8, partial(move_order, HERE)),
    "renamer": (9, partial(rename_region, BLUE)),
    "renamer to red": (10, partial(rename_region, RED)),
}


def delete_collected(model: type[Model]) -> None:
    """Delete the first row of a table with all that hangs on it, by what was read before."""
    rows: QuerySet[Model] = QuerySet(model=model).filter(pk=HERE)
    rows.delete()


# What asks for tables that the stage does not have, and are on a real database.
MOVES_LIVE: dict[str, tuple[int, Callable[[], object]]] = {
    "item collector": (11, partial(delete_collected, Item)),
    "order collector": (12, partial(delete_collected, Order)),
}


def moving(name: str, ending: str = "") -> Actor:
    """Write a row of a path."""
    number, act = (MOVES | MOVES_LIVE)[name]
    return mover(name, act, ending, number)


def check_once(asked: Statistic[..., Any] = PLACE) -> None:
    """Check what is unchecked, as the tick does."""
    checking.check_all("default", [asked.name])


def insert_rows(statements: Sequence[str]) -> None:
    """Put rows into a real database."""
    with transaction.atomic(), connections["default"].cursor() as cursor:
        for sql in statements:
            cursor.execute(sql)


def arranger(statements: Sequence[str]) -> Actor:
    """Arrange a scene."""
    return Actor("arranger", partial(insert_rows, statements))


def checker() -> Actor:
    """Check what others have committed."""
    return Actor("checker", check_once)
