"""System checks: the right configuration is silent, and each wrong one has its id and says what is wrong by name."""

from pathlib import Path
from time import time
from typing import Any

import pytest
from django.contrib.auth.models import AbstractUser, User, UserManager
from django.core.cache import caches
from django.core.checks import CheckMessage, Error, Warning, run_checks  # noqa: A004  (Django's name)
from django.db import connections, models
from django.db.models import Model
from django.test.utils import isolate_apps
from django_redis.cache import RedisCache
from django_redis.client import HerdClient
from pytest_django import Settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from project.catalog.models import ModelRecord, UsageRecord
from project.settings import redis_cache
from statistics_cache import Source, StatisticsQuerySet, StatisticsSource, statistic
from statistics_cache.checks import TAG
from statistics_cache.checks.sources import check_managers, manager_faults
from statistics_cache.hot import entries as hot
from statistics_cache.models import StatisticEntry
from statistics_cache.serializer import TextSerializer
from tests.differential.families import SOURCE
from tests.models import Item, Order, Paint
from tests.samples import Color, stock
from tests.spaces import identity

pytestmark = pytest.mark.django_db(databases=["default", "postgres"])  # a deploy check asks whose tick it looks for

NOWHERE = "redis://127.0.0.1:1/5"  # no server is asked, except by the deploy checks: port 1 refuses at once
REDIS_CACHE = redis_cache(NOWHERE)


FACTORY = "django_redis.pool.SentinelConnectionFactory"
SENTINEL = REDIS_CACHE | {
    "OPTIONS": REDIS_CACHE["OPTIONS"] | {"CLIENT_CLASS": "django_redis.client.SentinelClient"}  # type: ignore[operator]
}


class Own(TextSerializer):
    """A serializer made of ours."""


class Sends:
    """A router that sends reads and writes of one model to databases."""

    def __init__(self, model: type[Model], *, read: str | None = None, write: str | None = None) -> None:
        """Take the model and the databases; None leaves the choice to Django."""
        self.model, self.read, self.write = model, read, write

    def db_for_read(self, model: type[Model], **_: Any) -> str | None:
        """Give the database for reads."""
        return self.read if model is self.model else None

    def db_for_write(self, model: type[Model], **_: Any) -> str | None:
        """Give the database for writes."""
        return self.write if model is self.model else None


def by_color(color: Color, *, doubled: bool = False) -> int:
    """Be declared, by each test in its own way."""
    return 2 if doubled else len(color)


def by_size(size: int) -> int:
    """Have a parameter without end."""
    return size


def by_flags(one: Color, a: bool, b: bool, c: bool, d: bool, e: bool, f: bool, g: bool, h: bool, i: bool) -> int:
    """Have 1,024 variants."""
    return sum((one is Color.RED, a, b, c, d, e, f, g, h, i))


@pytest.fixture
def declare() -> Any:
    """Give `statistic` for one declaration of a fixed name; the registry forgets it after the test."""
    return lambda function, **options: statistic(name="tests.declared", **options)(function)


def found(*, deploy: bool = False) -> list[CheckMessage]:
    """Run this app's checks; what tests declare is declared late (W019) and partly of plain models (I001), and that is
    no fault of theirs."""
    said = run_checks(tags=[TAG], include_deployment_checks=deploy)
    return [message for message in said if message.id not in ("statistics_cache.W019", "statistics_cache.I001")]


def ids(*, deploy: bool = False) -> list[str]:
    """Give the ids of what this app's checks say, without the app's name."""
    return sorted(str(message.id).removeprefix("statistics_cache.") for message in found(deploy=deploy))


def only() -> str:
    """Give the whole text of the one message there is."""
    (message,) = found()
    return f"{message.msg} {message.hint}"


def use(settings: Settings, cache: dict[str, Any], **others: dict[str, Any]) -> None:
    """Make a cache the hot tier, beside others."""
    settings.CACHES = {"default": settings.CACHES["default"], "statistics": cache} | others


def with_options(**options: Any) -> dict[str, Any]:
    """Give the right Redis cache with other OPTIONS; None removes one."""
    given = REDIS_CACHE["OPTIONS"] | options  # type: ignore[operator]
    return REDIS_CACHE | {"OPTIONS": {name: value for name, value in given.items() if value is not None}}


RIGHT: dict[str, dict[str, Any]] = {
    "redis": REDIS_CACHE,
    "a serializer made of ours": with_options(SERIALIZER="tests.checks.test_checks.Own"),
    "timeouts of the pool": with_options(
        SOCKET_TIMEOUT=None,
        SOCKET_CONNECT_TIMEOUT=None,
        CONNECTION_POOL_KWARGS={"socket_timeout": 1, "socket_connect_timeout": 1},
    ),
    "timeouts in the address": with_options(SOCKET_TIMEOUT=None, SOCKET_CONNECT_TIMEOUT=None)
    | {"LOCATION": f"{NOWHERE}?socket_timeout=1&socket_connect_timeout=1"},
    "the client's own retries": with_options(CONNECTION_POOL_KWARGS=None),
    "exceptions not ignored here": with_options(IGNORE_EXCEPTIONS=False),
    "shards": with_options(CLIENT_CLASS="django_redis.client.ShardClient") | {"LOCATION": [NOWHERE, f"{NOWHERE}5"]},
    "one address that Sentinel calls the primary": SENTINEL | {"LOCATION": ["redis://main/0?is_master=1"]},
    "several that Sentinel calls so": SENTINEL
    | {"LOCATION": ["redis://main/0?is_master=1", "redis://main/0?is_master=true"]},
    "the primary that Sentinel names": with_options(CONNECTION_FACTORY=FACTORY)
    | {"LOCATION": "redis://main/1?is_master=1"},
    "no decoding": with_options(CONNECTION_POOL_KWARGS={"decode_responses": False}),
    "memory": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "table": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache_table"},
}


@pytest.mark.parametrize("name", RIGHT)
def test_the_right_configuration_is_silent(name: str, settings: Settings) -> None:
    """Nothing is said of a cache that statistics can rely on, nor of the sample statistics."""
    settings.DJANGO_REDIS_IGNORE_EXCEPTIONS = name == "exceptions not ignored here"
    use(settings, RIGHT[name])
    assert ids() == []


WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "no backend": ("E002", {"BACKEND": "nowhere.Cache"}),
    "no address": ("E002", REDIS_CACHE | {"LOCATION": ""}),
    "no address of Redis": ("E002", REDIS_CACHE | {"LOCATION": "127.0.0.1:6379"}),
    "dummy": ("E003", {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}),
    "exceptions ignored": ("E004", with_options(IGNORE_EXCEPTIONS=True)),
    "pickle": ("E005", with_options(SERIALIZER=None)),
    "json": ("E005", with_options(SERIALIZER="django_redis.serializers.json.JSONSerializer")),
    "no serializer": ("E005", with_options(SERIALIZER="nowhere.Serializer")),
    "Django's Redis": (
        "E005",
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": NOWHERE},
    ),
    "a list of replicas": ("E006", REDIS_CACHE | {"LOCATION": [NOWHERE, f"{NOWHERE}5"]}),
    "a text of replicas": ("E006", REDIS_CACHE | {"LOCATION": f"{NOWHERE}, {NOWHERE}5"}),
    "a replica that Sentinel names": ("E006", SENTINEL | {"LOCATION": ["redis://main/0?is_master=0"]}),
    "a replica that Sentinel names to the default client": (
        "E006",
        with_options(CONNECTION_FACTORY=FACTORY) | {"LOCATION": "redis://main/1?is_master=0"},
    ),
    "texts": ("E008", with_options(CONNECTION_POOL_KWARGS={"decode_responses": True})),
    "texts by the address": ("E008", REDIS_CACHE | {"LOCATION": f"{NOWHERE}?decode_responses=True"}),
    "herds": ("E009", with_options(CLIENT_CLASS="django_redis.client.HerdClient")),
    "another client": ("E009", with_options(CLIENT_CLASS="collections.OrderedDict")),
    "a client that is a class": ("E002", with_options(CLIENT_CLASS=HerdClient)),
    "a client that is nowhere": ("E002", with_options(CLIENT_CLASS="nowhere.Client")),
    "a serializer that is a class": ("E005", with_options(SERIALIZER=TextSerializer)),
    "a serializer that is a number": ("E005", with_options(SERIALIZER=5)),
    "a backend that is a class": ("E002", REDIS_CACHE | {"BACKEND": RedisCache}),
    "options that are a text": ("E002", REDIS_CACHE | {"OPTIONS": "none"}),
    "a pool of options that is a number": ("E002", with_options(CONNECTION_POOL_KWARGS=5)),
    "retries that are a number": ("E002", with_options(CONNECTION_POOL_KWARGS={"retry": 3})),
    "an address that is a number": ("E002", REDIS_CACHE | {"LOCATION": 6379}),
    "an address that is a Path": ("E002", REDIS_CACHE | {"LOCATION": Path("/run/redis.sock")}),
    "a password in pieces": ("E002", REDIS_CACHE | {"LOCATION": "redis://:SECRET/SECRET@127.0.0.1:6379/1"}),
    "replicas by Sentinel": ("E006", with_options(CLIENT_CLASS="django_redis.client.SentinelClient")),
    "no timeouts": ("W002", with_options(SOCKET_TIMEOUT=None, SOCKET_CONNECT_TIMEOUT=None)),
    "one timeout": ("W002", with_options(SOCKET_CONNECT_TIMEOUT=None)),
    "retries": ("W003", with_options(CONNECTION_POOL_KWARGS={"retry": Retry(NoBackoff(), 3)})),
    "retries on timeouts": ("W003", with_options(CONNECTION_POOL_KWARGS={"retry_on_timeout": True})),
    "retries in the address": (
        "W003",
        with_options(CONNECTION_POOL_KWARGS=None) | {"LOCATION": f"{NOWHERE}?retry_on_timeout=true"},
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_alias_has_its_id(name: str, settings: Settings) -> None:
    """Each way to configure the hot tier wrongly has one message, with the id of its kind and a cure."""
    expected, cache = WRONG[name]
    use(settings, cache)
    (message,) = found()
    assert message.id == f"statistics_cache.{expected}"
    assert isinstance(message, Error if expected.startswith("E") else Warning)
    assert "'statistics'" in message.msg
    assert message.hint
    assert "SECRET" not in f"{message.msg}{message.hint}"


@pytest.mark.parametrize("name", ["replicas by Sentinel", "a replica that Sentinel names to the default client"])
def test_what_sentinel_needs_is_said(name: str, settings: Settings) -> None:
    """By the settings that `tests/engines/test_sentinel.py` kills a primary with."""
    use(settings, WRONG[name][1])
    (message,) = found()
    assert message.hint
    for part in ("'redis://NAME/1?is_master=1'", "'django_redis.client.DefaultClient'", repr(FACTORY)):
        assert part in message.hint


ODD: dict[str, Any] = {
    "no options": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": None},
    "a folder": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": Path("/tmp/cache")},  # noqa: S108
    "a class of its own": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"CLIENT_CLASS": int},
    },
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("is_ours", [True, False])
def test_odd_options_are_no_fault(name: str, is_ours: bool, settings: Settings) -> None:
    """Whatever form the options of an entry have that is right for its backend, ours or another's."""
    use(settings, *([ODD[name]] if is_ours else [REDIS_CACHE]), other=ODD[name])
    assert ids() == []


@pytest.mark.parametrize("name", WRONG)
def test_no_check_fails_on_odd_settings(name: str, settings: Settings) -> None:
    """What is wrong with an entry is said of ours, and breaks no check of another's."""
    use(settings, REDIS_CACHE, other=WRONG[name][1])
    assert set(ids()) <= {"W001"}


def test_redis_py_is_new_enough(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that cannot tell its retries is an error by version, and fails no check."""
    use(settings, REDIS_CACHE)
    owner = next(each for each in Retry.__mro__ if "get_retries" in vars(each))
    monkeypatch.delattr(owner, "get_retries")
    monkeypatch.setattr("statistics_cache.checks.alias.HAS_RETRIES", False)
    monkeypatch.setattr("statistics_cache.checks.hot_tier.HAS_RETRIES", False)
    assert ids() == ["E007"]
    assert "redis>=6" in only()


def test_exceptions_ignored_everywhere_are_ignored_here(settings: Settings) -> None:
    """The setting of django-redis counts where the alias has no option of its own."""
    settings.DJANGO_REDIS_IGNORE_EXCEPTIONS = True
    use(settings, REDIS_CACHE)
    assert ids() == ["E004"]


@pytest.mark.parametrize(
    ("location", "expected"),
    [(NOWHERE, ["W001"]), ([NOWHERE], ["W001"]), (f"{NOWHERE}?client_name=statistics", []), (f"{NOWHERE}5", [])],
)
def test_aliases_of_one_address_share_their_options(location: Any, expected: list[str], settings: Settings) -> None:
    """Another alias of our address is reported; another database number or a name of its own is not."""
    use(settings, REDIS_CACHE | {"LOCATION": location}, other=REDIS_CACHE)
    assert ids() == expected


def test_an_alias_that_is_not_ours_is_not_judged(settings: Settings) -> None:
    """Other aliases may be as they like, broken ones too."""
    others = {name: cache for name, (_, cache) in WRONG.items()}
    use(settings, REDIS_CACHE | {"LOCATION": f"{NOWHERE}?client_name=statistics"}, **others)
    assert ids() == []


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"TLL": 300}, "Did you mean 'TTL'?"),
        ({"TTL": 0}, "'TTL'"),
        ("300", "'300'"),
        ({"TTL": 9, "STALE_TTL": 3}, "TTL"),
    ],
)
def test_wrong_settings_are_reported_once(given: object, named: str, settings: Settings) -> None:
    """What is wrong in STATISTICS_CACHE is E001, by name; no other check fails over it."""
    settings.STATISTICS_CACHE = given
    assert ids(deploy=True) == ["E001"]
    assert named in only()


def test_an_unknown_alias_is_named_with_the_nearest(settings: Settings) -> None:
    """A CACHE_ALIAS without an entry in CACHES is E002."""
    settings.STATISTICS_CACHE = {"CACHE_ALIAS": "statistic"}
    assert ids(deploy=True) == ["E002"]
    assert "Did you mean 'statistics'?" in only()


def test_without_statistics_cache_the_defaults_hold(settings: Settings) -> None:
    """The setting may be left out."""
    del settings.STATISTICS_CACHE
    assert ids() == []


DECLARED_WRONGLY: dict[str, tuple[str, dict[str, Any], str]] = {
    "no parameter": ("E022", {"depends_on": {Paint: {"colour": "color"}}}, "'color'?"),
    "no field": ("E023", {"depends_on": {ModelRecord: {"color": "categry"}}}, "'category'?"),
    "no field at the second step": ("E023", {"depends_on": {UsageRecord: {"color": "model__nme"}}}, "'name'?"),
    "no relation": ("E023", {"depends_on": {UsageRecord: {"color": "kudos__name"}}}, "UsageRecord.kudos"),
    "many values": ("E023", {"depends_on": {ModelRecord: {"color": "usage__kudos"}}}, "ModelRecord.usage"),
    "no relation of one column": ("E023", {"depends_on": {SOURCE.Note: {"color": "target"}}}, "Note.target"),
    "no relation of one column at the first step": (
        "E023",
        {"depends_on": {SOURCE.Note: {"color": "target__color"}}},
        "Note.target",
    ),
    "many values by a generic relation": (
        "E023",
        {"depends_on": {SOURCE.Item: {"color": "notes__kind"}}},
        "Item.notes",
    ),
    "many values by many-to-many": ("E023", {"depends_on": {Item: {"color": "tags"}}}, "Item.tags"),
    "many values at the second step": ("E023", {"depends_on": {Item: {"color": "order__item"}}}, "Order.item"),
    "a transform": ("E023", {"depends_on": {ModelRecord: {"color": "name__lower"}}}, "ModelRecord.name"),
    "no path": ("E023", {"depends_on": {Paint: {"color": ""}}}, "''"),
    "no model": ("E021", {"depends_on": {"catalog.ModelRecrd": None}}, "'catalog.ModelRecord'?"),
    "no label": ("E021", {"depends_on": ["ModelRecord"]}, "'ModelRecord'"),
    "no model class": ("E021", {"depends_on": [Color]}, "Color"),
    "an abstract model": ("E021", {"depends_on": [Model]}, "Model"),
    "unknown fields": ("E024", {"depends_on": [Source(Paint, fields=["litres", "colr"])]}, "'color'?"),
    "a variant of other parameters": ("E025", {"hydrate": [{"colour": "red"}]}, "'color'?"),
    "a variant of other values": ("E025", {"hydrate": [{"color": "red"}, {"color": "green"}]}, "'green'"),
    "a variant that is no mapping": ("E025", {"hydrate": ["red"]}, "holds 'red'; write {'color': 'red'}."),
    "no parameter of another": ("E023", {"depends_on": [Source(stock, scope={"color": "colr"})]}, "'color'?"),
    "no database": ("E011", {"using": "defalt"}, "'default'?"),
}


@pytest.mark.parametrize("name", DECLARED_WRONGLY)
def test_what_is_declared_wrongly_is_named(name: str, declare: Any) -> None:
    """Each wrong option of `@statistic` has one message, naming the statistic, and what was meant or is there."""
    expected, options, named = DECLARED_WRONGLY[name]
    declare(by_color, **options)
    assert ids() == [expected]
    assert "tests.declared" in only()
    assert named in only()


@pytest.mark.parametrize(("function", "named"), [(by_size, "'size'"), (by_flags, "1,024")])
def test_hydrating_what_has_no_end_is_reported(function: Any, named: str, declare: Any) -> None:
    """`hydrate=True` wants a finite signature of at most 1,000 variants."""
    declare(function, hydrate=True)
    assert ids() == ["E025"]
    assert named in only()


@pytest.mark.parametrize(
    "options",
    [
        {"depends_on": {Paint: "color"}, "hydrate": True},
        {"depends_on": {"tests.paint": "color"}, "using": "default"},
        {"depends_on": {UsageRecord: {"color": "model__category"}}},
        {"depends_on": {UsageRecord: {"color": "model_id"}, Paint: {"doubled": "pk"}}},
        {"depends_on": {Paint: lambda paint: {"color": paint.color}}},
        {"depends_on": [Source(UsageRecord, fields=["model", "model_id"]), Paint]},
        {"depends_on": [stock, Source(stock, scope="color")]},
        {"hydrate": [{"color": Color.RED}, {"color": "blue", "doubled": True}]},
        {"hydrate": lambda: pytest.fail("a check must not ask for the variants: that may cost anything")},
    ],
)
def test_what_is_declared_rightly_is_silent(options: dict[str, Any], declare: Any) -> None:
    """Every form of `depends_on` and `hydrate` passes."""
    declare(by_color, **options)
    assert ids() == []


@pytest.mark.parametrize(
    ("router", "named"),
    [
        (Sends(Paint, read="replica"), ["tests.Paint", "'replica'"]),
        (Sends(Paint, write="other", read="other"), ["tests.Paint", "'other'"]),
        (Sends(ModelRecord, read="replica"), ["catalog.ModelRecord", "'replica'"]),
        (Sends(StatisticEntry, read="replica"), ["StatisticEntry", "'replica'"]),
    ],
)
def test_a_router_that_reads_elsewhere_is_an_error(router: Sends, named: list[str], settings: Settings) -> None:
    """Sources, models on their paths and the app's own are read where the statistic's rows are."""
    settings.DATABASE_ROUTERS = [router]
    assert set(ids()) == {"E012"}
    assert all(name in message.msg for message in found() for name in named)


@pytest.mark.parametrize(
    ("router", "expected"), [([], ["E012", "E012"]), ([Sends(User, read="second", write="second")], [])]
)
def test_sources_belong_in_the_database_of_using(
    router: list[Sends], expected: list[str], declare: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source that no router sends to the database of `using` is an error, for its reads and its writes."""
    monkeypatch.setitem(connections.databases, "second", connections.databases["default"])
    settings.DATABASE_ROUTERS = router
    declare(by_color, depends_on=[User], using="second")
    assert ids() == expected


def test_memory_of_one_process_is_for_one_process() -> None:
    """In production, in-process memory is reported; a hint at what serves several processes is given."""
    assert ids(deploy=True) == ["W011"]


def test_the_kill_switch_is_reported(conf: Any) -> None:
    """In production, ENABLED=False is reported."""
    conf(ENABLED=False)
    assert ids() == []
    assert ids(deploy=True) == ["W011", "W014"]


@pytest.mark.parametrize(
    ("limit", "policy", "expected"),
    [
        ("100mb", "allkeys-lru", ["W012"]),
        ("100mb", "volatile-lru", []),
        ("100mb", "noeviction", []),
        ("0", "allkeys-lru", []),
    ],
)
@pytest.mark.usefixtures("on_valkey")
def test_a_server_that_evicts_generations_is_reported(limit: str, policy: str, expected: list[str]) -> None:
    """In production the server is asked: policies for all keys evict generations, once there is a limit."""
    cache: Any = caches["statistics"]
    server = cache.client.get_client()
    before = server.config_get("maxmemory*")
    try:
        server.config_set("maxmemory", limit)
        server.config_set("maxmemory-policy", policy)
        hot.note_tick(identity(), time())
        assert ids(deploy=True) == expected
    finally:
        for name in ("maxmemory", "maxmemory-policy"):
            server.config_set(name, before[name])


def test_a_server_that_does_not_answer_is_reported(settings: Settings) -> None:
    """In production, not knowing what the server evicts is a message of its own, not a crash."""
    use(settings, REDIS_CACHE)
    assert ids() == []
    assert ids(deploy=True) == ["W013"]


class DatabaseOnDelete:
    """What Django 6.1 calls its `DB_CASCADE`."""


DATABASE_CASCADES = [DatabaseOnDelete()] + ([models.DB_CASCADE] if hasattr(models, "DB_CASCADE") else [])
RELATIONS = [(Item, "order"), (Order, "region"), (Item.tags.through, "item")]


@pytest.mark.parametrize("on_delete", DATABASE_CASCADES, ids=lambda each: type(each).__module__.split(".")[0])
@pytest.mark.parametrize(("model", "name"), RELATIONS, ids=["a source", "a model on a path", "a through table"])
def test_rows_that_the_database_writes_are_an_error(
    model: Any, name: str, on_delete: Any, declare: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every watched table: a relation over which the database itself writes its rows is E027, and names it."""
    declare(by_color, depends_on={Item: {"color": "order__region__name"}})
    assert ids() == []
    monkeypatch.setattr(model._meta.get_field(name).remote_field, "on_delete", on_delete)
    assert ids() == ["E027"]
    assert "tests.declared" in only()
    assert f"{model._meta.label} " in only()
    assert f"'{name}'" in only()


@pytest.mark.skipif(not hasattr(models, "DB_CASCADE"), reason="DB_CASCADE is new in Django 6.1")
def test_all_that_django_leaves_to_the_database_is_known() -> None:
    """Every `DB_…` of Django is of the kind that E027 is about."""
    kinds = {name: type(each).__name__ for name, each in vars(models).items() if name.startswith("DB_")}
    assert set(kinds.values()) == {"DatabaseOnDelete"}
    assert len(kinds) >= 3


class Dull(models.Manager[Any]):
    """A manager of the user's own."""


class Plain(models.QuerySet[Any]):
    """A queryset of the user's own."""


class Base(models.Model):
    """A base with a manager of its own."""

    objects = Dull()

    class Meta:
        """No table."""

        abstract = True


class QueryBase(models.Model):
    """A base with a manager made of a queryset."""

    objects = Plain.as_manager()

    class Meta:
        """No table."""

        abstract = True


class QuietBase(models.Model):
    """A base with the manager that Django would give."""

    objects = models.Manager()

    class Meta:
        """No table."""

        abstract = True


WROTE = "objects = {}.from_queryset(StatisticsQuerySet)()"
MANAGERS: dict[str, tuple[tuple[Any, ...], dict[str, Any], list[str]]] = {
    "that of a source": ((StatisticsSource,), {}, []),
    "the line that is written": (
        (StatisticsSource, AbstractUser),
        {"objects": type("SourceUserManager", (UserManager.from_queryset(StatisticsQuerySet),), {})()},
        [],
    ),
    "a plain one under another name": ((StatisticsSource,), {"live": Dull()}, ["live = Dull.from_queryset("]),
    "a plain one in its place": ((StatisticsSource,), {"objects": Dull()}, [WROTE.format("Dull")]),
    "a plain one of a base before": ((Base, StatisticsSource), {}, [WROTE.format("Dull")]),
    "a plain one of a base after": ((StatisticsSource, Base), {}, [WROTE.format("Dull")]),
    "that of users before": ((AbstractUser, StatisticsSource), {}, ["objects = SourceUserManager()"]),
    "that of users after": ((StatisticsSource, AbstractUser), {}, ["objects = SourceUserManager()"]),
    "a queryset's after": ((StatisticsSource, QueryBase), {}, ["Let Plain inherit", "objects = Plain.as_manager()"]),
    "Django's own after": ((StatisticsSource, QuietBase), {}, []),
}


@pytest.mark.parametrize("name", MANAGERS)
@isolate_apps("tests", "django.contrib.auth", "django.contrib.contenttypes")
def test_a_manager_that_is_no_source_s_is_an_error(name: str) -> None:
    """One that makes no StatisticsQuerySet, or is hidden by that of StatisticsSource: E026, with the line to write."""
    bases, members, lines = MANAGERS[name]
    options = type("Meta", (), {"app_label": "tests"})
    model = type("Managed", bases, members | {"__module__": __name__, "Meta": options})
    found = list(manager_faults(model))
    assert {message.id for message in found} == ({"statistics_cache.E026"} if lines else set())
    assert all(line in str(message.hint) for message in found for line in lines)
    assert all("tests.Managed." in message.msg for message in found)


def test_models_that_are_no_source_may_have_any_manager() -> None:
    """Only sources are asked."""
    assert check_managers() == []


def test_a_plain_model_is_told_of() -> None:
    """One Info for each plain model that is watched says what its signals do not tell; sources have none."""
    said = {message.obj: message for message in run_checks(tags=[TAG]) if message.id == "statistics_cache.I001"}
    assert said[Paint].msg.endswith("bulk_update(), raw SQL and other programs are not.")
    assert "tests.stock" in said[Paint].msg
    assert "Let Paint inherit from StatisticsSource" in str(said[Paint].hint)
    assert Order in said
    assert Item not in said
    assert Item.tags.through not in said
