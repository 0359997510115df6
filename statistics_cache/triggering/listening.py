"""Listening: PostgreSQL tells of each commit that logged a change, and the hot tier hears of it at once.

(Note [Nobody depends on it])
"""

from collections.abc import Generator, Iterable
from contextlib import closing
from random import uniform
from select import select
from time import monotonic, sleep
from typing import Any

from django.db import connections

from statistics_cache.changing import delivering
from statistics_cache.cold import rows as cold
from statistics_cache.conf import settings, wants_notices
from statistics_cache.declaring.keys import EVERY_SCOPE
from statistics_cache.hot import asking
from statistics_cache.identity import facts, known

from .describing import Unfit, declared_on
from .postgresql import CHANNEL

FIRST_PAUSE, LAST_PAUSE = 0.1, 5.0  # seconds until a lost connection is tried again: doubled each time
GATHERED = 0.02  # seconds in which notices gather: a table that is always written moves a statistic 50 times a second
PROBE = f"{CHANNEL}_probe"  # the channel by which a pooler is tried
PROBED = 5.0  # seconds after which a notice of one's own was lost: it takes milliseconds
HEARTBEAT = 10.0  # seconds without a notice, after which the connection is asked whether it is there
# A connection that has died unnoticed, and one that is never made, end as well.
OPTIONS = {
    "application_name": "statistics_listen",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


def demand_notices(alias: str) -> None:
    """Raise Unfit where nobody tells of a commit, with what to do instead."""
    connection = connections[alias]
    if connection.vendor != "postgresql":
        raise Unfit(
            f"{alias!r} is {connection.display_name}, which tells nobody of a commit. Readers notice it within "
            "PROOF_INTERVAL; where that is too long, ask with consistency='committed'."
        )
    if not declared_on(alias):
        raise Unfit(f"no statistic on {alias!r} is captured by triggers. Set CAPTURE, and run `manage.py migrate`.")
    if not wants_notices():
        raise Unfit("NOTIFY is not set, so that no trigger tells of a commit. Set it, and run `manage.py migrate`.")


class Ear:
    """A connection of its own, which hears the names of statistics that have changed."""

    def __init__(self, alias: str) -> None:
        """Take the settings of the alias, but for what ends a dead connection: those are only added."""
        self.names: set[str] = set()
        self.connection = connections[alias].copy()
        options = dict(self.connection.settings_dict["OPTIONS"])
        options.pop("pool", None)
        self.connection.settings_dict |= {"OPTIONS": OPTIONS | options, "AUTOCOMMIT": True}

    def begin(self) -> None:
        """Connect, and listen. Raises Unfit where a pooler loses what is told."""
        self.connection.ensure_connection()
        raw: Any = self.connection.connection
        if self.is_pooled() and not self.hears_itself():
            alias = self.connection.alias
            raise Unfit(
                f"between this process and {alias!r} stands a pooler that gives each transaction another connection "
                "(PgBouncer's pool_mode=transaction), so that notices are lost. Run this process with settings whose "
                f"DATABASES[{alias!r}] has PostgreSQL's own HOST and PORT."
            )
        if hasattr(raw, "add_notify_handler"):  # psycopg 3
            raw.add_notify_handler(lambda notice: self.names.add(notice.payload))
        with self.connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")

    def is_pooled(self) -> bool:
        """Tell whether another process answers than the one that this connection was greeted with."""
        raw: Any = self.connection.connection
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            [answering] = cursor.fetchone()
        return bool(answering != raw.info.backend_pid)

    def hears_itself(self) -> bool:
        """Tell whether what another connection tells arrives here. (Note [A pooler in between])"""
        with self.connection.cursor() as cursor:
            cursor.execute(f"LISTEN {PROBE}")
            with closing(self.connection.copy()) as other, other.cursor() as speaking:
                speaking.execute(f"NOTIFY {PROBE}")
            is_heard = bool(select([self.connection.connection], [], [], PROBED)[0])
            cursor.execute(f"UNLISTEN {PROBE}")
        return is_heard

    def wait(self, seconds: float) -> set[str]:
        """Give what is heard within so many seconds; learn the database's identity, which reads what has come."""
        raw: Any = self.connection.connection
        if not self.names:
            select([raw], [], [], seconds)
        known.note(self.connection, facts.ask(self.connection))
        if not hasattr(raw, "add_notify_handler"):  # psycopg 2
            self.names |= {notice.payload for notice in raw.notifies if notice.channel == CHANNEL}
            raw.notifies.clear()
        heard, self.names = self.names, set()
        return heard


def listen(alias: str) -> Generator[str, None, None]:
    """Deliver what anybody commits, for ever; give a line each time that begins, and each time it fails.

    Raises Unfit where a pooler loses what is told.
    """
    pause, known_names = FIRST_PAUSE, [each.name for each in declared_on(alias)]
    known.begin(alias)
    while True:
        began, ear = monotonic(), Ear(alias)
        try:
            ear.begin()
            connections[alias].close_if_unusable_or_obsolete()  # where a delivery has asked for the identity itself
            deliver(alias, known_names)  # what was committed while nobody listened
            yield "listening"
            hear(alias, ear)
        except cold.OUTAGES as error:
            pause = FIRST_PAUSE if monotonic() - began > LAST_PAUSE else min(2 * pause, LAST_PAUSE)
            yield f"the database is down, trying again: {str(error).strip().partition(chr(10))[0]}"
        finally:
            ear.connection.close()
        sleep(pause * uniform(0.5, 1.0))


def hear(alias: str, ear: Ear) -> None:
    """Deliver what is heard until the connection is lost. Raises what the database raises."""
    while True:
        is_left = asking.try_again()
        if heard := ear.wait(settings().BREAKER_PAUSE if is_left else HEARTBEAT):
            deliver(alias, heard)
            sleep(GATHERED)


def deliver(alias: str, statistics: Iterable[str]) -> None:
    """Move every scope of statistics in the hot tier: which of them fell nobody has told."""
    delivering.bump(alias, {name: [EVERY_SCOPE] for name in statistics})


# Note [Nobody depends on it]
# A notice is sent at COMMIT, once for each statistic, and only says that something was logged: a process that hears of
# it moves `*`, as Django's own connections do after theirs. One that is lost (nobody listened, the connection broke) is
# made good by moving `*` of all when the next connection listens; and whether there is a listener or not, readers
# notice by the age of their proofs. PostgreSQL lets one transaction at a time commit that notifies: it holds a lock of
# the whole server from before its place in the queue of notices until its COMMIT is on disk. 16 writers of one row each
# (pgbench, PostgreSQL 18, two cores, commits on disk) fell from 2,071 transactions a second, with triggers, to 279. So
# it is off unless the setting NOTIFY asks for it.

# Note [A pooler in between]
# In transaction mode PgBouncer lends the connection on which LISTEN was run to the next client, and throws away what
# that hears while nobody has it: no error says so. It greets clients with a process number of its own making; in
# session mode, too, where listening works. So another connection notifies while this one is silent: a connection that
# is kept hears of it within milliseconds; one that was given back never does, whoever has it now.
