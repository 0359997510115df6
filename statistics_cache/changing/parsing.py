"""What the SQL of a write says: its table, the columns that it writes, and which rows. Anything odd says nothing."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

NAME = r"(?:\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|[\w$]+)"
HEAD = re.compile(
    r"\s*(?P<verb>INSERT(?:\s+OR\s+\w+)?(?:\s+IGNORE)?\s+INTO|REPLACE\s+INTO|UPDATE(?:\s+OR\s+\w+)?|DELETE\s+FROM)"
    rf"\s+(?:ONLY\s+)?(?P<table>{NAME}(?:\.{NAME})*)",
    re.IGNORECASE,
)
# What begins so writes no rows: nearly all that Django sends.
READS = ("SELECT", "SAVEPO", "RELEAS", "ROLLBA", "BEGIN", "COMMIT", "PRAGMA", "SET ", "CREATE", "ALTER ", "DROP T")
ODD = re.compile(r"\b(?:INSERT|UPDATE|DELETE|REPLACE|TRUNCATE|MERGE|COPY)\b", re.IGNORECASE)
TOKEN = re.compile(
    r"\s*(?:(?P<name>\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`)|(?P<mark>%s)|(?P<text>'(?:[^']|'')*')"
    r"|(?P<word>[A-Za-z_][\w$]*)|(?P<number>\d+(?:\.\d+)?)|(?P<sign>::|<=|>=|<>|!=|\|\||%%|[-+*/=<>(),.\[\]]))"
)
COMPARING = {"AND", "OR", "NOT", "IN", "IS", "NULL", "BETWEEN", "LIKE", "ESCAPE", "TRUE", "FALSE"}
SIGNS = {"=", "<", ">", "<=", ">=", "<>", "!=", "(", ")", ",", "."}
PARSED = 2_048  # statements that are remembered; an application has a few hundred shapes of writes


RUNS = re.compile(r"\s*(?:CALL|DO|EXECUTE|EXEC)\b", re.IGNORECASE)  # what may write any table, and names none


class Token(NamedTuple):
    """A piece of SQL and where it begins."""

    kind: str
    text: str
    at: int


class Write(NamedTuple):
    """What a statement says.

    `written` are the columns that an UPDATE sets, or an INSERT fills; None where they are not known. `where` is the SQL
    after WHERE ("" for none), behind `before` arguments. It is `plain` if it compares the table's own columns with
    arguments and nothing else. `pins` are the columns that it holds equal to the argument of that index. `layout` says
    how the arguments of an INSERT lie: by "rows", by "columns", or None. One that `overwrites` may update rows.
    """

    verb: str
    table: str
    written: tuple[str, ...] | None = None
    where: str = ""
    before: int = 0
    marks: int = 0
    plain: bool = False
    pins: tuple[tuple[str, int], ...] = ()
    layout: str | None = None
    overwrites: bool = False


def bare(name: str) -> str:
    """Give a name without its quotes."""
    return name[1:-1] if name[:1] in '"`' else name


def table_text(name: str) -> str:
    """Write the name of a table in one way: without quotes and schema, and in small letters."""
    return name.replace('"', "").replace("`", "").rpartition(".")[2].lower()


def may_write(sql: str) -> bool:
    """Tell whether a statement may write rows; costs next to nothing for those that read."""
    return not sql.startswith(READS) and ODD.search(sql) is not None


@lru_cache(maxsize=PARSED)
def is_one(sql: str) -> bool:
    """Tell whether a text is one statement: a second one may write anything."""
    return ";" not in sql.rstrip().rstrip(";")


def names(sql: str, table: str) -> bool:
    """Tell whether a text names a table anywhere."""
    return re.search(rf"\b{re.escape(table)}\b", sql, re.IGNORECASE) is not None


@lru_cache(maxsize=PARSED)
def parse(sql: str) -> Write | None:
    """Read a statement; None for one that writes no table."""
    head = HEAD.match(sql)
    if head is None:
        return None
    spelt = head["verb"].upper()
    verb, table = "INSERT" if spelt.startswith("REPLACE") else spelt[:6], table_text(head["table"])
    tokens = tokens_of(sql, head.end())
    if not tokens and sql[head.end() :].strip():
        return Write(verb, table, overwrites=True)
    marks = sum(token.kind == "mark" for token in tokens)
    if verb == "INSERT":
        overwrites = "REPLACE" in spelt
        return read_insert(Write(verb, table, marks=marks, overwrites=overwrites), tokens)
    return read_change(Write(verb, table, marks=marks), sql, tokens, head["table"])


def tokens_of(sql: str, start: int) -> list[Token]:
    """Cut SQL into tokens; none at all where a piece is not known."""
    found: list[Token] = []
    at, end = start, len(sql.rstrip())
    while at < end:
        match = TOKEN.match(sql, at)
        if match is None or match.lastgroup is None:
            return []
        found.append(Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        at = match.end()
    return found


def is_word(token: Token, *words: str) -> bool:
    """Tell whether a token is one of some words."""
    return token.kind == "word" and token.text.upper() in words


def depths(tokens: Sequence[Token]) -> list[int]:
    """Give how many parentheses are open before each token."""
    found, depth = [], 0
    for token in tokens:
        depth -= token.text == ")" and token.kind == "sign"
        found.append(depth)
        depth += token.text == "(" and token.kind == "sign"
    return found


def read_change(write: Write, sql: str, tokens: Sequence[Token], table: str) -> Write:
    """Read an UPDATE or a DELETE."""
    levels = depths(tokens)
    split = next((at for at, token in enumerate(tokens) if levels[at] == 0 and is_word(token, "WHERE")), len(tokens))
    head, tail = tokens[:split], tokens[split + 1 :]
    written = columns_set(head, levels) if write.verb == "UPDATE" else ()
    known = write._replace(written=written, before=sum(token.kind == "mark" for token in head))
    is_single = written is not None and not any(
        level == 0 and is_word(each, "FROM", "USING") for each, level in zip(head, levels, strict=False)
    )
    if not tail or not is_single:
        return known
    plain = is_plain(tail, table)
    return known._replace(
        where=sql[tail[0].at :], plain=plain, pins=tuple(pins_of(tail, table)) if is_sound(tail) else ()
    )


def columns_set(tokens: Sequence[Token], levels: Sequence[int]) -> tuple[str, ...] | None:
    """Give the columns after SET; None where that cannot be told."""
    if not tokens or not is_word(tokens[0], "SET"):
        return None
    found = []
    for at in range(1, len(tokens) - 1):
        begins = levels[at] == 0 and (at == 1 or tokens[at - 1].text == ",")
        if begins and (tokens[at].kind not in ("name", "word") or tokens[at + 1].text != "="):
            return None
        if begins:
            found.append(bare(tokens[at].text))
    return tuple(found)


def is_plain(tokens: Sequence[Token], table: str) -> bool:
    """Tell whether a condition compares own columns with arguments, and nothing else."""
    return all(
        token.kind in ("mark", "number", "text")
        or is_word(token, *COMPARING)
        or (token.kind == "sign" and token.text in SIGNS)
        or (token.kind == "name" and is_own(tokens, at, table))
        for at, token in enumerate(tokens)
    )


def is_own(tokens: Sequence[Token], at: int, table: str) -> bool:
    """Tell whether a name is the table's, before a point, or a column's."""
    if at + 1 < len(tokens) and tokens[at + 1].text == ".":
        return tokens[at].text == table
    return True


def is_sound(tokens: Sequence[Token]) -> bool:
    """Tell whether AND in a condition means that both sides hold, and nothing comes after it."""
    return not any(
        is_word(token, "BETWEEN", "OR", "CASE", "ORDER", "LIMIT", "RETURNING", "UNION", "XOR") for token in tokens
    )


def pins_of(tokens: Sequence[Token], table: str) -> Iterator[tuple[str, int]]:
    """Give the columns that a condition of several, all of which must hold, makes equal to an argument."""
    tokens = unwrapped(tokens)
    levels = depths(tokens)
    start = 0
    for end in range(len(tokens) + 1):
        if end == len(tokens) or (levels[end] == 0 and is_word(tokens[end], "AND")):
            term = unwrapped(tokens[start:end])
            if [each.kind for each in term] == ["name", "sign", "name", "sign", "mark"]:
                owner, point, column, sign, _ = (each.text for each in term)
                if (owner, point, sign) == (table, ".", "="):
                    yield bare(column), sum(each.kind == "mark" for each in tokens[:start])
            start = end + 1


def unwrapped(tokens: Sequence[Token]) -> Sequence[Token]:
    """Take off the parentheses around all of some tokens."""
    while len(tokens) > 1 and (tokens[0].text, tokens[-1].text) == ("(", ")") and 0 not in depths(tokens)[1:-1]:
        tokens = tokens[1:-1]
    return tokens


def read_insert(write: Write, tokens: Sequence[Token]) -> Write:
    """Read an INSERT."""
    words = [token.text.upper() for token in tokens if token.kind == "word"]
    overwrites = write.overwrites or "DUPLICATE" in words or ("DO" in words and "UPDATE" in words)
    levels = depths(tokens)
    end = next((at for at, token in enumerate(tokens) if at and levels[at] == 0 and token.text == ")"), 0)
    if not tokens or tokens[0].text != "(" or not end:
        return write._replace(overwrites=overwrites)
    columns = tuple(bare(token.text) for token in tokens[1:end] if token.kind in ("name", "word"))
    return write._replace(written=columns, overwrites=overwrites, layout=layout_of(tokens[end + 1 :], len(columns)))


def layout_of(tokens: Sequence[Token], width: int) -> str | None:
    """Tell how the arguments lie: row by row after VALUES, or column by column in UNNEST."""
    row = ["(", *[piece for number in range(width) for piece in ([","] if number else []) + ["%s"]], ")"]
    texts = [token.text for token in tokens]
    if texts and texts[0].upper() == "VALUES":
        at = 1
        while texts[at : at + len(row)] == row:
            at += len(row)
            if texts[at : at + 1] != [","]:
                break
            at += 1
        is_whole = at > 1 and "%s" not in texts[at:]
        return "rows" if is_whole else None
    is_unnest = [text.upper() for text in texts[:4]] == ["SELECT", "*", "FROM", "UNNEST"]
    return "columns" if is_unnest and texts.count("%s") == width else None
