"""Links lead somewhere, figures name the command that gives them, and no document is longer than one reads."""

import re

import pytest

from tests.documents.documents import DOCUMENTS, NAMES, ROOT, anchors, prose, sections

LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
FIGURE = re.compile(r"\d ?(µs|ms)\b|\d+ times as|an eighth")
COMMAND = re.compile(r"`?(python -m tests\.\w+|pytest tests/)")


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name: str) -> None:
    """A relative link names a file, and its anchor a heading of that file."""
    here = (ROOT / name).parent
    for target in (first or second for first, second in LINK.findall(prose(DOCUMENTS[name]))):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        file = (here / path).resolve() if path else ROOT / name
        assert file.exists(), f"{name}: {target}"
        assert not heading or heading in anchors(file.read_text()), f"{name}: {target}"


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_names_its_command(name: str) -> None:
    """Where a section tells how long something takes, it names the command that measures it."""
    for section in sections(DOCUMENTS[name]):
        assert not FIGURE.search(prose(section)) or COMMAND.search(section), section
