"""What the text of a statement says of the rows that it reads: which tables, and which columns equal which argument."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from statistics_cache.changing.parsing import bare

PIECE = re.compile(
    r"(?P<skipped>--[^\n]*|/\*.*?\*/|'(?:[^']|'')*')|(?P<name>\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`)"
    r"|(?P<mark>%s)|(?P<word>[^\W\d][\w$]*)|(?P<number>\d[\w.]*)|(?P<sign>\S)",
    re.DOTALL,
)
# What a FROM inside their parentheses is about is no table.
SPLITTING = {"EXTRACT", "TRIM", "SUBSTRING", "OVERLAY", "POSITION"}
# What may stand behind a table and is not its alias, or ends the list of tables.
ENDING = {
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "FETCH",
    "FOR",
    "WINDOW",
    "RETURNING",
    "SET",
    "VALUES",
}
COMBINING = {"UNION", "INTERSECT", "EXCEPT"}
BETWEEN = {"ON", "USING", "JOIN", "LEFT", "RIGHT", "FULL", "INNER", "OUTER", "CROSS", "NATURAL", "STRAIGHT_JOIN", "AS"}
NO_ALIAS = ENDING | COMBINING | BETWEEN | {"TABLESAMPLE", "WITH", "SELECT"}
SKIPPED = {"ONLY", "LATERAL"}  # stand before a table
DOUBTFUL = {"OR", "CASE", "XOR"}  # with one of these in a condition, what it compares need not hold
PARSED = 2_048  # statements that are remembered


class Piece(NamedTuple):
    """A piece of SQL; names are bare, and words are in capitals."""

    kind: str
    text: str


class Column(NamedTuple):
    """A column as a statement names it: behind a table or its alias."""

    owner: str
    name: str


@dataclass(eq=False)
class Block:
    """One SELECT: the tables that it reads by the names it gives them, what its WHERE pins to an argument by that
    one's index, and the pairs of columns that it compares as equal. A condition that is not `sound` pins nothing."""

    tables: list[tuple[str, str]] = field(default_factory=list)
    pins: list[tuple[Column, int]] = field(default_factory=list)
    joins: list[tuple[Column, Column]] = field(default_factory=list)
    is_sound: bool = True

    def owners(self, table: str) -> list[str]:
        """Give the names under which it reads a table."""
        return [owner for name, owner in self.tables if name == table]


@dataclass
class Level:
    """What is between two parentheses."""

    block: Block
    opener: str = ""
    expects: bool = False  # a table comes next
    lists: bool = False  # in a list of tables: after a comma another one comes
    is_condition: bool = False


class Common(NamedTuple):
    """A name that WITH gives to a query: what it means from here on is no table."""

    name: str
    begins: int


@lru_cache(maxsize=PARSED)
def blocks_of(sql: str) -> tuple[Block, ...]:
    """Read a statement's SELECTs."""
    return Reader(sql).read()


def tables_of(sql: str) -> set[str]:
    """Give the names, in small letters and without schema, of what a statement reads: tables and views."""
    return {table for block in blocks_of(sql) for table, _ in block.tables}


def pieces_of(sql: str) -> list[Piece]:
    """Cut SQL into pieces, without comments and literals."""
    found = []
    for match in PIECE.finditer(sql):
        kind, text = str(match.lastgroup), match[0]
        if kind != "skipped":
            found.append(Piece(kind, bare(text) if kind == "name" else text.upper() if kind == "word" else text))
    return found


class Reader:
    """Goes through a statement once, piece by piece."""

    def __init__(self, sql: str) -> None:
        """Cut it."""
        self.pieces = pieces_of(sql)
        self.closing = dict(closings(self.pieces))
        self.common = list(commons(self.pieces, self.closing))
        self.blocks: list[Block] = []
        self.levels = [Level(self.begin())]
        self.marks = 0

    def begin(self) -> Block:
        """Begin a SELECT."""
        self.blocks.append(Block())
        return self.blocks[-1]

    def read(self) -> tuple[Block, ...]:
        """Go through it."""
        for at, piece in enumerate(self.pieces):
            if piece.kind == "mark":
                self.marks += 1
            elif piece.text == "(" and piece.kind == "sign":
                self.open(at)
            elif piece.text == ")" and piece.kind == "sign":
                self.close()
            elif piece.kind == "sign":
                self.sign(at, piece.text)
            elif not (piece.kind == "word" and self.word(at, piece.text)) and self.levels[-1].expects:
                self.table(at)
        return tuple(block for block in self.blocks if block.tables)

    def open(self, at: int) -> None:
        """Go one level down: a table may come there as it may here."""
        level = self.levels[-1]
        opener = self.pieces[at - 1].text if at and self.pieces[at - 1].kind == "word" else ""
        self.levels.append(Level(level.block, opener, level.expects, is_condition=level.is_condition))
        level.expects = False

    def close(self) -> None:
        """Go one level up."""
        if len(self.levels) > 1:
            self.levels.pop()

    def sign(self, at: int, text: str) -> None:
        """Note a comma in a list of tables, and what is compared as equal."""
        level = self.levels[-1]
        if text == "," and level.lists:
            level.expects = True
        elif text == "=" and (left := column_at(self.pieces, at - 3)) is not None:
            if self.pieces[at + 1 : at + 2] == [Piece("mark", "%s")]:
                if level.is_condition:
                    level.block.pins.append((left, self.marks))
            elif (right := column_at(self.pieces, at + 1)) is not None:
                level.block.joins.append((left, right))

    def word(self, at: int, text: str) -> bool:
        """Take a word for what SQL means by it; False where that is nothing, and it may be a name."""
        level = self.levels[-1]
        if text == "SELECT":
            self.levels[-1] = Level(self.begin(), level.opener)
        elif text == "FROM":
            level.expects = level.lists = not self.is_no_list(at, level)
        elif text in ("JOIN", "STRAIGHT_JOIN"):
            level.expects = True
        elif text in ENDING or text in COMBINING:
            level.expects = level.lists = False
            level.is_condition = text == "WHERE"
        elif text in DOUBTFUL or (text == "NOT" and not self.follows(at, "IS")):
            level.block.is_sound = level.block.is_sound and not level.is_condition
        else:
            return text in SKIPPED
        return True

    def is_no_list(self, at: int, level: Level) -> bool:
        """Tell whether a FROM begins no list of tables that are read."""
        return level.opener in SPLITTING or self.follows(at, "DISTINCT", "DELETE")

    def follows(self, at: int, *words: str) -> bool:
        """Tell whether a piece comes right after one of some words."""
        return at > 0 and self.pieces[at - 1].kind == "word" and self.pieces[at - 1].text in words

    def table(self, at: int) -> None:
        """Note a table and the name that it is given."""
        level, end = self.levels[-1], at
        while self.pieces[end + 1 : end + 2] == [Piece("sign", ".")] and end + 2 < len(self.pieces):
            end += 2
        if at and self.pieces[at - 1] == Piece("sign", "."):  # a further part of the name
            return
        level.expects = False
        name = self.pieces[end].text.lower()
        if self.pieces[end + 1 : end + 2] == [Piece("sign", "(")] or self.is_common(name, at):
            return
        level.block.tables.append((name, self.alias(end + 1) or name))

    def alias(self, at: int) -> str | None:
        """Give the name that a table is given."""
        if self.pieces[at : at + 1] == [Piece("word", "AS")]:
            at += 1
        following = self.pieces[at] if at < len(self.pieces) else Piece("sign", "")
        is_name = following.kind == "name" or (following.kind == "word" and following.text not in NO_ALIAS)
        return following.text.lower() if is_name else None

    def is_common(self, name: str, at: int) -> bool:
        """Tell whether a name is one that WITH gives."""
        return any(each.name == name and at > each.begins for each in self.common)


def column_at(pieces: Sequence[Piece], at: int) -> Column | None:
    """Give the column that begins at a piece."""
    if at < 0 or len(pieces) < at + 3 or pieces[at + 1] != Piece("sign", "."):
        return None
    kinds = {pieces[at].kind, pieces[at + 2].kind}
    return Column(pieces[at].text.lower(), pieces[at + 2].text.lower()) if kinds <= {"name", "word"} else None


def closings(pieces: Sequence[Piece]) -> Iterator[tuple[int, int]]:
    """Give where each parenthesis opens, with where it closes."""
    opened: list[int] = []
    for at, piece in enumerate(pieces):
        if piece == Piece("sign", "("):
            opened.append(at)
        elif piece == Piece("sign", ")") and opened:
            yield opened.pop(), at


def commons(pieces: Sequence[Piece], closing: dict[int, int]) -> Iterator[Common]:
    """Give the names that WITH gives: inside its own query one means a table still, unless it is RECURSIVE."""
    words = {piece.text for piece in pieces if piece.kind == "word"}
    if "WITH" not in words:
        return
    opening = {end: start for start, end in closing.items()}
    for at, piece in enumerate(pieces):
        if piece != Piece("word", "AS"):
            continue
        start = at + 1
        while start < len(pieces) and pieces[start].text in ("NOT", "MATERIALIZED"):
            start += 1
        if start not in closing or pieces[start + 1].text not in ("SELECT", "WITH", "VALUES", "("):
            continue
        named = opening.get(at - 1, at) - 1  # before its list of columns, if there is one
        if named >= 0 and pieces[named].kind in ("name", "word"):
            yield Common(pieces[named].text.lower(), start if "RECURSIVE" in words else closing[start])
