"""Who may do what: each set of permissions against each page and each action."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from statistics_cache import Statistic, statistic
from statistics_cache.models import StatisticEntry
from tests.admin.conftest import LIST, RED, REGISTRY, Login, act, count_secretly, orphan, row_of, text_of
from tests.samples import Color, Computed, Stock, stock

pytestmark = pytest.mark.django_db

REFRESH, CLEAR = ("refresh_later", "refresh_now"), ("invalidate", "clear_hot", "clear_both")
SETS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "viewer": (("view",), ()),
    "refresher": (("view", "refresh"), REFRESH),
    "clearer": (("view", "clear"), CLEAR),
    "both": (("view", "refresh", "clear"), REFRESH + CLEAR),
}


@pytest.mark.parametrize("action", REFRESH + CLEAR)
@pytest.mark.parametrize("who", SETS)
def test_each_action_wants_its_permission(login: Login, who: str, action: str) -> None:
    """An action is offered to who may take it; a POST of anybody else does nothing and leaves no log entry."""
    permissions, allowed = SETS[who]
    client = login(*permissions)
    stock(Color.RED)
    assert (f'value="{action}"' in client.get(LIST).content.decode()) == (action in allowed)
    detail = client.get(f"{LIST}{row_of(RED).pk}/change/").content.decode()
    assert (f'value="{action}"' in detail) == (action in allowed)
    before = row_of(RED).computed_at
    act(client, action, row_of(RED), confirmed="yes")
    assert LogEntry.objects.exists() == (action in allowed)
    if action not in allowed:
        assert row_of(RED).computed_at == before
        assert stock.answer(Color.RED).tier == "hot"


@pytest.mark.parametrize("who", ["viewer", "clearer"])
def test_running_wants_the_permission_to_refresh(login: Login, who: str) -> None:
    """Who may not refresh sees no button, and a POST is refused."""
    client = login(*SETS[who][0])
    assert "Run now" not in client.get(REGISTRY).content.decode()
    assert client.post(f"{REGISTRY}tests.total/run/").status_code == 403
    assert Computed.of("total") == 0


@pytest.mark.parametrize("page", ["", "registry/", "{}/change/", "{}/history/"])
def test_nothing_is_seen_without_the_permission_to_view(login: Login, page: str) -> None:
    """The permissions to refresh and clear alone open no page."""
    stock(Color.RED)
    url = LIST + page.format(row_of(RED).pk)
    assert login("refresh", "clear").get(url).status_code == 403
    assert login("view", name="other").get(url).status_code == 200


@pytest.mark.parametrize("page", ["", "registry/", "{}/change/"])
def test_who_is_not_logged_in_is_sent_to_do_so(page: str) -> None:
    """Pages and POSTs alike lead to the login."""
    stock(Color.RED)
    url = LIST + page.format(row_of(RED).pk)
    for answer in (Client().get(url), Client().post(url), Client().post(f"{REGISTRY}tests.total/run/")):
        assert answer.status_code == 302
        assert "/login/" in answer.headers["Location"]


@pytest.mark.parametrize("page", ["add/", "{}/delete/"])
def test_nobody_adds_or_deletes(admin_client: Client, page: str) -> None:
    """Not even a superuser."""
    stock(Color.RED)
    url = LIST + page.format(row_of(RED).pk)
    assert admin_client.get(url).status_code == 403
    assert admin_client.post(url, {"post": "yes"}).status_code == 403
    assert StatisticEntry.objects.count() == 1


def test_nobody_edits(admin_client: Client) -> None:
    """The page of an entry takes no POST, and the list saves nothing."""
    stock(Color.RED)
    url = f"{LIST}{row_of(RED).pk}/change/"
    assert admin_client.post(url, {"payload": "{}"}).status_code == 405
    admin_client.post(LIST, {"_save": "Save", "form-0-id": row_of(RED).pk, "form-0-payload": "{}"})
    assert stock.get(Color.RED) == Stock(pots=0, litres=0)
    assert b'<input type="text"' not in admin_client.get(url).content


def test_posts_want_a_csrf_token(login: Login) -> None:
    """Without a token nothing is done, on any of the pages that take a POST."""
    login("view", "refresh", "clear")
    client = Client(enforce_csrf_checks=True)
    client.login(username="operator", password="x")  # noqa: S106
    for url in (LIST, f"{REGISTRY}tests.total/run/"):
        assert client.post(url, {"action": "clear_both"}).status_code == 403


class TestHidden:
    """What `visible_to` hides."""

    @pytest.fixture(autouse=True)
    def stored(self, secret: Statistic[..., Stock]) -> None:
        """Compute it once."""
        secret(Color.RED)

    @property
    def row(self) -> StatisticEntry:
        """Give the hidden row."""
        return StatisticEntry.objects.get(statistic="tests.secret")

    @pytest.mark.parametrize(
        "query", ["", "?q=secret", "?statistic=tests.secret", "?state=fresh", "?_facets=True", "?all="]
    )
    def test_no_list_tells_of_it(self, login: Login, query: str) -> None:
        """No row, no filter, no count, no card."""
        page = login(is_superuser=True).get(LIST + query, follow=True)
        assert "tests.secret" not in text_of(page).replace("?q=secret", "")
        assert next(card.value for card in page.context["cards"] if card.label == "Fresh") == "0"
        assert "(1)" not in page.content.decode()

    def test_no_page_tells_of_it(self, login: Login) -> None:
        """Its page is not found, nor its history; the registry leaves it out, and runs it for nobody else."""
        client = login(is_superuser=True)
        assert client.get(f"{LIST}{self.row.pk}/change/").status_code == 404
        assert b"tests.secret" not in client.get(f"{LIST}{self.row.pk}/history/", follow=True).content
        assert b"tests.secret" not in client.get(REGISTRY).content
        assert client.post(f"{REGISTRY}tests.secret/run/").status_code == 404

    @pytest.mark.parametrize("action", REFRESH + CLEAR)
    @pytest.mark.parametrize("across", ["0", "1"])
    def test_no_action_touches_it(self, login: Login, secret: Statistic[..., Stock], action: str, across: str) -> None:
        """Neither when it is chosen, nor with all that match."""
        before = self.row.computed_at
        stock(Color.RED)
        page = act(login(is_superuser=True), action, self.row, confirmed="yes", select_across=across)
        assert "tests.secret" not in text_of(page)
        assert self.row.computed_at == before
        assert secret.answer(Color.RED).tier == "hot"
        assert not LogEntry.objects.filter(object_repr__contains="secret").exists()

    def test_an_action_leads_where_it_leads_from_no_entry(self, login: Login) -> None:
        """The page it came from is no way to learn that the row is there."""
        client = login(is_superuser=True)
        places = [
            act(client, "clear_hot", self.row, detail=detail).redirect_chain for detail in (str(self.row.pk), "99999")
        ]
        assert places[0] == places[1]

    def test_who_may_see_it_sees_it(self, login: Login) -> None:
        """Whom `visible_to` admits sees all of it."""
        client = login("view", name="insider")
        pages = [text_of(client.get(url)) for url in (LIST, REGISTRY, f"{LIST}{self.row.pk}/change/")]
        assert all("tests.secret" in page for page in pages)

    def test_the_permission_is_needed_all_the_same(self, login: Login) -> None:
        """`visible_to` opens nothing to who may not view entries."""
        assert login(name="insider").get(LIST).status_code == 403


def test_a_visible_to_that_raises_hides(login: Login, caplog: pytest.LogCaptureFixture) -> None:
    """A fault in it hides its statistic from everybody and breaks no page; one line a page names it, and no value."""
    declare: Any = statistic(name="tests.secret", visible_to=lambda user: user.no_such_attribute)
    declare(count_secretly)(Color.RED)
    row = StatisticEntry.objects.get()
    client = login(is_superuser=True)
    for page, status in ((LIST, 200), (REGISTRY, 200), (f"{LIST}{row.pk}/change/", 404)):
        caplog.clear()
        answer = client.get(page)
        assert answer.status_code == status
        assert status == 404 or "tests.secret" not in text_of(answer)
        lines = [record for record in caplog.records if record.name == "statistics_cache"]
        assert [line.getMessage().split(": ")[:3] for line in lines] == [
            ["visibility failed", "tests.secret", "AttributeError"]
        ]
        facts = vars(lines[0])
        assert (facts["statistic"], facts["error"], facts["exc_info"]) == ("tests.secret", "AttributeError", None)


def test_orphans_are_seen_by_superusers_alone(login: Login) -> None:
    """Rows that nobody declares: `visible_to` outlives its statistic, in every list, count, page and action."""
    row = orphan(params='{"color":"SECRET"}', failures=1, last_error="ValueError: SECRET")
    clearer = login("view", "refresh", "clear")
    for url in (
        "",
        "?q=red",
        "?_facets=True",
        "?error=yes",
        "?state=orphaned",
        f"{row.pk}/change/",
        f"{row.pk}/history/",
    ):
        page = text_of(clearer.get(LIST + url, follow=True))
        assert [word for word in ("SECRET", "gone.statistic", "(1)") if word in page] == []
    act(clearer, "clear_both", row, confirmed="yes")
    assert StatisticEntry.objects.filter(pk=row.pk).exists()
    owner = login(is_superuser=True, name="owner")
    assert "gone.statistic" in text_of(owner.get(LIST))
    assert "SECRET" in text_of(owner.get(f"{LIST}{row.pk}/change/"))
