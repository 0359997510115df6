"""What hurts a server: each server with its proxy lives in a process of its own, and is hurt there by name."""

import multiprocessing
import pickle
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from random import Random
from time import sleep
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import redis

from tests.outages.proxy import HOST, Connect, Proxy, tcp, unix
from tests.outages.servers import Pair, Valkey

FORK = multiprocessing.get_context("fork")
CACHE_DB = 1
ENTRIES = 8  # evicted at once
LAG = (0.2, 3.0)  # seconds that a replica or a snapshot is behind
MANY = 20_000  # bytes of what fills a server that is full
DIRECT = "SOAK_DIRECT_URL"  # the environment's name for the address of the database past the proxy
ORACLE = "oracle"  # the application name of connections that are past the app, and are never hurt

COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"  # PostgreSQL's message that a COMMIT is done

Hurt = Callable[[], AbstractContextManager[Any]]


def at_once(act: Callable[[], object]) -> Hurt:
    """Give what hurts at once, and is over then."""

    def hurt() -> AbstractContextManager[None]:
        act()
        return nullcontext()

    return hurt


class HurtCache:
    """A Valkey with a replica; what undoes deliveries does so after a lag, in which all is well."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Start both."""
        self.pair = Pair(folder)
        self.url = f"{self.pair.url}/{CACHE_DB}"
        self.random = Random(f"{seed} cache")
        proxy = self.pair.proxy
        self.hurts: dict[str, Hurt] = {
            "refused": proxy.refusing,
            "hung": self.pair.hung,
            "swallowed": lambda: proxy.doing("swallow"),
            "delayed": lambda: proxy.doing("delay"),
            "cut in mid-reply": lambda: proxy.doing("cut"),
            "killed": self.killed,
            "flushed": at_once(self.flush),
            "entries evicted": at_once(lambda: self.evict("*:entry:*")),
            "generations evicted": at_once(lambda: self.evict("*:generation:*")),
            "entries spoilt": at_once(self.spoil_entries),
            "generations spoilt": at_once(self.spoil_generations),
            "read-only": self.read_only,
            "full": self.full,
            "restored": self.restored,
            "restarted on a snapshot": self.restarted,
            "failed over": self.failed_over,
        }

    @property
    def client(self) -> Any:
        """Give a client of the primary, past the proxy, on the database of the cache."""
        return redis.Redis(HOST, self.pair.server.port, db=CACHE_DB)

    def flush(self) -> None:
        """Delete every key."""
        self.client.flushdb()

    def evict(self, pattern: str) -> None:
        """Delete some of the keys that there are."""
        if chosen := self.some(pattern):
            self.client.delete(*chosen)

    def some(self, pattern: str) -> list[bytes]:
        """Choose some of the keys that there are."""
        names = sorted(self.client.keys(pattern))
        return self.random.sample(names, min(ENTRIES, len(names)))

    def spoil_entries(self) -> None:
        """Hold something else than what was written: cut short, of another key, a pickle, a number, no text at all."""
        names = self.some("*:entry:*")
        for name, found in zip(names, self.client.mget(names) if names else (), strict=True):
            cut = (found or b"")[: self.random.randrange(1 + len(found or b""))]
            other = self.client.get(self.random.choice(names)) if len(names) > 1 else b""
            strange = (cut, other or b"", pickle.dumps(name), b"7", b"\xff\x00\xfe")
            self.client.set(name, self.random.choice(strange), keepttl=True)

    def spoil_generations(self) -> None:
        """Hold what is no number."""
        for name in self.some("*:generation:*"):
            self.client.set(name, b"not a number")

    @contextmanager
    def killed(self) -> Iterator[None]:
        """Be killed, and then started empty."""
        self.pair.kill()
        self.pair.proxy.drop()
        try:
            yield
        finally:
            self.pair.start()
            self.pair.proxy.lead_to(tcp(self.pair.server.port))

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Follow a primary that is not there: what is held is given, and nothing is taken."""
        self.client.replicaof(HOST, 1)
        try:
            yield
        finally:
            self.client.replicaof("NO", "ONE")

    @contextmanager
    def full(self) -> Iterator[None]:
        """Have no memory left, and evict nothing."""
        self.client.config_set("maxmemory-policy", "noeviction")
        self.client.config_set("maxmemory", MANY)
        try:
            yield
        finally:
            self.client.config_set("maxmemory", 0)

    @contextmanager
    def restored(self) -> Iterator[None]:
        """In the end lose all, and have again what there was some time before: every key, verbatim."""
        kept = self.kept()
        self.lag()
        try:
            yield
        finally:
            with self.client.pipeline(transaction=True) as together:
                together.flushdb()
                for name, value, expires in kept:
                    together.restore(name, max(0, expires), value, replace=True, absttl=expires > 0)
                together.execute()

    def kept(self) -> list[tuple[bytes, bytes, int]]:
        """Give all keys at one moment, each with its value and when it expires: one that has is none that lasts."""
        names = self.client.keys("*")
        with self.client.pipeline(transaction=True) as together:
            for name in names:
                together.dump(name)
                together.pexpiretime(name)
            found = together.execute()
        return [kept for kept in zip(names, found[::2], found[1::2], strict=True) if kept[1] is not None]

    @contextmanager
    def restarted(self) -> Iterator[None]:
        """Be killed, and started on what was saved some time before."""
        self.pair.snapshot()
        self.lag()
        try:
            with self.killed():
                yield
        finally:
            self.pair.saved.unlink()

    @contextmanager
    def failed_over(self) -> Iterator[None]:
        """Be replaced by a replica that has missed the last writes; then be the primary again, as it was."""
        self.pair.follow()
        self.pair.catch_up()
        self.pair.replica.admin.replicaof("NO", "ONE")
        self.lag()
        with self.pair.failed_over():
            yield

    def lag(self) -> None:
        """Let some time go by."""
        sleep(self.random.uniform(*LAG))

    def stop(self) -> None:
        """Stop both."""
        self.pair.stop()


class HurtBroker:
    """A Valkey of the broker's own."""

    def __init__(self, folder: Path) -> None:
        """Start it."""
        self.valkey = Valkey(folder)
        self.url = f"{self.valkey.url}/0"
        self.hurts: dict[str, Hurt] = {"refused": self.valkey.proxy.refusing, "hung": self.valkey.hung}

    def stop(self) -> None:
        """Stop it."""
        self.valkey.stop()


class Forgetful(Proxy):
    """A proxy that can keep to itself that a transaction was committed."""

    keeps_commits = False

    def reply(self, data: bytes, client: socket.socket) -> bool:
        """End the connection in place of the reply to a COMMIT."""
        return not (self.keeps_commits and COMMITTED in data) and super().reply(data, client)

    @contextmanager
    def keeping_commits(self) -> Iterator[None]:
        """Let no client know that what it committed is committed."""
        self.keeps_commits = True
        try:
            yield
        finally:
            self.keeps_commits = False


class HurtDatabase:
    """The way to a PostgreSQL database."""

    def __init__(self, url: str) -> None:
        """Stand before its server."""
        self.direct, parts = url, urlsplit(url)
        proxy = self.proxy = Forgetful(way_to(url))
        self.url = f"postgresql://{parts.username or 'postgres'}@{HOST}:{proxy.port}{parts.path}"
        self.hurts: dict[str, Hurt] = {
            "refused": proxy.refusing,
            "swallowed": lambda: proxy.doing("swallow"),
            "delayed": lambda: proxy.doing("delay"),
            "cut in mid-reply": lambda: proxy.doing("cut"),
            "commits unanswered": proxy.keeping_commits,
            "terminated": at_once(self.terminate),
        }

    def terminate(self) -> None:
        """End every session, as a restart does."""
        with psycopg.connect(self.direct, autocommit=True, application_name=ORACLE) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name <> %s",
                [ORACLE],
            )

    def stop(self) -> None:
        """Let nobody through."""
        self.proxy.close()


def way_to(url: str) -> Connect:
    """Give what connects to the server of a database, by its socket file or its port."""
    parts = urlsplit(url)
    port = parts.port or 5432
    folder = parse_qs(parts.query).get("host", [""])[0]
    return unix(f"{folder}/.s.PGSQL.{port}") if folder.startswith("/") else tcp(port)


class Host:
    """A process that holds one server, as the rest of the soak sees it."""

    def __init__(self, make: Callable[[], HurtCache | HurtBroker | HurtDatabase]) -> None:
        """Start it and learn the address."""
        self.line, theirs = FORK.Pipe()
        self.process = FORK.Process(target=be_host, args=(make, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.url = str(self.line.recv())

    @contextmanager
    def hurt(self, name: str) -> Iterator[None]:
        """Have it hurt for as long as the block lasts."""
        self.say(name)
        try:
            yield
        finally:
            self.say("")

    def say(self, word: str) -> None:
        """Say what to do and wait until it is done. Raises what went wrong there."""
        self.line.send(word)
        if (answer := self.line.recv()) is not None:
            raise RuntimeError(f"{word or 'healing'}: {answer!r}") from answer

    def end(self) -> None:
        """Have the server stopped."""
        self.line.send("")
        self.process.join()


def be_host(make: Callable[[], HurtCache | HurtBroker | HurtDatabase], line: Any) -> None:
    """Hold a server; begin what is named, end it at the next word, until there are no more."""
    server = make()
    try:
        line.send(server.url)
        while word := next_word(line):
            with server.hurts[word]():
                line.send(None)
                next_word(line)
            line.send(None)
    except Exception as error:  # noqa: BLE001  (told to who asked)
        line.send(error)
    finally:
        server.stop()


def next_word(line: Any) -> str:
    """Wait for a word; none when the soak is over."""
    try:
        return str(line.recv())
    except EOFError:
        return ""


Hosts = Mapping[str, Host]


@contextmanager
def hosts(folder: Path, url: str, seed: int) -> Iterator[Hosts]:
    """Hold a cache, a broker, and the way to a database."""
    made: dict[str, Host] = {}
    try:
        made["cache"] = Host(lambda: HurtCache(folder / "cache", seed))
        made["broker"] = Host(lambda: HurtBroker(folder / "broker"))
        made["database"] = Host(lambda: HurtDatabase(url))
        yield made
    finally:
        for host in made.values():
            host.end()
