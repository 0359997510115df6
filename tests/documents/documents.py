"""The README and the guides, taken apart: code blocks, sections, links, tables."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "statistics_cache/docs"
README = ROOT / "README.md"
DOCUMENTS = {path.relative_to(ROOT).as_posix(): path.read_text() for path in [README, *sorted(DOCS.glob("*.md"))]}
NAMES = list(DOCUMENTS)

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#{1,6} (.*)$", re.MULTILINE)
CELL = re.compile(r"(?<!\\)\|")
CODE = re.compile(r"`([^`]+)`")


class Block(NamedTuple):
    """A code block and its language."""

    language: str
    text: str


def blocks(text: str) -> list[Block]:
    """Give the code blocks of a document, in order."""
    return [Block(language, code) for language, code in BLOCK.findall(text)]


def prose(text: str) -> str:
    """Give a document without its code blocks."""
    return BLOCK.sub("", text)


def sections(text: str) -> list[str]:
    """Give the parts of a document between two headings, code blocks included; a `#` in a block is no heading."""
    parts, is_code = [""], False
    for line in text.splitlines(keepends=True):
        is_code ^= line.startswith("```")
        if not is_code and line.startswith("#"):
            parts.append("")
        parts[-1] += line
    return parts


def anchor(heading: str) -> str:
    """Spell a heading as GitHub spells its anchor."""
    kept = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return kept.strip().replace(" ", "-")


def anchors(text: str) -> set[str]:
    """Give the anchors of a document."""
    return {anchor(heading) for heading in HEADING.findall(prose(text))}


def rows(name: str) -> dict[str, list[str]]:
    """Give the rows of all tables of a guide, by the text of their first cell: the other cells."""
    lines = [line for line in prose(DOCUMENTS[f"statistics_cache/docs/{name}"]).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in CELL.split(line)[1:-1]] for line in lines]
    heads = {number for number, row in enumerate(cells, -1) if set("".join(row)) <= set("-:")}
    told = [row for number, row in enumerate(cells) if number not in heads and number - 1 not in heads]
    found = {row[0]: row[1:] for row in told}
    assert len(found) == len(told), f"{name} has a row twice"
    return found


def codes(text: str) -> list[str]:
    """Give what stands in backticks."""
    return CODE.findall(text)
