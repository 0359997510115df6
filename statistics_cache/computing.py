"""The compute path: capture a token, call the function, store what it returned behind the fence."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from time import perf_counter, time
from typing import Any, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from . import cold, hot
from .conf import settings
from .declaration import Declaration, Variant
from .entry import Answer, Capture, Copy, microseconds, moment
from .exceptions import TokenError
from .signals import store_failed
from .transactions import after_commit, in_transaction

T = TypeVar("T")


class Token(NamedTuple):
    """What `.token` gives as JSON text: whose token it is, and what was captured."""

    statistic: str
    schema: str
    parameters: str
    captured: Capture


TOKEN = TypeAdapter(Token)


@dataclass
class Frame:
    """One compute under way: `oldest` is the earliest capture of anything it used."""

    oldest: float


_frame: ContextVar[Frame | None] = ContextVar("statistics_cache_frame", default=None)


def running() -> Frame | None:
    """Give the compute that the caller is part of, if it is."""
    return _frame.get()


def use(computed_at: float) -> None:
    """Note that the compute under way used a value of this age: it is itself no newer."""
    if (under_way := _frame.get()) is not None:
        under_way.oldest = min(under_way.oldest, computed_at)


@contextmanager
def frame(started: float) -> Iterator[Frame]:
    """Mark what is called inside as part of a compute, and of the one around it."""
    inner = Frame(started)
    reset = _frame.set(inner)
    try:
        yield inner
    finally:
        _frame.reset(reset)
        use(inner.oldest)


def capture(declaration: Declaration[..., Any], variant: Variant) -> Capture | None:
    """Take the token of a compute that begins now: times, then hot generations, then the database's.

    None while the database is out: nothing that is computed can be proved, so nothing is stored.
    """
    at = microseconds(time())
    hot_tokens = hot.read(declaration, variant).tokens or hot.start_tokens(declaration, [variant])[0]
    proofs = cold.prove(declaration, [variant])
    return Capture(at, at, hot_tokens, proofs[variant.key].database) if proofs else None


def compute(declaration: Declaration[..., T], variant: Variant, captured: Capture | None, reason: str) -> Answer[T]:
    """Compute a value, store it if a token was captured before, and give it as fresh."""
    began = captured.computed_at if captured else microseconds(time())
    started = perf_counter()
    with frame(began) as used:
        value = declaration.call(variant)
    cost = perf_counter() - started
    if captured is not None and settings().ENABLED:
        keep(declaration, variant, replace(captured, computed_at=used.oldest), declaration.encode(value), cost, reason)
    return answer_computed(value, used.oldest, cost)


def answer_computed(value: T, computed_at: float, cost: float) -> Answer[T]:
    """Give a value computed in this very read: fresh whatever it cost."""
    age = max(0.0, time() - computed_at)
    return Answer(
        value, "fresh", None, "computed", moment(computed_at), timedelta(seconds=age), timedelta(seconds=cost)
    )


def keep(
    declaration: Declaration[..., Any], variant: Variant, captured: Capture, payload: str, cost: float, reason: str
) -> bool:
    """Store a value, after the commit if there is a transaction: what may be rolled back is nobody else's to read.

    Tells whether it was stored, or will be tried.
    """
    copy = Copy(payload, captured.computed_at, cost, captured.database, "hot", captured.hot, captured.proved_at)
    alias = cold.alias_of(declaration)
    if in_transaction(alias):
        after_commit(alias, partial(store, declaration, variant, replace(copy, hot=None), reason))
        return True
    return store(declaration, variant, copy, reason)


def store(declaration: Declaration[..., Any], variant: Variant, copy: Copy, reason: str) -> bool:
    """Store cold, then hot, and tell whether it was done.

    What the fence refuses is stored nowhere; what the database cannot take is signalled.
    """
    try:
        passed = cold.store(declaration, variant, copy, time(), reason)
    except cold.OUTAGES as error:
        store_failed.send(sender=type(declaration), statistic=declaration.name, error=error)
        return False
    if passed:
        hot.write(declaration, variant, copy)
    return passed


def refresh(declaration: Declaration[..., T], variant: Variant) -> Answer[T]:
    """Compute and store now, whatever is stored; within another compute, compute only."""
    captured = capture(declaration, variant) if settings().ENABLED and running() is None else None
    return compute(declaration, variant, captured, "refresh")


def token(declaration: Declaration[..., Any], variant: Variant) -> str:
    """Give a token of now as JSON text. Raises TokenError while the database is out: it could prove nothing."""
    captured = capture(declaration, variant)
    if captured is None:
        raise TokenError(f"{declaration.name}: the database is out, so no token can be taken. Try again later.")
    return TOKEN.dump_json(Token(declaration.name, declaration.fingerprint, variant.json, captured)).decode()


def put(declaration: Declaration[..., T], variant: Variant, value: T, token_text: str | None) -> bool:
    """Store a value computed elsewhere under its token and tell whether it was stored."""
    payload = declaration.encode(value)
    captured = read_token(declaration, variant, token_text) if token_text else capture(declaration, variant)
    return captured is not None and keep(declaration, variant, captured, payload, 0.0, "set")


def read_token(declaration: Declaration[..., Any], variant: Variant, text: str) -> Capture:
    """Read a token. Raises TokenError for one that is none, or of another statistic, schema or variant."""
    try:
        given = TOKEN.validate_json(text)
    except ValidationError as error:
        raise TokenError(
            f"{declaration.name}: {text!r} is no token. Take one by .token(…) before computing."
        ) from error
    expected = Token(declaration.name, declaration.fingerprint, variant.json, given.captured)
    if given != expected:
        raise TokenError(
            f"{declaration.name}: the token is of {given.statistic} {given.parameters}, schema {given.schema}, "
            f"not of {variant.json}, schema {declaration.fingerprint}. Take one for these parameters."
        )
    return given.captured
