"""Links lead somewhere, figures name the command that gives them, and no document is longer than one reads."""

import re

import pytest

from tests.documents.documents import DOCUMENTS, NAMES, ROOT, anchors, prose, sections

LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
FIGURE = re.compile(r"\d ?(µs|ms)\b|\d+ times as|an eighth")
REFERENCE = [
    f"statistics_cache/docs/{each}.md" for each in ("benchmarks", "changelog", "checklist", "costs", "signals")
]
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


@pytest.mark.parametrize("name", NAMES)
def test_no_document_is_longer_than_one_reads(name: str) -> None:
    """The README has at most 250 lines, a guide 130; a line of prose is not wider than code."""
    assert len(DOCUMENTS[name].splitlines()) <= (250 if name == "README.md" else 130)
    lines = [line for line in prose(DOCUMENTS[name]).splitlines() if not line.startswith(("|", "  <img"))]
    assert [line for line in lines if len(line) > 120] == []


@pytest.mark.parametrize("name", [name for name in NAMES if name not in REFERENCE])
def test_every_guide_points_to_the_example(name: str) -> None:
    """Each guide names the file of `project/` that shows it."""
    assert re.search(r"\]\((\.\./\.\./)?project/", DOCUMENTS[name])


def test_the_readme_leads_to_every_document() -> None:
    """Each guide is named by the README; the benchmark's by the guide to costs."""
    linked = {target for target, _ in LINK.findall(DOCUMENTS["README.md"])}
    assert set(NAMES) - linked == {"README.md", "statistics_cache/docs/benchmarks.md"}
