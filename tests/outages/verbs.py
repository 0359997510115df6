"""Every verb, and what it must give whatever is out: the oracle of the table."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import time
from typing import Any

from statistics_cache import Answer, TokenError, tasks, upkeep
from statistics_cache.api import registry
from statistics_cache.entry import Entry
from statistics_cache.explaining.sentences import Story
from statistics_cache.upkeep import Ticked
from tests.commanding import Ended, run
from tests.outages.pages import PAGES, check_page
from tests.outages.world import Needs, World
from tests.samples import STALE_TTL, Color, Stock

RED = Color.RED


@dataclass(frozen=True)
class Verb:
    """What is done, what it may give, and what it cannot do without a database that reads or writes."""

    act: Callable[[World], Any]
    check: Callable[[World, Any], None]
    needs: Needs = "nothing"


def check_value(world: World, value: object, color: Color = RED, *, doubled: bool = False) -> None:
    """A value is what is committed; or was, where policy lets a call give what is stale, or a delivery was lost."""
    if value == world.truth(color, doubled=doubled):
        return
    may_be_old = world.may_be_stale or time() < world.lags_until
    assert may_be_old and world.was_true(value, color, doubled=doubled), value


def check_found(world: World, value: object) -> None:
    """What only looks may find nothing where what is stored is old, or cannot be read; never where it is current."""
    if value is None:
        assert not world.is_current or world.is_hidden
    else:
        check_value(world, value)


def check_answer(
    world: World, answer: Answer[Stock] | Entry[Stock], color: Color = RED, *, doubled: bool = False
) -> None:
    """Fresh means right; anything else says why, and is younger than stale_ttl."""
    if answer.state == "fresh":
        is_right = answer.value == world.truth(color, doubled=doubled)
        assert is_right or (time() < world.lags_until and world.was_true(answer.value, color, doubled=doubled)), answer
        assert answer.reason is None
    else:
        assert answer.state == "stale" and answer.reason, answer
        assert answer.age < STALE_TTL, answer
        assert world.was_true(answer.value, color, doubled=doubled), answer


def check_found_answer(world: World, answer: Answer[Stock] | Entry[Stock] | None) -> None:
    """The same for what only looks."""
    if answer is None:
        assert not world.is_current or world.is_hidden
    elif answer.state != "expired":
        check_answer(world, answer)


def check_given(world: World, answer: Answer[Stock], color: Color = RED) -> None:
    """A call gives what is stale only where policy says so."""
    check_answer(world, answer, color)
    assert answer.state == "fresh" or world.may_be_stale, answer


def check_many(world: World, answers: list[Answer[Stock]]) -> None:
    """Each answer is right by itself."""
    assert len(answers) == len(Color)
    for color, answer in zip(Color, answers, strict=True):
        check_answer(world, answer, color)


def check_refreshed(world: World, answer: Answer[Stock]) -> None:
    """What is computed now is right, whatever could be stored."""
    assert (answer.value, answer.state, answer.tier) == (world.truth(RED), "fresh", "computed")


def check_fresh(world: World, is_fresh: bool) -> None:
    """What is told to be fresh is current, or a delivery was lost; what is current and can be proved is fresh."""
    if is_fresh:
        assert world.is_current or time() < world.lags_until
    else:
        assert not world.is_current or world.is_hidden or world.may_be_stale


def check_queued(world: World, is_queued: bool) -> None:
    """It is queued unless the broker or the database is out."""
    assert is_queued or world.refuses != "nothing" or world.is_brokerless


def check_stored(world: World, is_stored: bool) -> None:
    """A value that was computed under a token is stored unless the database refuses."""
    assert is_stored or world.refuses != "nothing"


def check_nothing(world: World, given: object) -> None:
    """Nothing is given."""
    assert given is None


def check_count(world: World, count: int) -> None:
    """Rows are counted."""
    assert 0 <= count <= len(Color) * 2


def check_hydrated(world: World, answers: list[Answer[Stock]]) -> None:
    """Each hydrated variant is fresh and right."""
    variants = world.statistic.variants()
    assert len(answers) == len(variants)
    for variant, answer in zip(variants, answers, strict=True):
        check_answer(world, answer, variant["color"], doubled=variant.get("doubled", False))
        assert answer.state == "fresh"


def check_info(world: World, info: Any) -> None:
    """Sizes and breakers are told as they are."""
    assert info["cache_size"] <= len(Color) * 2
    assert info["cache_size"] == len(info["keys_cached"])
    assert not (info["breaker_open"] and info["redis_enabled"])


def check_tick(world: World, ticked: Ticked) -> None:
    """A tick ends, and queues nothing on a broker that is out."""
    assert ticked.queued == 0 or not world.is_brokerless


def check_task(world: World, state: str) -> None:
    """A refresh ends, whatever it could do."""
    assert state in ("SUCCESS", "RETRY") or (state == "FAILURE" and world.refuses != "nothing"), state


def check_ended(world: World, ended: Ended) -> None:
    """A command ends with 0; with 1 where the database or the broker is out, and says so."""
    assert ended.code in (0, 1), ended
    if ended.code == 1:
        told = ended.message + ended.err
        assert (world.refuses != "nothing" and ("database" in told or "not be stored" in told)) or (
            world.is_brokerless and "The broker is down." in told
        ), ended


def check_shown(world: World, ended: Ended) -> None:
    """What is shown as fresh is right, what is not says why."""
    check_ended(world, ended)
    if ended.code:
        return
    for shown in json.loads(ended.out):
        color, doubled = Color(shown["params"]["color"]), shown["params"].get("doubled", False)
        if shown["state"] == "fresh":
            check_value(world, Stock(**shown["value"]), color, doubled=doubled)
        else:
            assert shown["reason"] or shown["state"] == "missing", shown


def check_explained(world: World, story: Story) -> None:
    """A story has all its sentences, and calls nothing fresh that is not."""
    assert len(story.sentences) >= 6
    if story.facts.state == "fresh":
        check_fresh(world, is_fresh=True)


def put(world: World) -> bool:
    """Compute elsewhere, under a token."""
    try:
        token = world.statistic.token(RED)
    except TokenError:
        return False
    return world.statistic.set(RED, result=world.statistic.compute(RED), token=token)


def mark_old(act: Callable[[World], object], world: World) -> Any:
    """Do something after which what is stored is not current."""
    world.is_current = False
    return act(world)


def tick(_: World) -> Ticked:
    """Do what the tick does, as the task does it."""
    return upkeep.tick([found.declaration for found in registry.all()])


def run_task(world: World) -> str:
    """Do what a message asks for, as a worker does."""
    arguments = {"statistic": world.statistic.name, "parameters": '{"color":"red"}'}
    return str(tasks.refresh.apply(kwargs=arguments, throw=False).state)


def command(name: str, *options: str, **given: Any) -> Callable[[World], Ended]:
    """Give the running of a command on the statistic."""
    return lambda world: run(name, world.statistic.name, *options, **given)


VERBS: dict[str, Verb] = {
    "call": Verb(lambda world: world.statistic(RED), check_value),
    "answer": Verb(lambda world: world.statistic.answer(RED), check_given),
    "answer at once": Verb(lambda world: world.statistic.answer(RED, wait=False), check_found_answer),
    "get": Verb(lambda world: world.statistic.get(RED), check_found),
    "explain": Verb(lambda world: world.statistic.explain(RED), check_explained),
    "get_many": Verb(lambda world: world.statistic.get_many([{"color": each} for each in Color]), check_many),
    "is_fresh": Verb(lambda world: world.statistic.is_fresh(RED), check_fresh),
    "entry": Verb(lambda world: world.statistic.entry(RED), check_found_answer),
    "refresh": Verb(lambda world: world.statistic.refresh(RED), check_refreshed, "reads"),
    "refresh_later": Verb(lambda world: world.statistic.refresh_later(RED), check_queued),
    "set": Verb(put, check_stored, "reads"),
    "invalidate": Verb(partial(mark_old, lambda world: world.statistic.invalidate(RED)), check_nothing, "writes"),
    "clear": Verb(partial(mark_old, lambda world: world.statistic.clear(RED)), check_count, "writes"),
    "clear hot": Verb(lambda world: world.statistic.clear(RED, tier="hot"), check_count, "reads"),
    "clear_all": Verb(partial(mark_old, lambda world: world.statistic.clear_all()), check_count, "writes"),
    "hydrate": Verb(lambda world: world.statistic.hydrate(), check_hydrated, "reads"),
    "get_cache_info": Verb(lambda world: world.statistic.get_cache_info(), check_info, "reads"),
    "write": Verb(lambda world: world.write(), check_nothing, "writes"),
    "tick": Verb(tick, check_tick, "writes"),
    "refresh task": Verb(run_task, check_task),
    "show command": Verb(command("show", "--values", "--format", "json"), check_shown),
    "refresh command": Verb(command("refresh"), check_ended),
    "invalidate command": Verb(partial(mark_old, command("invalidate")), check_ended),
    "clear command": Verb(partial(mark_old, command("clear", interactive=False)), check_ended),
    "hydrate command": Verb(command("hydrate"), check_ended),
    "queue command": Verb(command("refresh", "--async", "--force"), check_ended),
    **{name: Verb(ask, check_page, "reads") for name, ask in PAGES.items()},
}
