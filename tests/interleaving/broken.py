"""The broken versions of the protocol: what each does instead, and the smallest cast that it betrays."""

import inspect
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import pytest
from django.db import OperationalError, transaction
from django.db.models import Q

from statistics_cache import computing, flying, judging, reading, tokens
from statistics_cache.changing import checking, delivering
from statistics_cache.cold import changelog, proving
from statistics_cache.cold import rows as cold
from statistics_cache.cold.changelog import Change, Total
from statistics_cache.cold.proving import Pair
from statistics_cache.conf import limits
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.declaring.keys import EPOCH_SCOPE, EVERY_SCOPE, generation_key
from statistics_cache.entry import Answer, Capture, Copy, Found, Limits, Search
from statistics_cache.hot import asking, generations, naming
from statistics_cache.hot import entries as hot
from statistics_cache.models import StatisticInvalidation, StatisticScope
from tests.models import Paint
from tests.spaces import identity

from . import actors, casts
from .actors import BLUE, HERE, NEWER, PARENT, PLACE, RED, SCOPE, SHELF, SUBJECT
from .casts import Cast
from .operations import draw, perform
from .oracle import MOVED
from .replaying import Actor
from .searching import solo
from .stage import now
from .world import World

Patch = pytest.MonkeyPatch
Declared = Declaration[..., Any]


class Broken(NamedTuple):
    """A broken version, and what catches it: the promise it breaks, in a cast made under the patch."""

    name: str
    law: str
    patch: Callable[[Patch], object]
    cast: Callable[[], Cast]


def nothing(_: Patch) -> None:
    """Leave the library as it is: the actor itself is wrong."""


def bump_before_commit(number: int) -> None:
    """Deliver inside the transaction."""
    with transaction.atomic():
        actors.insert(number)
        changelog.write("default", [Change("tests.subject", SCOPE, "written")])
        generations.bump(identity(), {"tests.subject": [SCOPE]})


def log_before_data(number: int) -> None:
    """Log in a transaction of its own, before the change."""
    with transaction.atomic():
        changelog.write("default", [Change("tests.subject", SCOPE, "written")])
    with transaction.atomic():
        actors.insert(number)
        delivering.hand_over("default", {"tests.subject": {SCOPE}}, [])


def compute_then_capture(patch: Patch) -> None:
    """Take the token when the function has returned."""

    def compute(declaration: Declared, variant: Variant, *_: object, **__: object) -> Answer[Any]:
        value = declaration.call(variant)
        tokens.put(declaration, variant, value, None)
        return computing.answer_computed(value, now(), 0.0)

    patch.setattr(computing, "compute", compute)


def count(patch: Patch) -> None:
    """Move generations by 1."""
    patch.setattr(asking, "bump_one", lambda cache, name: cache.incr(name, 1))


def set_generation(patch: Patch) -> None:
    """Set generations to a random number instead of moving them."""
    patch.setattr(asking, "bump_one", lambda cache, name: cache.set(name, draw().getrandbits(52)) is None)


def take_missing_for_zero(patch: Patch) -> None:
    """Let a missing generation be 0."""
    patch.setattr(generations, "tokens_of", lambda found: tuple(token or 0 for token in found))
    believe(patch, lambda copy, read: copy.hot == tuple(token or 0 for token in read.found))


def take_missing_for_equal(patch: Patch) -> None:
    """Let a missing generation equal what it was."""
    believe(patch, lambda copy, read: all(now in (None, then) for now, then in zip(read.found, copy.hot, strict=True)))


def leave_out_every_scope(patch: Patch) -> None:
    """Read no `*`."""
    believe(patch, lambda copy, read: copy.hot[1:] == read.found[1:])


def believe(patch: Patch, is_equal: Callable[[Any, hot.Read], bool]) -> None:
    """Compare tokens in another way, under the same limits of age."""
    real = judging.believed

    def believed(copy: Copy, read: hot.Read, bounds: Limits) -> bool:
        return is_equal(copy, read) and real(copy, read._replace(found=copy.hot or ()), bounds)

    patch.setattr(judging, "believed", believed)


def believe_what_is_old(patch: Patch) -> None:
    """Ask for no young proof of what is older than its ttl."""
    real = judging.believed

    def believed(copy: Copy, read: hot.Read, bounds: Limits) -> bool:
        is_old = read.at - copy.computed_at >= bounds.ttl
        return copy.hot == read.found if is_old else real(copy, read, bounds)

    patch.setattr(judging, "believed", believed)
    patch.setattr(judging, "is_to_prove", lambda *_: False)


def compare_no_tokens(patch: Patch) -> None:
    """Believe a young proof alone of what is older than its ttl."""
    believe(patch, lambda copy, read: copy.hot == read.found or read.at - copy.computed_at >= 300)


def ask_for_no_proof(patch: Patch) -> None:
    """Believe equal tokens for ever."""
    patch.setattr(judging, "believed", lambda copy, read, _: copy.hot == read.found)
    patch.setattr(judging, "is_to_prove", lambda *_: False)


def follow_blindly(patch: Patch) -> None:
    """Take what the flight brings."""
    patch.setattr(flying, "shares", lambda *_: True)


def follow_by_hot_tokens(patch: Patch) -> None:
    """Compare the hot tokens alone, and ask for no proof."""

    def shares(copy: Copy, mine: Capture, _: Limits) -> bool:
        return copy.hot == mine.hot

    patch.setattr(flying, "shares", shares)


def keep_epoch_in_cache(patch: Patch) -> None:
    """Log no clearing: `*` moves in the cache alone."""
    real = changelog.write

    def write(alias: str, changes: Sequence[Change]) -> list[StatisticInvalidation]:
        return real(alias, [change for change in changes if change.scope != EPOCH_SCOPE])

    patch.setattr(changelog, "write", write)


def name_generations_by_schema(patch: Patch) -> None:
    """Put the schema's fingerprint into the names of generations; writers run the older code."""
    keys, name = naming.hot_keys, generation_key
    older = SUBJECT.declaration.fingerprint

    def hot_keys(declaration: Declared, variant: Variant, prefix: str) -> tuple[str, ...]:
        entry, *generations = keys(declaration, variant, prefix)
        return entry, *(generation.removesuffix(older) + declaration.fingerprint for generation in generations)

    patch.setattr(naming, "hot_keys", hot_keys)
    for module in (naming, generations):
        patch.setattr(module, "generation_key", lambda *args: name(*args) + older)


def promote_inside(patch: Patch) -> None:
    """Promote what a transaction's snapshot proves."""
    patch.setattr(reading, "in_transaction", lambda _: False)


def fold_and_prune() -> None:
    """Fold the log, then prune the scopes."""
    with transaction.atomic():
        actors.fold_now()
        StatisticScope.objects.all().delete()


def delete_the_entry(patch: Patch) -> None:
    """Delete the hot entry instead of moving its generation."""
    variant = SUBJECT.declaration.variant((RED,), {})
    entry = naming.hot_keys(SUBJECT.declaration, variant, naming.own_space(identity()))[0]
    patch.setattr(generations, "bump", lambda *_: asking.cache().delete(entry))


def fence_without_time(patch: Patch) -> None:
    """Let any compute of the same generation pass."""
    patch.setattr(cold, "fence", lambda copy, *_: Q(payload=None) | Q(generation__lte=copy.database.generation))


def feed_by_hot(patch: Patch) -> None:
    """Let a compute use what is hot."""

    def search_inside(declaration: Declared, variant: Variant) -> Search[Any]:
        hit: Found[Any] | None = judging.hot_hit(
            declaration, hot.read(declaration, variant, identity()), limits(declaration)
        )
        return Search(hit)

    patch.setattr(reading, "search_inside", search_inside)


def read_generation_first(patch: Patch) -> None:
    """Read the generation, then the row."""
    prove_twice(patch, lambda first, second: second._replace(database=first.database))


def read_row_first(patch: Patch) -> None:
    """Read the row, then the generation."""
    prove_twice(patch, lambda first, second: first._replace(database=second.database))


def prove_twice(patch: Patch, join: Callable[[proving.Proof, proving.Proof], proving.Proof]) -> None:
    """Read in two statements."""
    real = proving.prove_at_once

    def prove(alias: str, pairs: Sequence[Pair], payloads: bool) -> dict[str, proving.Proof]:
        first, second = real(alias, pairs, payloads), real(alias, pairs, payloads)
        return {key: join(first[key], second[key]) for key in first}

    patch.setattr(proving, "prove_at_once", prove)


def add_up_in_two_statements(patch: Patch) -> None:
    """Read the bases, then the log: between the two a fold moves rows from one to the other."""
    real = proving.prove_at_once

    def prove(alias: str, pairs: Sequence[Pair], payloads: bool) -> dict[str, proving.Proof]:
        bases = list(StatisticScope.objects.values_list("statistic", "scope", "base"))
        jumps = list(StatisticInvalidation.objects.values_list("statistic", "scope", "jump"))
        totals = Counter[tuple[str, str]]()
        for statistic, scope, number in (*bases, *jumps):
            totals[statistic, scope] += number
        sums = {scope: Total(number) for scope, number in totals.items()}
        found = real(alias, pairs, payloads)
        return {
            variant.key: found[variant.key]._replace(database=changelog.add_up(sums, declaration.name, variant))
            for declaration, variant in pairs
        }

    patch.setattr(proving, "prove_at_once", prove)


# Rule V: scopes that lie on other rows are read after the commit


def create_checked() -> None:
    """Create an item, and check it before the commit."""
    actors.create_item()
    checking.check("default", changelog.unchecked("default"))


def check_at_once(patch: Patch) -> None:
    """Read the scopes when the row is written, and deliver `*`."""
    real = delivering.hand_over

    def hand_over(alias: str, facts: Any, rows: Any) -> None:
        checking.check(alias, rows)
        real(alias, facts, [])

    patch.setattr(delivering, "hand_over", hand_over)


def deliver_then_check(patch: Patch) -> None:
    """Deliver `*`, then check."""
    real = delivering.deliver_together

    def deliver_together(several: Sequence[Any]) -> None:
        with pytest.MonkeyPatch.context() as unchecked:
            unchecked.setattr(delivering, "check", lambda *_: True)
            real(several)
        checking.check_all("default")

    patch.setattr(delivering, "deliver_together", deliver_together)


def deliver_what_was_found(patch: Patch, every: bool = False) -> None:
    """Deliver the scopes that the check of one's own rows found, or of all."""
    mark, bump, check = changelog.mark_checked, delivering.bump, checking.check
    found: list[str] = []

    def mark_checked(alias: str, rows: Any, changes: Any) -> bool:
        found[:] = [change.scope for change in changes]
        return mark(alias, rows, changes)

    patch.setattr(changelog, "mark_checked", mark_checked)
    patch.setattr(delivering, "bump", lambda alias, moves: bump(alias, {name: list(found) for name in moves}))
    if every:
        patch.setattr(delivering, "check", lambda alias, _: check(alias, changelog.unchecked(alias)))


def fail_to_check(patch: Patch) -> None:
    """Let the database be out whenever a writer checks."""

    def check(*_: object) -> bool:
        raise OperationalError

    patch.setattr(delivering, "check", check)


def fail_and_deliver_nothing(patch: Patch) -> None:
    """Deliver nothing of what could not be checked."""
    fail_to_check(patch)
    patch.setattr(delivering, "bump", lambda *_: None)


def notice_nothing(patch: Patch) -> None:
    """Prove as if there were no unchecked rows."""
    real = proving.prove_at_once

    def prove(alias: str, pairs: Sequence[Pair], payloads: bool) -> dict[str, proving.Proof]:
        return {key: proof._replace(is_checked=True) for key, proof in real(alias, pairs, payloads).items()}

    patch.setattr(proving, "prove_at_once", prove)
    for module in (changelog, proving):
        patch.setattr(module, "all_scopes", lambda variant: (EVERY_SCOPE, EPOCH_SCOPE, *variant.scopes))


def deliver_early_and_notice_nothing(patch: Patch) -> None:
    """Deliver `*`, then check; nobody waits for that."""
    deliver_then_check(patch)
    notice_nothing(patch)


def delete_as_fetched(number: int) -> None:
    """Read paint, delete it in a transaction and log the scope that it was read in."""
    for paint in Paint.objects.filter(pk=HERE):
        scope = SHELF.declaration.scope({"color": paint.color})
        with transaction.atomic():
            Paint.objects.filter(pk=HERE)._raw_delete("default")
            delivering.change("default", "tests.shelf", [scope], "deleted")
        perform("delivered", number)


def deleter_as_fetched() -> Actor:
    """Delete paint, and believe what was read of it before."""
    mark = MOVED + 3
    return Actor("deleter", partial(delete_as_fetched, mark), changes=frozenset({mark}))


def creator_checked() -> Actor:
    """Create an item, and check it before the commit."""
    return actors.mover("creator", create_checked, number=4)


def with_creator(make: Callable[[], Actor]) -> Cast:
    """Give a cast of two writers on one path, with another creator."""
    cast = casts.on_path("creator", "renamer to red")
    playing = [make(), *cast.actors[1:]]
    return Cast(casts.overlapping(playing), casts.settled(PLACE, region=BLUE, item=False), tries=0)


def promoted() -> Cast:
    """Give a writer on a path and two readers, of whom one may promote what the other then finds."""
    found = [actors.moving("creator"), actors.reader(asked=PLACE), actors.reader("second reader", asked=PLACE)]
    return Cast(found, casts.settled(PLACE, item=False), tries=0)


# Mutants of the code as it is: the law that each breaks was once kept by no test


def rewritten(module: Any, name: str, old: str, new: str) -> Callable[[Patch], None]:
    """Give a patch that puts another text in the place of one that a function has once."""

    def patch(patch: Patch) -> None:
        source = inspect.getsource(getattr(module, name))
        assert source.count(old) == 1, f"{name} no longer reads {old!r}"
        made: dict[str, Any] = {}
        exec(source.replace(old, new), vars(module), made)  # noqa: S102  (the library's own source)
        patch.setattr(module, name, made[name])

    return patch


def prove_as_of_its_end(patch: Patch) -> None:
    """Count a proof's age from when the database has answered, not from when the hot tier was read."""
    patch.setattr(judging, "end", vars(reading)["time"], raising=False)
    rewritten(judging, "conclude", "microseconds(read.at)", "microseconds(end())")(patch)


START = """    tokens = generations.start_tokens(declaration, variants, identity)
"""
PROVE = """    proofs = checking.prove(declaration, variants) or {}
"""


def ask_the_hot_tier_first(patch: Patch) -> None:
    """Read what is to lack no commit as anything else is read."""
    patch.setattr(reading, "search_committed", partial(reading.search, consistency="delivered"))


def give_what_lacks_a_commit(patch: Patch) -> None:
    """Give as stale what the proof shows to be changed."""
    patch.setattr(reading, "unlacking", lambda ended: ended)


def of(world: Callable[[], World], *makers: Callable[[], Actor]) -> Callable[[], Cast]:
    """Give a cast, to be made when the patch is in force."""
    return lambda: Cast([make() for make in makers], world())


def family() -> World:
    """Give a world in which both tiers hold parent and child."""
    return solo(actors.caller("parent", asked=PARENT), casts.warm())


def newer() -> World:
    """Give a world in which both tiers hold the entry of the newer code."""
    return solo(actors.caller("before", asked=NEWER), World())


FAMILY = ("tests.subject", "tests.parent")
reader, caller, refresher, writer = actors.reader, actors.caller, actors.refresher, actors.writer
second = partial(actors.writer, 2)
dead = actors.dead_writer
follower = partial(actors.caller, "follower", process="caller")
jump_back = partial(actors.failover, partial(perform, "failover"))
prune = partial(Actor, "fold and prune", fold_and_prune)
write_family = partial(actors.writer, 1, partial(actors.write, names=FAMILY))

BROKEN = [
    Broken(
        "bump before commit",
        "P1/P3",
        nothing,
        of(casts.warm, partial(writer, 1, bump_before_commit), refresher, reader),
    ),
    Broken("token captured late", "P1/P3", compute_then_capture, of(casts.started, writer, refresher, reader)),
    Broken("counter + 1", "P1/P3", count, of(casts.replicated, jump_back, second, refresher, reader)),
    Broken("SET", "P1/P3", set_generation, of(casts.current, second, actors.repeater, reader)),
    Broken("missing = zero", "P1/P3", take_missing_for_zero, of(casts.empty, writer, refresher, reader)),
    Broken("None == None", "P1/P3", take_missing_for_equal, of(casts.warm, writer, actors.evict, reader)),
    Broken("no proof age", "P1/P3", ask_for_no_proof, of(casts.warm, dead, actors.tick, reader)),
    Broken("aged copies without proof age", "P1/P3", believe_what_is_old, of(casts.aged, dead, actors.tick, reader)),
    Broken(
        "tokens of aged copies not compared",
        "P1/P3",
        compare_no_tokens,
        of(casts.aged_twice, actors.clearer, reader, partial(reader, "second reader")),
    ),
    Broken(
        "a committed read takes a hot copy",
        "P1/P3",
        ask_the_hot_tier_first,
        of(casts.warm, dead, actors.committed_reader),
    ),
    Broken(
        "a committed read gives what has changed",
        "committed",
        give_what_lacks_a_commit,
        of(casts.warm, dead, actors.committed_reader),
    ),
    Broken("follower as is", "P1/P3", follow_blindly, of(casts.started, writer, caller, follower)),
    Broken(
        "follower without proof", "P1/P3", follow_by_hot_tokens, of(casts.started, dead, actors.tick, caller, follower)
    ),
    Broken("`*` missing from the read", "P1/P3", leave_out_every_scope, of(casts.warm, actors.clearer, reader)),
    Broken(
        "epoch only in the cache", "P1/P3", keep_epoch_in_cache, of(casts.started, actors.clearer, refresher, reader)
    ),
    Broken(
        "generation key with a fingerprint",
        "P1/P3",
        name_generations_by_schema,
        of(newer, writer, partial(reader, asked=NEWER)),
    ),
    Broken(
        "promotion inside a snapshot", "P1/P3", promote_inside, of(casts.warm, writer, actors.snapshot_reader, reader)
    ),
    Broken(
        "log row before the data",
        "P1/P3",
        nothing,
        of(casts.started, partial(writer, 1, log_before_data), refresher, reader),
    ),
    Broken("scope rows pruned", "P1/P3", nothing, of(casts.warm, writer, prune, reader)),
    Broken("entry deleted", "P1/P3", delete_the_entry, of(casts.started, writer, refresher, reader)),
    Broken(
        "fence without the time",
        "P4",
        fence_without_time,
        of(casts.started, refresher, partial(refresher, "second refresher"), partial(actors.tick, 1.0)),
    ),
    Broken(
        "parent fed by a hot child",
        "P1/P3",
        feed_by_hot,
        of(family, write_family, partial(refresher, asked=PARENT), partial(reader, asked=PARENT)),
    ),
    Broken("sums in two statements", "P1/P3", add_up_in_two_statements, of(casts.changed, actors.folder, reader)),
]

RULE_V = [
    Broken("checked before COMMIT", "P1/P3", nothing, partial(with_creator, creator_checked)),
    Broken("`*` bumped, no check", "P1/P3", check_at_once, partial(with_creator, partial(actors.moving, "creator"))),
    Broken(
        "bumped before the check",
        "P1/P3",
        deliver_early_and_notice_nothing,
        promoted,
    ),
    Broken(
        "only the scopes found bumped",
        "P1/P3",
        deliver_what_was_found,
        partial(casts.on_path, "creator", "order mover", computes=False),
    ),
    Broken(
        "all unchecked rows checked, scopes bumped",
        "P1/P3",
        partial(deliver_what_was_found, every=True),
        partial(casts.on_path, "creator", "order mover", computes=False),
    ),
    Broken(
        "proofs do not wait",
        "P1/P3",
        notice_nothing,
        partial(casts.on_path, "creator", "order mover", computes=False),
    ),
    Broken("what could not be checked is not delivered", "P1/P3", fail_and_deliver_nothing, promoted),
    Broken("killed, and proofs notice nothing", "P1/P3", notice_nothing, partial(casts.left, "dead ")),
    Broken(
        "delete by a fetched instance",
        "P1/P3",
        nothing,
        lambda: casts.on_paint(actors.painter(RED), deleter_as_fetched(), paint=BLUE),
    ),
]

MUTANTS = [
    Broken(
        "a transaction's result written hot",
        "P1/P3",
        rewritten(computing, "keep", "copy._replace(hot=None)", "copy"),
        of(casts.started, second, actors.snapshot_caller, reader),
    ),
    Broken(
        "missing generations started after the proof",
        "P1/P3",
        rewritten(reading, "promote_started", START + PROVE, PROVE + START),
        of(casts.flushed, second, reader, partial(reader, "second reader")),
    ),
    Broken(
        "proved_at after the proof",
        "P1/P3",
        prove_as_of_its_end,
        of(casts.flushed, dead, actors.tick, reader, partial(reader, "second reader")),
    ),
]

# What section 5 of the design names too, and what no schedule betrays.
HARMLESS = [
    Broken(name, "", patch, of(casts.started, second, refresher, reader))
    for name, patch in {"generation before the row": read_generation_first, "row first": read_row_first}.items()
]

# Rule V delivers after the check; where proofs wait for the check, the other order is harmless, and none by the writer.
ANY_ORDER = [
    Broken("bumped before the check, and proofs wait", "", deliver_then_check, promoted),
    Broken(
        "the check fails, and readers check",
        "",
        fail_to_check,
        partial(casts.on_path, "creator", "order mover", computes=False, tries=1),
    ),
    Broken(
        "the check fails, and the region moves",
        "",
        fail_to_check,
        partial(casts.on_path, "creator", "renamer", computes=False, tries=1),
    ),
]
