"""Computing elsewhere: the token to take before, and storing under it what was computed."""

from typing import Any, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from .cold import rows as cold
from .cold.transactions import is_dirty
from .computing import capture, copy_of, keep
from .conf import check_size, settings
from .declaring.declaration import Declaration, Variant
from .declaring.parameters import short
from .entry import Capture
from .exceptions import TokenError

T = TypeVar("T")


class Token(NamedTuple):
    """What `.token` gives as JSON text: whose token it is, and what was captured."""

    statistic: str
    schema: str
    parameters: str
    captured: Capture


OUT = "while the database is down. Try again when it answers."
CHANGED = "in a transaction that changed what it is computed from. Take one before, or after the commit."
TOKEN = TypeAdapter(Token)


def token(declaration: Declaration[..., Any], variant: Variant) -> str:
    """Give a token of now as JSON text. Raises TokenError where there is none."""
    captured = capture(declaration, variant).captured
    if captured is None:
        why = CHANGED if is_dirty(cold.alias_of(declaration), declaration.name) else OUT
        raise TokenError(f"{declaration.name}: no token can be taken {why}")
    return TOKEN.dump_json(Token(declaration.name, declaration.fingerprint, variant.json, captured)).decode()


def put(declaration: Declaration[..., T], variant: Variant, value: T, token_text: str | None) -> bool:
    """Store a value computed elsewhere under its token and tell whether it was stored."""
    payload = check_size(declaration, declaration.encode(value).text)
    if not settings().ENABLED:
        return False
    captured = read_token(declaration, variant, token_text) if token_text else capture(declaration, variant).captured
    return captured is not None and keep(declaration, variant, copy_of(captured, payload, 0.0), "set", captured)


def read_token(declaration: Declaration[..., Any], variant: Variant, text: str) -> Capture:
    """Read a token. Raises TokenError for one that is none, or of another statistic, schema or variant."""
    try:
        given = TOKEN.validate_json(text)
    except ValidationError as error:
        raise TokenError(
            f"{declaration.name}: {short(text)} is no token. Take one by .token(…) before computing."
        ) from error
    expected = Token(declaration.name, declaration.fingerprint, variant.json, given.captured)
    if given != expected:
        raise TokenError(
            f"{declaration.name}: the token is of {short(given.statistic)} {short(given.parameters)}, "
            f"schema {short(given.schema)}, not of {variant.shown}, schema {declaration.fingerprint}. "
            "Take one for these parameters."
        )
    return given.captured
