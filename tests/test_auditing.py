"""The audit finds what nobody saw, takes no change for a drift, names what is not deterministic, and writes nothing."""

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from itertools import count
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from time_machine import Traveller

from statistics_cache import auditing, statistic, upkeep
from statistics_cache.api import Statistic
from statistics_cache.auditing import Audited, Difference, Verdict
from statistics_cache.cold import proving
from statistics_cache.hot import counters
from statistics_cache.models import StatisticEntry
from statistics_cache.signals import drift_found
from tests.admin.conftest import LIST
from tests.conftest import Backend
from tests.models import Paint
from tests.samples import TTL, Color, Computed, Stock, count_stock, shelf, stock, strict
from tests.test_upkeep import fail, refuse

pytestmark = [pytest.mark.django_db(databases=["default", "postgres"]), pytest.mark.usefixtures("backend")]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no log row: nothing is written meanwhile."""
    monkeypatch.setattr(auditing, "SETTLE", 0.0)


def audit(found: Statistic[..., Any] = shelf, color: Color = Color.RED) -> Audited:
    """Audit a variant."""
    return auditing.audit(found.declaration, found.declaration.variant((color,), {}))


def write_unseen(backend: Backend, litres: int) -> None:
    """Write as another program does: no capture sees it."""
    columns = "('color', 'litres')".replace("'", '"')
    with connections[backend.database].cursor() as cursor:
        cursor.cursor.execute(f"INSERT INTO {Paint._meta.db_table} {columns} VALUES ('red', {litres})")  # noqa: S608


class Told:
    """What the signal has told."""

    def __init__(self) -> None:
        """Begin to listen."""
        self.facts: list[dict[str, Any]] = []
        drift_found.connect(self.note, weak=False)

    def note(self, **facts: Any) -> None:
        """Keep what is told."""
        self.facts.append({name: facts[name] for name in ("statistic", "key", "fields", "is_deterministic")})


@pytest.fixture
def told() -> Any:
    """Listen to the signal."""
    listening = Told()
    yield listening.facts
    drift_found.disconnect(listening.note)


def test_one_unseen_write_is_a_drift(backend: Backend, told: list[dict[str, Any]]) -> None:
    """It is found by one audit, named by field, counted, and told; what is stored stays, and is given as before."""
    stored = shelf(Color.RED)
    assert audit().verdict == "same"
    write_unseen(backend, 3)
    found = audit()
    assert (found.verdict, found.differences) == (
        "drift",
        (Difference("pots", "0", "1"), Difference("litres", "0", "3")),
    )
    assert told == [
        {"statistic": "tests.shelf", "key": 'tests.shelf:color="red"', "fields": ("pots", "litres"),
         "is_deterministic": True}
    ]  # fmt: skip
    assert shelf.answer(Color.RED).tier == "hot"
    assert shelf(Color.RED) == stored
    counts = counters.counts_of(["tests.shelf"])["tests.shelf"]
    assert (counts.checks, counts.drifts) == (2, 1)


def paints(seen: Callable[[], object], values: Callable[[], int]) -> Statistic[..., Any]:
    """Declare a statistic whose compute lets something happen first."""

    def count_after(color: Color) -> Stock:
        seen()
        return Stock(pots=values(), litres=0)

    count_after.__qualname__ = "count_after"
    return statistic(name="tests.audited", ttl=TTL, depends_on={Paint: "color"})(count_after)


@pytest.mark.parametrize("when", ["in the first compute", "in the second"])
def test_a_change_in_between_is_no_drift(when: str, told: list[dict[str, Any]]) -> None:
    """Whatever lands between the token and the proof says nothing, in the first compute as in the second."""
    audited = paints(lambda: steps.pop(0)() if steps else None, lambda: next(numbers))
    steps: list[Callable[[], object]] = []
    numbers = iter([1, 2, 2])
    audited(Color.RED)
    change = lambda: audited.invalidate(Color.RED)  # noqa: E731
    steps[:] = [change] if when == "in the first compute" else [int, change]
    assert audit(audited).verdict == "changed"
    assert told == []


def test_what_is_logged_a_little_later_is_no_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    """In autocommit a row is committed just before its change is logged: the last proof waits for that."""
    audited = paints(int, lambda: next(numbers))
    numbers = iter([1, 2, 2])
    audited(Color.RED)
    monkeypatch.setattr(auditing, "SETTLE", 0.1)
    monkeypatch.setattr(auditing, "sleep", lambda seconds: audited.invalidate(Color.RED) if seconds else None)
    assert audit(audited).verdict == "changed"


def test_what_is_not_deterministic_is_named(told: list[dict[str, Any]]) -> None:
    """Two computes at one token differ: that is no drift, and is not counted."""
    numbers = count()
    audited = paints(int, lambda: next(numbers))
    audited(Color.RED)
    found = audit(audited)
    assert (found.verdict, found.differences) == ("not deterministic", (Difference("pots", "1", "2"),))
    assert [each["is_deterministic"] for each in told] == [False]
    counts = counters.counts_of(["tests.audited"])["tests.audited"]
    assert (counts.checks, counts.drifts) == (0, 0)


def test_only_what_is_fresh_is_audited(clock: Traveller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what is missing, changed or old, not in a transaction that changed its source, nor while the database is
    out; a function that raises is told of."""
    verdicts: list[Verdict] = [audit().verdict]
    shelf(Color.RED)
    computes = Computed.of("shelf")
    clock.shift(TTL)
    verdicts.append(audit().verdict)
    shelf.refresh(Color.RED)
    shelf.invalidate(Color.RED)
    verdicts.append(audit().verdict)
    shelf.refresh(Color.RED)
    with monkeypatch.context() as patch:
        patch.setattr(proving, "prove_at_once", refuse)
        verdicts.append(audit().verdict)
    assert verdicts == ["not fresh"] * 4
    assert Computed.of("shelf") == computes + 2
    monkeypatch.setattr("tests.samples.count_stock", fail)
    found = audit()
    assert (found.verdict, found.failure) == ("failed", "ZeroDivisionError")
    assert shelf.answer(Color.RED).state == "fresh"


def test_in_a_transaction_that_changed_its_source_nothing_is_audited() -> None:
    """What is not committed would be a drift."""
    shelf(Color.RED)
    Paint.objects.create(color="red", litres=1)
    assert audit().verdict == "not fresh"


def test_an_audit_writes_nothing(backend: Backend) -> None:
    """Neither to the table nor to the cache, also when it finds a drift."""
    shelf(Color.RED)
    shelf.clear(Color.RED, tier="hot")
    write_unseen(backend, 3)
    with CaptureQueriesContext(connections[backend.database]) as captured:
        assert audit().verdict == "drift"
    assert all(query["sql"].lstrip("(").startswith("SELECT") for query in captured)
    assert shelf.explain(Color.RED).facts.hot is None


@pytest.mark.parametrize(
    ("stored", "computed", "fields"),
    [
        ('{"a":1,"b":[1,{"c":2}]}', '{"b":[1,{"c":2}],"a":1}', []),
        ('{"a":1,"b":[1,{"c":2}]}', '{"a":1,"b":[1,{"c":3}]}', [("b.1.c", "2", "3")]),
        ('{"a":1}', '{"a":1.0,"d":null}', [("a", "1", "1.0"), ("d", "", "null")]),
        ('{"a":1}', "{}", [("a", "1", "")]),
        ("[1,2]", "[1,2,3]", [("value", "[1, 2]", "[1, 2, 3]")]),
        ("1", "true", [("value", "1", "true")]),
        ('"é"', '"e"', [("value", '"é"', '"e"')]),
        (str(list(range(20))), str(list(range(1, 21))), [(str(at), str(at), str(at + 1)) for at in range(10)]),
    ],
)
def test_the_difference_is_named_by_field(stored: str, computed: str, fields: list[tuple[str, str, str]]) -> None:
    """The order of names says nothing; types do; ten fields are named at most."""
    assert list(auditing.differences(stored, computed)) == fields


# The tick


def test_the_tick_audits_as_many_as_it_is_told(backend: Backend, conf: Any, told: list[dict[str, Any]]) -> None:
    """None by default; else so many computes, of statistics and variants chosen by chance; what it finds is told."""
    declarations = [each.declaration for each in (stock, shelf, strict)]
    for color in Color:
        shelf(color)
    write_unseen(backend, 3)
    before = Computed.of("shelf")
    upkeep.tick(declarations)
    assert Computed.of("shelf") == before
    conf(AUDIT=2)
    for _ in range(12):
        upkeep.tick(declarations)
    assert {each["statistic"] for each in told} == {"tests.shelf"}
    counts = counters.counts_of(["tests.shelf"])["tests.shelf"]
    assert counts.checks > counts.drifts > 0
    assert Computed.of("stock") == Computed.of("strict") == 0


def test_the_tick_audits_what_is_young(conf: Any, clock: Traveller) -> None:
    """What is older than its ttl is not chosen, and an audit that raises ends no tick."""
    conf(AUDIT=5)
    shelf(Color.RED)
    clock.shift(TTL)
    assert auditing.audit_some([shelf.declaration]) == []


def test_an_audit_that_fails_ends_no_tick(conf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tick is done all the same."""
    conf(AUDIT=5)
    shelf(Color.RED)
    monkeypatch.setattr("tests.samples.count_stock", fail)
    upkeep.tick([shelf.declaration])
    assert [each.verdict for each in auditing.audit_some([shelf.declaration])] == ["failed"] * 5


# The command


def run(*args: str, **options: Any) -> tuple[int, str]:
    """Give the exit code of the command, and what it wrote."""
    out = StringIO()
    try:
        call_command("audit_statistics", *args, stdout=out, **options)
    except CommandError as error:
        return error.returncode, out.getvalue()
    return 0, out.getvalue()


def test_the_command_ends_with_1_for_a_drift(backend: Backend) -> None:
    """It names statistic, variant and fields, as text and as JSON."""
    assert run("tests.shelf") == (0, "Nothing is stored.\n")
    for color in Color:
        shelf(color)
    assert run("tests.shelf") == (0, "2 stored: 2 same.\n")
    write_unseen(backend, 3)
    said = 'drift tests.shelf:color="red":\n  pots: stored 0, now 1\n  litres: stored 0, now 3\n'
    assert run("tests.shelf") == (1, f"{said}2 stored: 1 same, 1 drifted.\n")
    code, text = run("tests.shelf", params='{"color": "red"}', format="json")
    fields = [{"field": "pots", "stored": "0", "computed": "1"}, {"field": "litres", "stored": "0", "computed": "3"}]
    assert (code, json.loads(text)) == (
        1,
        [{"name": "tests.shelf", "params": {"color": "red"}, "verdict": "drift", "failure": "", "differences": fields}],
    )
    assert json.loads(run("tests.strict", format="json")[1]) == []


def test_the_command_names_what_is_not_deterministic(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is no drift: it ends with 0. A function that raises ends it with 1."""
    numbers = count()
    monkeypatch.setattr("tests.samples.count_stock", lambda _: Stock(pots=next(numbers), litres=0))
    shelf(Color.RED)
    assert run("tests.shelf") == (
        0,
        'not deterministic tests.shelf:color="red":\n  pots: once 1, then 2\n1 stored: 1 not deterministic.\n',
    )
    monkeypatch.setattr("tests.samples.count_stock", fail)
    assert run("tests.shelf") == (1, 'failed tests.shelf:color="red": ZeroDivisionError\n1 stored: 1 failed.\n')


def test_the_command_takes_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """So much of what is stored, by chance; what is no share is wrong usage."""
    for color in Color:
        shelf(color)
    chances = iter([0.001, 0.5])
    monkeypatch.setattr("statistics_cache.management.commands.audit_statistics.random", lambda: next(chances))
    assert run("tests.shelf", sample="1%") == (0, "1 stored: 1 same.\n")
    assert [run("tests.shelf", sample=text)[0] for text in ("0%", "101%", "1", "x%", "-1%")] == [2] * 5


# The admin


def test_a_card_counts_drifts(admin_client: Client, backend: Backend) -> None:
    """How many of how many checked; nothing is said to be right where nothing was checked."""
    shelf(Color.RED)
    assert "Nothing was checked" in admin_client.get(LIST).content.decode()
    audit()
    write_unseen(backend, 3)
    audit()
    counters.flush()
    page = admin_client.get(LIST).content.decode()
    card = page.split("Drift")[1][:400]
    assert "1" in card
    assert "of 2 checked" in card


def test_what_an_audit_chooses_is_of_the_present_schema(clock: Traveller) -> None:
    """A row of another schema, or of parameters that no call means, is not chosen."""
    shelf(Color.RED)
    assert auditing.some_variant(shelf.declaration) is not None
    StatisticEntry.objects.update(schema="0" * 12)
    assert auditing.some_variant(shelf.declaration) is None
    clock.shift(timedelta(seconds=1))
    assert count_stock(Color.RED).pots == 0
