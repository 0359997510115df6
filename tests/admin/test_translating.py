"""Every text of the admin is one that a catalogue can translate."""

import ast
import re
import struct
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import pytest
from django.test import Client
from django.utils import translation
from pytest_django import Settings

import statistics_cache.admin
from tests.admin.conftest import LIST, RED, REGISTRY, row_of
from tests.samples import Color, stock

ROOM = Path(statistics_cache.admin.__file__).parent
TEMPLATES = sorted((ROOM.parent / "templates" / "admin").rglob("*.html"))
UNSPOKEN = r"{% blocktranslate.*?{% endblocktranslate %}|{% block bodyclass %}.*?{% endblock %}"
SPOKEN = r"""(?:aria-label|title|data-label|alt|placeholder)="([^"]*)\""""
WORDS = {  # of the pages below, as a catalogue gives them
    "Fresh": "Frisch",
    "Freshness": "Frische",
    "Protocol": "Ablauf",
    "nothing was stored": "nichts war da",
    "Given to every reader": "Bekommt jeder Leser",
    "Refresh in the background": "Im Hintergrund erneuern",
    "Declared statistics": "Erklärte Statistiken",
    "cost": "Kosten",
    "Run now": "Jetzt rechnen",
    "statistic entries": "Einträge",
}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda each: each.name)
def test_no_template_has_an_untranslated_text(template: Path) -> None:
    """Outside of translations no text node and no spoken attribute has a letter."""
    text = re.sub(UNSPOKEN, "", template.read_text(), flags=re.DOTALL)
    text = re.sub(r"{%.*?%}|{{.*?}}|&\w+;", "", text, flags=re.DOTALL)
    nodes = re.findall(r">([^<>]*)<", f">{text}<")
    assert [each.strip() for each in nodes + re.findall(SPOKEN, text) if re.search("[A-Za-z]", each)] == []


@pytest.mark.parametrize("module", sorted(ROOM.glob("*.py")), ids=lambda each: each.name)
def test_no_message_is_a_bare_text(module: Path) -> None:
    """What a card, a message or a heading is given is no literal."""
    shown = {"Card": range(3), "message_user": range(1, 2), "Tier": range(1), "Fact": range(2), "Warm": range(1)}
    for call in (each for each in ast.walk(ast.parse(module.read_text())) if isinstance(each, ast.Call)):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        given = [call.args[at] for at in shown.get(name, ()) if at < len(call.args)]
        bare = [each for each in given if isinstance(each, ast.Constant) and each.value not in ("", None)]
        assert bare == [], f"{module.name}:{call.lineno}"


@pytest.fixture
def german(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Speak another language, of which there is a catalogue."""
    folder = tmp_path / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.mo").write_bytes(compiled({"": "Content-Type: text/plain; charset=UTF-8\n"} | WORDS))
    settings.LOCALE_PATHS = [tmp_path]
    settings.LANGUAGE_CODE = "de"
    monkeypatch.setattr("django.utils.translation.trans_real._translations", {})
    with translation.override("de"):
        yield


def compiled(catalogue: dict[str, str]) -> bytes:
    """Give a catalogue as gettext reads it."""
    pairs = [(key.encode(), catalogue[key].encode()) for key in sorted(catalogue)]
    head = 28 + 16 * len(pairs)
    sides = [[pair[side] + b"\0" for pair in pairs] for side in (0, 1)]
    starts = list(accumulate((len(each) for side in sides for each in side), initial=head))
    tables = [number for at, each in enumerate(sides[0] + sides[1]) for number in (len(each) - 1, starts[at])]
    numbers = [0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, head, *tables]
    return struct.pack(f"<{len(numbers)}I", *numbers) + b"".join(sides[0] + sides[1])


@pytest.mark.django_db
def test_a_catalogue_changes_every_page(admin_client: Client, german: None) -> None:
    """Cards, columns, filters, actions, reasons and templates alike speak the language of whoever looks."""
    stock(Color.RED)
    pages = [admin_client.get(url).content.decode() for url in (LIST, f"{LIST}{row_of(RED).pk}/change/", REGISTRY)]
    for words in WORDS.values():
        assert any(words in page for page in pages), words
    assert all(">Fresh<" not in page and "Run now" not in page for page in pages)
