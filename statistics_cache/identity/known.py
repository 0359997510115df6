"""Which identity is in force: learnt at each new connection and by each proof, never asked for a hot hit."""

from secrets import token_hex
from time import monotonic
from typing import Any

from django.core.cache import caches
from django.core.cache.backends.base import default_key_func
from django.db import DEFAULT_DB_ALIAS, InterfaceError, connections, router
from django.db.backends.signals import connection_created
from django.db.utils import DatabaseError

from statistics_cache.conf import Settings, settings
from statistics_cache.models import StatisticIdentity
from statistics_cache.signals import tenants_mixed

from . import facts

KEY = "_statistics_cache_identity"  # the attribute of a connection that holds what it has learnt, by made key prefix
TEST = "_statistics_cache_test"  # the attribute of a `TestCase`'s block that names the test
ERRORS = (DatabaseError, InterfaceError)
AGAIN = 60.0  # seconds until a number is tried for again: who may not write asks seldom, a lock is over by then
TENANTS = ("set_tenant", "set_schema")  # methods of connections that change search_path (django-tenants and its kin)

_last: dict[tuple[facts.Place, str], str | None] = {}  # what was said last, for who has no connection
_asked: set[str] = set()  # aliases whose identity somebody wanted to know: the others are never asked
_tried: dict[tuple[facts.Place, str], float] = {}  # when a number may be tried for a database again (monotonic)
_mixed: set[str] = set()  # aliases on which search_path changes


def in_force(alias: str, conf: Settings | None = None) -> str | None:
    """Give the identity that hot keys of a database begin with, as far as this process knows; asks and opens nothing.

    None while it is not known, and where `search_path` changes and no KEY_FUNCTION tells tenants apart: then there is
    no hot tier. In a `TestCase` it is joined with the test's own. `conf` are our settings, of who has just read them.
    """
    connection = connections[alias]
    _asked.add(alias)
    made = made_prefix(conf)
    if not made and alias in _mixed:
        return None
    own = vars(connection).get(KEY)
    if own is not None and made in own and connection.connection is not None:
        return joined(connection, own[made])
    return joined(connection, _last.get((facts.place_of(connection), made)))


def begin(alias: str) -> None:
    """Have each new connection to a database asked from now on."""
    _asked.add(alias)


def made_prefix(conf: Settings | None = None) -> str:
    """Give what the alias's own KEY_FUNCTION puts before a key now; "" where it has none."""
    name = (conf or settings()).CACHE_ALIAS
    if not caches.settings.get(name, {}).get("KEY_FUNCTION"):
        return ""
    cache = caches[name]
    return "" if cache.key_func is default_key_func else str(cache.make_key(""))


def joined(connection: Any, identity: str | None) -> str | None:
    """Join an identity with the test's own: what another test has stored was rolled back with it."""
    blocks = connection.atomic_blocks
    if identity is None or not blocks or not getattr(blocks[0], "_from_testcase", False):
        return identity
    test = next(block for block in reversed(blocks) if getattr(block, "_from_testcase", False))
    return f"{identity}.{vars(test).setdefault(TEST, token_hex(4))}"


def note(connection: Any, identity: str | None) -> str | None:
    """Take what the database has just said on a connection, and give it joined with a test's own."""
    made = made_prefix()
    vars(connection).setdefault(KEY, {})[made] = identity
    _last[facts.place_of(connection), made] = identity
    return joined(connection, identity)


def find(alias: str) -> str | None:
    """Give the identity, and ask the database where it is not known. Raises what the database raises."""
    if (known := in_force(alias)) is not None:
        return known
    connection = connections[alias]
    return note(connection, facts.ask(connection))


def make(alias: str) -> bool:
    """Give a database its number if it may have one now, and tell whether it was tried: once a minute in a process, but
    in each `TestCase`, which takes it back."""
    place = facts.place_of(connections[alias]), made_prefix()
    if monotonic() < _tried.get(place, 0.0):
        return False
    if not connections[alias].in_atomic_block:
        _tried[place] = monotonic() + AGAIN
    try:
        facts.make(alias)
    except ERRORS:  # it may not be written, or not now: there is no hot tier meanwhile
        return False
    return True


def learn(connection: Any, **_: Any) -> None:
    """Ask over a new connection: it may lead to another database than the last one did.

    Not where a SELECT would open the user's own transaction: there the first proof tells.
    """
    known = vars(connection)
    known.pop(KEY, None)
    known.pop(facts.FILE, None)
    if has_tenants(connection):
        mix(connection.alias)
    if connection.alias in _asked and connection.settings_dict["AUTOCOMMIT"]:
        try:
            identity = facts.ask(connection)
        except ERRORS:  # it may not be read: there is no hot tier, and the user's connection is as it was
            identity = None
        note(connection, identity)


connection_created.connect(learn, dispatch_uid="statistics_cache.identity")


def forget(alias: str) -> None:
    """Ask anew: a migration may have made the row, or taken it away."""
    vars(connections[alias]).pop(KEY, None)
    for place in [place for place in _last if place[0][0] == alias]:
        del _last[place]
    for place in [place for place in _tried if place[0][0] == alias]:
        del _tried[place]
    facts.forget(alias)


def has_tenants(connection: Any) -> bool:
    """Tell whether a connection is of a backend that changes `search_path` with the tenant."""
    return any(hasattr(connection, name) for name in TENANTS)


def mix(alias: str) -> None:
    """Note that `search_path` changes on a database: without a KEY_FUNCTION it has no hot tier; one line says so."""
    if alias not in _mixed:
        _mixed.add(alias)
        if not made_prefix():
            tenants_mixed.send_robust(sender=None, database=alias)


def default() -> str | None:
    """Give the identity of the database that entries are routed to, for what concerns no statistic."""
    return in_force(home())


def home() -> str:
    """Give the database that entries are routed to."""
    return router.db_for_write(StatisticIdentity) or DEFAULT_DB_ALIAS
