"""`@statistic` and what it leaves: every verb, one line each."""

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from datetime import timedelta
from importlib import import_module
from typing import Any, Generic, Literal, ParamSpec, TypedDict, TypeVar, cast, overload

from django.apps import apps

from . import answering, computing, peeking, reading, tokens, upkeep
from .awaiting import apart
from .broker import queue
from .changing import byhand, receiving
from .changing.byhand import Tier
from .cold import rows as cold
from .conf import limits, max_parameters
from .declaring.consistency import Consistency, check_consistency, take_consistency
from .declaring.declaration import Declaration, check_name
from .declaring.durations import check_busy, check_durations
from .declaring.functions import read_function
from .declaring.registry import Registry
from .declaring.sources import CaptureBy, Scope, check_capture, read_sources
from .entry import Answer, Entry
from .exceptions import DeclarationError
from .explaining.sentences import Story, explain
from .hot import asking, counters
from .signals import declared_late

P = ParamSpec("P")
T = TypeVar("T")

Hydrate = bool | Iterable[Mapping[str, Any]] | Callable[[], Iterable[Mapping[str, Any]]]

MAX_LISTED = 1_000  # keys that `get_cache_info` lists


class CacheInfo(TypedDict):
    """What `get_cache_info` gives; durations are seconds."""

    name: str
    cache_size: int
    redis_enabled: bool
    ttl_seconds: float
    stale_ttl_seconds: float
    keys_cached: list[str]
    schema: str
    breaker_open: bool
    broker_breaker_open: bool
    hits: int
    stale_hits: int
    misses: int


class Statistic(Generic[P, T]):
    """A named, typed function whose values are cached; calling it gives one.

    Arguments are those of the function, by position or name, validated by pydantic; wrong ones raise ParameterError.
    """

    def __init__(self, declaration: Declaration[P, T]) -> None:
        """Wrap a declaration; `@statistic` does."""
        self.declaration = declaration
        self.__doc__ = declaration.function.__doc__
        self.__name__ = declaration.function.__name__
        self.__qualname__ = declaration.function.__qualname__
        self.__module__ = declaration.function.__module__
        self.__wrapped__ = declaration.function

    def __reduce__(self) -> tuple[Callable[[str, str], "Statistic[..., Any]"], tuple[str, str]]:
        """Be pickled and copied as a function is: by module and name."""
        return find, (self.__module__, self.name)

    def __repr__(self) -> str:
        """Name the statistic."""
        return f"<statistic {self.name}>"

    @property
    def name(self) -> str:
        """Give `app_label.function_name`, or what `name=` says."""
        return self.declaration.name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Give a value: found fresh; found stale, if the policy allows it, and then refreshed by a worker; else
        computed once and stored."""
        return answering.value(self.declaration, self.declaration.variant(args, kwargs))

    @overload
    def answer(self, *args: P.args, **kwargs: P.kwargs) -> Answer[T]: ...
    @overload
    def answer(
        self, *args: Any, wait: Literal[True], consistency: Consistency | None = ..., **kwargs: Any
    ) -> Answer[T]: ...
    @overload
    def answer(
        self, *args: Any, wait: bool, consistency: Consistency | None = ..., **kwargs: Any
    ) -> Answer[T] | None: ...
    @overload
    def answer(self, *args: Any, consistency: Consistency | None, **kwargs: Any) -> Answer[T]: ...
    def answer(self, *args: Any, **kwargs: Any) -> Answer[T] | None:
        """Give a value as a call does, with its provenance. With `wait=False` never compute: a miss gives None and
        is computed by a worker. With `consistency="committed"` it lacks nothing that was committed before: the database
        is asked, by one statement, and what changed since is computed, whatever policy allows."""
        wait, consistency = kwargs.pop("wait", True), take_consistency(kwargs)
        variant = self.declaration.variant(args, kwargs)
        if wait:
            return answering.answer(self.declaration, variant, consistency)
        return answering.answer_at_once(self.declaration, variant, consistency=consistency, on_miss=True)

    @overload
    def get(self, *args: P.args, **kwargs: P.kwargs) -> T | None: ...
    @overload
    def get(
        self, *args: Any, allow_stale: bool | None, consistency: Consistency | None = ..., **kwargs: Any
    ) -> T | None: ...
    @overload
    def get(self, *args: Any, consistency: Consistency | None, **kwargs: Any) -> T | None: ...
    def get(self, *args: Any, **kwargs: Any) -> T | None:
        """Give what is stored, None for a miss; never computes. `allow_stale=None` allows stale values where
        `stale_ttl` is above `ttl`; one that is given is refreshed by a worker."""
        allow_stale, consistency = kwargs.pop("allow_stale", None), take_consistency(kwargs)
        variant = self.declaration.variant(args, kwargs)
        found = answering.answer_at_once(self.declaration, variant, allow_stale, consistency)
        return found.value if found else None

    async def acall(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call it from async code."""
        return await apart(self, *args, **kwargs)

    @overload
    async def aanswer(self, *args: P.args, **kwargs: P.kwargs) -> Answer[T]: ...
    @overload
    async def aanswer(
        self, *args: Any, wait: Literal[True], consistency: Consistency | None = ..., **kwargs: Any
    ) -> Answer[T]: ...
    @overload
    async def aanswer(
        self, *args: Any, wait: bool, consistency: Consistency | None = ..., **kwargs: Any
    ) -> Answer[T] | None: ...
    @overload
    async def aanswer(self, *args: Any, consistency: Consistency | None, **kwargs: Any) -> Answer[T]: ...
    async def aanswer(self, *args: Any, **kwargs: Any) -> Answer[T] | None:
        """Do what `answer` does, for async code."""
        return await apart(self.answer, *args, **kwargs)

    @overload
    async def aget(self, *args: P.args, **kwargs: P.kwargs) -> T | None: ...
    @overload
    async def aget(
        self, *args: Any, allow_stale: bool | None, consistency: Consistency | None = ..., **kwargs: Any
    ) -> T | None: ...
    @overload
    async def aget(self, *args: Any, consistency: Consistency | None, **kwargs: Any) -> T | None: ...
    async def aget(self, *args: Any, **kwargs: Any) -> T | None:
        """Do what `get` does, for async code."""
        return await apart(self.get, *args, **kwargs)

    def get_many(
        self, variants: Iterable[Mapping[str, Any]], consistency: Consistency | None = None
    ) -> list[Answer[T]]:
        """Answer for each mapping of parameters, in order: one cache round trip, one statement for what is missing
        there, and a compute for each that is left."""
        said = take_consistency({"consistency": consistency})
        given = self.declaration.mappings("get_many", variants)
        wanted = [self.declaration.variant((), dict(parameters)) for parameters in given]
        return answering.answer_many(self.declaration, wanted, said)

    def is_fresh(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Tell whether the cache holds a fresh value."""
        return reading.search(self.declaration, self.declaration.variant(args, kwargs)).fresh is not None

    def entry(self, *args: P.args, **kwargs: P.kwargs) -> Entry[T] | None:
        """Give everything known of the stored value, in whatever state; changes nothing."""
        return peeking.peek(self.declaration, self.declaration.variant(args, kwargs))

    def explain(self, *args: P.args, **kwargs: P.kwargs) -> Story:
        """Tell in plain words why a variant is as it is, and what comes next; `str()` of it is the text, `.facts` has
        what it says, without the value. Changes nothing."""
        return explain(self.declaration, self.declaration.variant(args, kwargs))

    def compute(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the plain function; touches no cache."""
        return self.declaration.function(*args, **kwargs)

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> Answer[T]:
        """Compute and store now, whatever the cache has."""
        return computing.refresh(self.declaration, self.declaration.variant(args, kwargs))

    def refresh_later(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Have a worker do what `.refresh` does, after the commit if there is a transaction. Gives whether that is
        queued: False while the broker is out, or the database, or the app is not ENABLED."""
        return upkeep.refresh_later(self.declaration, self.declaration.variant(args, kwargs))

    def token(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Give the token to take before computing elsewhere, for `set`: a text that any process may hand back."""
        return tokens.token(self.declaration, self.declaration.variant(args, kwargs))

    def set(self, *args: Any, result: T, token: str | None = None, **kwargs: Any) -> bool:
        """Store a value computed elsewhere and tell whether it was: a token that a later capture overtook stores
        nothing. Without a token the caller vouches that the value is of now. Raises TokenError, PayloadError."""
        variant = self.declaration.variant(args, kwargs)
        return tokens.put(self.declaration, variant, result, token)

    def invalidate(self, *args: Any, **kwargs: Any) -> None:
        """Make variants be computed anew, as a change of a source does. A parameter omitted or None means any."""
        byhand.invalidate(self.declaration, self.declaration.some(args, kwargs))

    def clear(self, *args: Any, tier: Tier = "both", **kwargs: Any) -> int:
        """Delete the copies of variants and give the number of rows concerned. A parameter omitted or None means any.

        What is cleared in both tiers never comes back, not even as stale. `tier="hot"` leaves what the database proves
        to be promoted again; `tier="cold"` leaves what is hot until its proof is old.
        """
        return byhand.clear(self.declaration, self.declaration.some(args, kwargs), tier)

    def clear_all(self) -> int:
        """Delete every variant's copies in both tiers."""
        return byhand.clear(self.declaration, {})

    def variants(self) -> list[Mapping[str, Any]]:
        """Give the variants that `hydrate=` names, each a mapping of parameters."""
        return deepcopy(list(self.declaration.grid()))

    def hydrate(self) -> list[Answer[T]]:
        """Make every variant that `hydrate=` names fresh: promoted where the database proves it, else computed."""
        return upkeep.hydrate(self.declaration)

    def get_cache_info(self) -> CacheInfo:
        """Give the size, the keys (at most 1,000) and the limits of what is stored, the state of this process's
        breakers, and how often reads of all processes ended how since the hot tier was last empty."""
        rows = cold.rows_of(cold.alias_of(self.declaration), self.name).exclude(payload=None)
        bounds = limits(self.declaration)
        counts = counters.counts_of([self.name])[self.name]
        return CacheInfo(
            name=self.name,
            cache_size=rows.count(),
            redis_enabled=asking.is_redis(),
            ttl_seconds=bounds.ttl,
            stale_ttl_seconds=bounds.stale_ttl,
            keys_cached=list(rows.order_by("key").values_list("key", flat=True)[:MAX_LISTED]),
            schema=self.declaration.fingerprint,
            breaker_open=asking.breaker.is_open,
            broker_breaker_open=queue.breaker.is_open,
            hits=counts.hits,
            stale_hits=counts.stale_hits,
            misses=counts.misses,
        )


registry: Registry[Statistic[..., Any]] = Registry()
late: dict[str, str] = {}  # the modules of statistics that were declared when all processes had loaded theirs


def find(module: str, name: str) -> Statistic[..., Any]:
    """Give the statistic of a name, which a module declares. Raises UnknownStatistic, ImportError."""
    import_module(module)
    return registry.get(name)


def statistic(
    *refused: Any,
    name: str | None = None,
    ttl: timedelta | None = None,
    stale_ttl: timedelta | None = None,
    depends_on: Mapping[Any, Scope] | Iterable[Any] = (),
    on_change: Literal["expire", "revalidate"] = "expire",
    refresh_every: timedelta | None = None,
    changed_ttl: timedelta | None = None,
    version: str | int = "",
    hydrate: Hydrate = False,
    queue: str | None = None,
    time_limit: timedelta | None = None,
    using: str | None = None,
    visible_to: Callable[[Any], bool] | None = None,
    capture: CaptureBy | None = None,
    consistency: Consistency = "delivered",
) -> Callable[[Callable[P, T]], Statistic[P, T]]:
    """Declare a typed function of a module as a statistic; always with parentheses.

    `ttl` and `stale_ttl` are timedeltas counted from the moment before the compute read anything; None means the
    settings TTL and STALE_TTL. `depends_on` names the models it is computed from, and which of its parameters a row
    decides. `on_change="revalidate"` lets a value whose source changed be given as stale: with `changed_ttl`, a
    timedelta, for at most so long after the first change that it lacks. With `refresh_every` workers are asked for it
    at most so often, and not before four times what its last compute cost are over. `version` is part of the
    schema: change it when the same parameters mean another value. `hydrate` names the variants to keep warm: True for
    a finite signature, a list of mappings, or a callable that gives one (asked at every tick). `queue` is the Celery
    queue of its refreshes, None the setting QUEUE; `time_limit` a timedelta after which a worker ends one, None what
    Celery is told. `using` is the database of its rows and sources. `visible_to` takes a user and tells whether the
    admin and HTTP show them this statistic at all; None shows it to everybody who may view entries, and over HTTP to
    everybody. `capture` says how changes of its sources are seen: by Django's "signals" or by "triggers" of the
    database; None means the setting CAPTURE.
    `consistency="committed"` has each read ask the database, so that no answer lacks what was committed before it.
    Raises DeclarationError, naming what is wrong and the cure.
    """
    if refused:
        raise DeclarationError(f"{refused[0]!r}: write `@statistic()`, with parentheses and named options.")

    def declare(function: Callable[P, T]) -> Statistic[P, T]:
        place = f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', repr(function))}"
        try:
            check_durations(ttl, stale_ttl, time_limit, refresh_every, changed_ttl)
            if on_change not in ("expire", "revalidate"):
                raise DeclarationError(f"on_change is {on_change!r}. Write 'expire' or 'revalidate'.")
            check_busy(on_change, stale_ttl, refresh_every, changed_ttl)
            parameters, result = read_function(function)
            sources = read_sources(depends_on)
            declared = Statistic(
                Declaration(
                    function=function,
                    parameters=parameters,
                    result=result,
                    explicit_name=None if name is None else check_name(name),
                    ttl=ttl,
                    stale_ttl=stale_ttl,
                    sources=tuple(each for each in sources if not each.ignored),
                    ignored=tuple(each for each in sources if each.ignored),
                    on_change=on_change,
                    refresh_every=refresh_every,
                    changed_ttl=changed_ttl,
                    version=version,
                    hydrate=read_hydrate(hydrate),
                    queue=check_queue(queue),
                    time_limit=time_limit,
                    using=using,
                    visible_to=check_visible_to(visible_to),
                    capture=check_capture(capture),
                    consistency=check_consistency(consistency),
                    max_parameters=max_parameters,
                )
            )
            tell_if_late(declared.declaration)
            if former := registry.add(cast("Statistic[..., Any]", declared)):
                receiving.unwatch(former.declaration)
            receiving.watch(declared.declaration)
        except DeclarationError as error:
            raise DeclarationError(f"{place}: {error}") from error
        return declared

    return declare


def tell_if_late(declaration: Declaration[..., Any]) -> None:
    """Note, and tell of, what is declared when the apps are loaded already, in a module that they do not load.

    Other processes, which do not import that module, neither log its changes nor refresh it.
    """
    module = declaration.function.__module__
    if not apps.ready or module in {f"{app.name}.statistics" for app in apps.get_app_configs()}:
        return
    if declaration.name not in registry.named and declaration.name not in late:
        late[declaration.name] = module
        declared_late.send_robust(sender=type(declaration), statistic=declaration.name, module=module)


def check_queue(queue: str | None) -> str | None:
    """Give a queue's name back. Raises DeclarationError for one that is none."""
    if queue is not None and (not isinstance(queue, str) or not queue):
        raise DeclarationError(f"queue is {queue!r}. Give the name of a Celery queue, or leave it out.")
    return queue


def read_hydrate(hydrate: Hydrate) -> bool | tuple[Mapping[str, Any], ...] | Callable[[], Iterable[Mapping[str, Any]]]:
    """Give what names the variants to hydrate, a list frozen. Raises DeclarationError for what can name none."""
    if isinstance(hydrate, bool) or callable(hydrate):
        return hydrate
    if isinstance(hydrate, Mapping | str) or not isinstance(hydrate, Iterable):
        raise DeclarationError(
            f"hydrate is {hydrate!r}. Give True, a list of mappings of parameters, or a callable that gives one."
        )
    return tuple(hydrate)


def check_visible_to(visible_to: Callable[[Any], bool] | None) -> Callable[[Any], bool] | None:
    """Give the callable back. Raises DeclarationError for what cannot be called: nobody would be kept out."""
    if visible_to is not None and not callable(visible_to):
        raise DeclarationError(f"visible_to is {visible_to!r}. Give a callable that takes a user and gives a bool.")
    return visible_to
