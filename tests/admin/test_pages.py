"""The page of one entry, the registry, and what all pages have in common."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from html.parser import HTMLParser
from typing import Any, Literal
from uuid import UUID

import pytest
from django.core.management import call_command
from django.test import Client

from statistics_cache import statistic
from statistics_cache.admin import overview, words
from statistics_cache.exceptions import DeclarationError
from statistics_cache.explaining.durations import duration
from statistics_cache.hot import counters
from statistics_cache.models import StatisticEntry
from tests.admin.conftest import BLUE, LIST, RED, REGISTRY, act, orphan, row_of
from tests.models import Paint
from tests.samples import STALE_TTL, TTL, Color, count_stock, shelf, stock, strict

pytestmark = pytest.mark.django_db


def page_of(client: Client, key: str) -> str:
    """Give the page of an entry."""
    return client.get(f"{LIST}{row_of(key).pk}/change/").content.decode()


def plain(page: str) -> str:
    """Give a page's text with its quotes."""
    return page.replace("&quot;", '"').replace("&#x27;", "'")


def test_the_page_of_an_entry_says_everything(admin_client: Client) -> None:
    """Value, freshness, computes, sources, both tiers with their tokens, and a snippet."""
    paint = Paint.objects.create(color="red", litres=3)
    stock(Color.RED)
    page = plain(page_of(admin_client, RED))
    for part in (
        '"litres": 3',
        'class="sc-line"',
        'class="sc-bars"',
        "color is the parameter color",
        f"tests.Paint {paint.pk} created",
        "holds a copy",
        "as in the database",
        "from tests.samples import Color, stock",
        "stock(color=Color.RED, doubled=False)",
        "</span> old</strong> · fresh until",
        f'href="{LIST}{row_of(RED).pk}/history/"',
        "How much paint of a colour there is.",
    ):
        assert part in page, part
    assert 'class="sc-mark sc-no"' not in page


class Outer:
    """Holds a type that no other code imports by its name alone."""

    class Inner(Enum):
        """An Enum."""

        A = "a"


Odd = Enum("Odd", {"with space": "odd", "None": "none", "PLAIN": "plain"})


def echo(
    color: Color,
    odd: Odd,
    inner: Outer.Inner,
    maybe: Color | None,
    colors: list[Color],
    day: date,
    at: datetime,
    span: timedelta,
    price: Decimal,
    key: UUID,
    name: str,
    exact: Literal["x", 1],
    share: float = 0.5,
    /,
    *,
    is_on: bool = True,
) -> str:
    """Take a parameter of each kind."""
    return name


GIVEN: list[list[Any]] = [
    [Color.BLUE], list(Odd), [Outer.Inner.A], [None, Color.RED], [[], [Color.RED]], [date(2026, 1, 2)],
    [datetime(2026, 1, 2, 3, tzinfo=UTC)], [timedelta(minutes=5)], [Decimal("1.50")], [UUID(int=7)],
    ["it's \"quoted\" \\ \n"], ["x", 1], [1e300],
]  # fmt: skip


@pytest.mark.parametrize("at", range(3))
def test_the_snippet_runs(at: int) -> None:
    """The lines that the page shows call the same variant, whatever kinds its parameters are of."""
    declared: Any = statistic(name="tests.echo")(echo)
    given = [values[at % len(values)] for values in GIVEN]
    variant = declared.declaration.variant(tuple(given), {})
    *imports, _, call = words.snippet(declared.declaration, variant).splitlines()
    namespace: dict[str, Any] = {}
    exec("\n".join(imports), namespace)  # noqa: S102
    assert namespace["echo"] is echo
    namespace["echo"] = lambda *args, **kwargs: declared.declaration.variant(args, kwargs)
    assert eval(call, namespace) == variant  # noqa: S307


def test_the_snippet_names_members() -> None:
    """A member is written by its name and imported; one that has no name to write is written as its value."""
    declared: Any = statistic(name="tests.paints")(count_paints)
    shown = [words.snippet(declared.declaration, declared.declaration.variant((Color.RED, each), {})) for each in Odd]
    head = "from tests.admin.test_pages import Odd, count_paints\nfrom tests.samples import Color\n\ncount_paints"
    assert shown[2] == f"{head}(color=Color.RED, odd=Odd.PLAIN)"
    assert [text.split("\n\n")[1] for text in shown[:2]] == [
        "count_paints(color=Color.RED, odd='odd')",
        "count_paints(color=Color.RED, odd='none')",
    ]


def count_paints(color: Color, odd: Odd) -> int:
    """Count nothing."""
    return len(color)


def test_an_old_proof_is_no_fault(admin_client: Client, clock: Any) -> None:
    """A fresh entry that nobody has read for a while has nothing marked as wrong; its last proof is told."""
    stock(Color.RED)
    clock.shift(timedelta(minutes=1))
    page = page_of(admin_client, RED)
    assert "1 min ago; the next reader has it proved again" in page
    assert ">Fresh<" in page
    assert 'class="sc-mark sc-no"' not in page


def test_an_entry_that_only_failed_has_a_page(admin_client: Client) -> None:
    """It shows the error, how often, and until when nobody tries; there is no value."""
    row = StatisticEntry.objects.create(
        key="tests.total:",
        statistic="tests.total",
        params="{}",
        schema=strict.declaration.fingerprint,
        failures=3,
        last_error="ValueError: no paint",
    )
    page = admin_client.get(f"{LIST}{row.pk}/change/").content.decode()
    for part in ("ValueError: no paint", "Failed 3 times", ">Empty<", "Nothing is stored.", "holds none"):
        assert part in page, part


def test_tokens_that_moved_are_marked(admin_client: Client) -> None:
    """After a change of the source the page says which token the copy lacks."""
    shelf(Color.RED)
    Paint.objects.create(color="red")
    page = page_of(admin_client, 'tests.shelf:color="red"')
    assert "the database says" in page
    assert 'class="sc-mark sc-no"' in page
    assert "Its source changed" in page


def test_a_page_that_is_not_there(admin_client: Client) -> None:
    """No entry, no page; nor for what is no key."""
    for pk in ("0", "x", "9" * 30):
        assert admin_client.get(f"{LIST}{pk}/change/").status_code == 404


def test_the_registry_shows_what_was_never_computed(admin_client: Client, clock: Any) -> None:
    """Signature, limits, sources and what is stored of each declared statistic; what is kept warm is due."""
    stock(Color.RED)
    clock.shift(timedelta(minutes=2))
    rows = {row.name: row for row in admin_client.get(REGISTRY).context["rows"]}
    mine = rows["tests.stock"]
    assert (mine.stored, mine.ttl, mine.stale_ttl, mine.due) == ("1", "5 min", "1 h", "in 3 min")
    assert mine.signature == "(color: Color, *, doubled: bool = False) -> Stock"
    assert rows["catalog.usage_statistics"].signature == "(category: Category, *, days: int = 30) -> UsageStatistics"
    assert [source.name for source in mine.sources] == ["Paint"]
    assert mine.hydrated == "4 variants kept warm"
    never = rows["tests.shades"]
    assert (never.stored, never.last, never.due, never.runs) == ("0", "", "when it is read", "")
    assert rows["tests.total"].runs == "its default variant"


def registered(client: Client, name: str = "tests.stock", **query: str) -> Any:
    """Give the registry's row of a statistic."""
    return next(row for row in client.get(REGISTRY, query).context["rows"] if row.name == name)


@pytest.mark.parametrize("limit", [0, 50_000])
def test_the_registry_counts_what_calls_can_read(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """Rows of other schemas are in no number, what only ever failed is in no mean; of very many rows when asked."""
    monkeypatch.setattr(overview, "LIMIT", limit)
    stock(Color.RED)
    stock(Color.BLUE)
    StatisticEntry.objects.filter(key=RED).update(cost=2)
    StatisticEntry.objects.filter(key=BLUE).update(cost=4, computed_at=datetime.now(UTC) - timedelta(hours=1))
    orphan("tests.stock", key=RED, cost=90, computed_at=datetime.now(UTC) + timedelta(hours=1))
    orphan("tests.stock", key="x", schema=stock.declaration.fingerprint, payload=None, computed_at=None, failures=1)
    row = registered(admin_client, _facets="True")
    assert (row.stored, row.cost, row.last) == ("2", "3.0 s", "2.0 s")
    quick = registered(admin_client)
    assert (quick.stored, quick.cost, quick.last) == (("2", "3.0 s", "2.0 s") if limit else ("about 3", "", "2.0 s"))


def test_the_saved_time_is_of_what_was_computed(admin_client: Client) -> None:
    """What only ever failed has no share in the mean cost that the list's card takes."""
    for _ in range(3):
        stock(Color.RED)
    StatisticEntry.objects.update(cost=30)
    orphan("tests.stock", key="x", schema=stock.declaration.fingerprint, payload=None, computed_at=None, failures=1)
    counters.flush()
    cards = {card.label: card.value for card in admin_client.get(LIST).context["cards"]}
    assert cards["Compute time saved"] == "1 min"


def test_only_what_is_kept_warm_is_due(admin_client: Client) -> None:
    """An old row that is not hydrated, or is of another schema, makes nothing late; an old one that is does."""
    statistic(name="tests.warm", ttl=TTL, stale_ttl=STALE_TTL, hydrate=[{"color": "red"}])(count_stock)(Color.RED)
    long_ago = datetime.now(UTC) - timedelta(hours=2)
    fresh = StatisticEntry.objects.get(statistic="tests.warm")
    orphan("tests.warm", key=fresh.key, computed_at=long_ago)
    orphan("tests.warm", key='tests.warm:color="blue"', schema=fresh.schema, computed_at=long_ago)
    row = registered(admin_client, "tests.warm")
    assert (row.is_late, row.hydrated) == (False, "1 variant kept warm")
    StatisticEntry.objects.filter(pk=fresh.pk).update(computed_at=long_ago)
    assert registered(admin_client, "tests.warm").due == "1 h 55 min ago"


@pytest.mark.parametrize(
    ("hydrate", "due", "hydrated"),
    [
        (lambda: [{"color": "blue"}], "as each tick finds", "chosen at every tick"),
        ([{"color": "no"}], "as each tick finds", "hydrate= cannot be read: ParameterError"),
        ([{"color": "blue"}], "at the next tick", "1 variant kept warm"),
    ],
)
def test_what_is_not_known_to_be_late_is_not_said_to_be(
    admin_client: Client, hydrate: Any, due: str, hydrated: str
) -> None:
    """Whatever else is stored: no callable is asked, and a list that cannot be read is told and breaks no page."""
    statistic(name="tests.warm", hydrate=hydrate)(count_stock)(Color.RED)
    StatisticEntry.objects.update(computed_at=datetime.now(UTC) - timedelta(hours=2))
    row = registered(admin_client, "tests.warm")
    assert (row.due, row.is_late, row.hydrated) == (due, False, hydrated)


def test_the_admin_passes_djangos_checks() -> None:
    """Neither Django's checks of the admin nor ours of the app have anything to say."""
    call_command("check", fail_level="WARNING")


def test_visible_to_is_a_callable() -> None:
    """Anything else is refused at import, by name."""
    refused: Any = "staff"
    with pytest.raises(DeclarationError, match="visible_to is 'staff'"):
        statistic(visible_to=refused)(count_stock)


@pytest.mark.parametrize("page", ["list", "filtered", "detail", "orphan", "registry", "confirm", "history"])
@pytest.mark.parametrize("hostile", [False, True])
def test_pages_keep_to_a_strict_policy(admin_client: Client, page: str, hostile: bool) -> None:
    """No inline style, no inline script, no handler in an attribute; what is stored is text, whatever it holds."""
    stock(Color.RED)
    shelf(Color.BLUE)
    lost = orphan()
    if hostile:
        trap = "<script>alert(1)</script><b style='x' onclick='y'>"
        StatisticEntry.objects.update(failures=1, last_error=trap, payload='{"pots":1,"litres":2}')
        lost = orphan(trap[:100], key="trap", params='{"<b onclick=x>":"<script>"}')
    red = row_of(RED)
    if page == "confirm":
        html = act(admin_client, "clear_both", red, lost).content.decode()
    else:
        place = {
            "list": LIST,
            "filtered": f"{LIST}?state=orphaned&_facets=True&o=5",
            "detail": f"{LIST}{red.pk}/change/",
            "orphan": f"{LIST}{lost.pk}/change/",
            "registry": REGISTRY,
            "history": f"{LIST}{red.pk}/history/",
        }[page]
        answer = admin_client.get(place)
        assert answer.status_code == 200
        html = answer.content.decode()
    found = Inline()
    found.feed(html)
    assert found.tags > 50
    assert found.faults == []


class Inline(HTMLParser):
    """Finds what a strict policy forbids, as a browser reads a page."""

    def __init__(self) -> None:
        """Start with none."""
        super().__init__()
        self.tags = 0
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one tag."""
        self.tags += 1
        names = {name for name, _ in attrs}
        if tag == "style" or "style" in names or (tag == "script" and "src" not in names):
            self.faults.append(tag)
        self.faults += [name for name in names if name.startswith("on")]


def test_pages_are_named_for_screen_readers(admin_client: Client) -> None:
    """Every drawing has a title, every meter and table a name, and every state its word."""
    stock(Color.RED)
    pages = [
        admin_client.get(LIST).content.decode(),
        page_of(admin_client, RED),
        admin_client.get(REGISTRY).content.decode(),
    ]
    for page in pages:
        assert all('role="img"' in tag and "aria-label=" in tag for tag in re.findall(r"<svg class=\"sc-[^>]*>", page))
        assert all("aria-label=" in tag for tag in re.findall(r"<meter[^>]*>", page))
    assert all("<caption" in table for page in pages[1:] for table in re.findall(r"<table.*?</thead>", page, re.DOTALL))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0042, "4.2 ms"),
        (0.12, "120 ms"),
        (4.25, "4.2 s"),
        (75, "1 min 15 s"),
        (300, "5 min"),
        (5400, "1 h 30 min"),
        (86_400 * 12, "12 d"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """In the largest unit, and the next one while it says something."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("octets", "text"), [(0, "0 B"), (812, "812 B"), (1_400, "1.4 kB"), (23_000_000, "23 MB"), (5e12, "5000 GB")]
)
def test_sizes(octets: float, text: str) -> None:
    """In the unit that keeps the number short."""
    assert words.size(octets) == text


def test_reads_are_told_with_what_they_saved(admin_client: Client) -> None:
    """The list says how often readers found a value, and the registry says it of each statistic."""
    stock(Color.RED)
    for _ in range(3):
        stock(Color.RED)
    counters.flush()
    page = admin_client.get(f"{LIST}").content.decode()
    assert re.search(r"Reads.*?4.*?75.0% found", page, re.DOTALL)
    assert "Compute time saved" in page
    registry = admin_client.get(REGISTRY).content.decode()
    row = next(part for part in registry.split("<tr>") if "tests.stock" in part)
    assert "75.0% found" in row


@pytest.mark.parametrize(
    "odd", [{"costs": 5}, {"costs": [1, "x", None, [2]]}, {"cost": float("inf")}, {"cost": 1e300}, {"cost": -1.0}]
)
def test_numbers_that_cannot_be_break_no_page(admin_client: Client, odd: dict[str, Any]) -> None:
    """Whatever somebody wrote into a row: it is shown as unknown, on every page."""
    stock(Color.RED)
    StatisticEntry.objects.filter(key=RED).update(**odd)
    pages = (LIST, f"{LIST}?_facets=True", f"{LIST}{row_of(RED).pk}/change/", REGISTRY)
    assert [admin_client.get(page).status_code for page in pages] == [200] * 4
    assert act(admin_client, "clear_both", row_of(RED)).status_code == 200
