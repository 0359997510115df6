"""The lean hot read: keys that are packed once, and an answer that is judged as bytes while it is plainly good."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import time
from typing import Any, NamedTuple

from django.core.cache import BaseCache, caches
from redis import ConnectionPool

from statistics_cache.conf import Settings, limits_of
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.declaring.keys import space_of
from statistics_cache.entry import Copy, Header, Limits, is_known, read_line

from . import asking, entries, naming, wire
from .entries import Read


@dataclass(slots=True, eq=False)
class Plan:
    """What it takes to read one variant, made once for the settings in force, ours and those of caches.

    `words` are the packed names of the entry and its generations, `command` reads them. Without a `pool` the alias is
    no plain Redis, and they are empty, unless it is a cluster: then `node` gives the pool of who serves its slot.
    """

    conf: Settings
    caches: object
    bounds: Limits
    names: tuple[str, ...]
    pool: ConnectionPool | None
    words: tuple[bytes, ...] = ()
    command: bytes = b""
    node: Callable[[], ConnectionPool] | None = None
    last: Header | None = None  # that was read: an entry is read many times, and its header is the same each time


class Seen(NamedTuple):
    """What stood in Redis where an entry and its generations do, byte by byte; `at` is the time before it was read."""

    at: float
    plan: Plan
    found: Sequence[bytes | None]
    identity: str

    def current(self, key: str) -> tuple[Copy, bytes] | None:
        """Give the copy of a key, and its payload, if it is plainly known to be current: it is whole, under the tokens
        of now, and its proof is young."""
        text, *tokens = self.found
        plan = self.plan
        if text is None or None in tokens or len(text) > plan.conf.MAX_PAYLOAD:
            return None
        header = plan.last
        if header is None or header.tokens != tokens or not text.startswith(header.line):
            header = plan.last = read_line(key, text, tokens)  # type: ignore[arg-type]
        if header is None or not is_known(header.copy, self.at, plan.bounds):
            return None
        payload = text[len(header.line) :]
        length = len(payload) if payload.isascii() else len(payload.decode(errors="replace"))
        return (header.copy, payload) if length == header.length else None

    def read(self, variant: Variant) -> Read:
        """Give all of it, whatever it is, as the alias's own client decodes it."""
        decode, names = asking.cache().client.decode, self.plan.names  # type: ignore[attr-defined]
        there = {name: decode(value) for name, value in zip(names, self.found, strict=True) if value is not None}
        return entries.read_found(self.at, variant, names, there, self.plan.conf.MAX_PAYLOAD, self.identity)


def plan_of(declaration: Declaration[..., Any], variant: Variant, identity: str, conf: Settings) -> Plan:
    """Give the plan to read one variant under an identity."""
    known: Plan | None = variant.plans.get(identity)
    if known is not None and known.conf is conf and known.caches is caches.settings:
        return known
    if len(variant.plans) >= naming.MAX_SPACES:
        variant.plans.clear()
    plan = new_plan(declaration, variant, identity, conf)
    if not asking.breaker.is_open:  # else a cluster may have been nowhere, and is asked in the slow way for now
        variant.plans[identity] = plan
    return plan


def new_plan(declaration: Declaration[..., Any], variant: Variant, identity: str, conf: Settings) -> Plan:
    """Make the plan to read one variant under an identity."""
    given, cache = caches.settings, asking.cache()
    names = naming.hot_keys(declaration, variant, space_of(conf.KEY_PREFIX, identity))
    plan = Plan(conf, given, limits_of(declaration, variant), names, wire.plain_pool(cache, conf.CACHE_ALIAS))
    node = find_node(cache, conf.CACHE_ALIAS, names[0])
    if (pool := plan.pool or (node and node())) is None:
        return plan
    words = tuple(wire.pack_name(cache, pool, name) for name in names)
    return replace(plan, words=words, command=wire.pack_read(words), node=node)


def find_node(cache: BaseCache, alias: str, name: str) -> Callable[[], ConnectionPool] | None:
    """Give what finds the pool of who serves a name's slot; None where that is no cluster, or is out.

    Never as the breaker's probe: what sends no command tells nothing of the server.
    """
    if not asking.is_cluster(cache) or asking.breaker.is_open:
        return None
    return asking.attempt(partial(wire.cluster_pool, cache, alias, name), None)


def look(declaration: Declaration[..., Any], variant: Variant, identity: str | None, conf: Settings) -> Seen | Read:
    """Look at one entry and its generations in one round trip; nothing is found while the server is out."""
    if identity is None:
        return entries.nothing(time(), variant, None)
    at = time()
    plan = plan_of(declaration, variant, identity, conf)
    if plan.pool is None:
        seen = look_in_cluster(plan, at, identity) if plan.node else None
        return seen or entries.read(declaration, variant, identity)
    found = asking.attempt(partial(wire.exchange, plan.pool, plan.command), None)
    return Seen(at, plan, found, identity) if found is not None else entries.nothing(at, variant, identity)


def look_in_cluster(plan: Plan, at: float, identity: str) -> Seen | None:
    """Look at one entry and its generations in the node that served their slot; None where it does not, or is out: the
    cluster's own client finds who does."""

    def exchange() -> list[bytes | None] | None:
        try:
            return wire.exchange(plan.node(), plan.command)  # type: ignore[misc]
        except asking.SUSPECTS:
            return None

    found = None if asking.breaker.is_open else asking.attempt(exchange, None)
    return Seen(at, plan, found, identity) if found is not None else None


def look_many(
    declaration: Declaration[..., Any], variants: Sequence[Variant], identity: str | None, conf: Settings
) -> Sequence[Seen | Read]:
    """Look at entries and generations in one round trip; nothing is found while the server is out."""
    if identity is None or not variants:
        return entries.read_many(declaration, variants, identity)
    at = time()
    plans = [plan_of(declaration, variant, identity, conf) for variant in variants]
    if (pool := plans[0].pool) is None:
        return entries.read_many(declaration, variants, identity)
    words = dict.fromkeys(word for plan in plans for word in plan.words)
    found = asking.attempt(partial(wire.exchange, pool, wire.pack_read(words)), None)
    if found is None:
        return [entries.nothing(at, variant, identity) for variant in variants]
    there = dict(zip(words, found, strict=True))
    return [Seen(at, plan, [there[word] for word in plan.words], identity) for plan in plans]
