"""What mypy and pyright infer: this file has no error."""

from typing import assert_type

from statistics_cache import Answer, Entry
from tests.samples import Color, Stock, stock, total

assert_type(stock(Color.RED), Stock)
assert_type(stock(Color.RED, doubled=True), Stock)
assert_type(stock.compute(Color.RED), Stock)
assert_type(stock.answer(Color.RED), Answer[Stock])
assert_type(stock.answer(Color.RED).value, Stock)
assert_type(stock.answer(Color.RED, wait=True), Answer[Stock])
assert_type(stock.answer(Color.RED, wait=False), Answer[Stock] | None)
assert_type(stock.answer(Color.RED, wait=bool(1)), Answer[Stock] | None)
assert_type(stock.answer(Color.RED, consistency="committed"), Answer[Stock])
assert_type(stock.answer(Color.RED, wait=False, consistency="delivered"), Answer[Stock] | None)
assert_type(stock.get(Color.RED, consistency="committed"), Stock | None)
assert_type(stock.get_many([{"color": "red"}], consistency="committed"), list[Answer[Stock]])
assert_type(stock.get(Color.RED), Stock | None)
assert_type(stock.get(Color.RED, allow_stale=False), Stock | None)
assert_type(stock.get_many([{"color": "red"}]), list[Answer[Stock]])
assert_type(stock.is_fresh(Color.RED), bool)
assert_type(stock.entry(Color.RED), Entry[Stock] | None)
assert_type(stock.explain(Color.RED).facts.by, str)
assert_type(stock.refresh(Color.RED), Answer[Stock])
assert_type(stock.token(Color.RED), str)
assert_type(stock.set(Color.RED, result=Stock(pots=1, litres=2)), bool)
assert_type(stock.clear(Color.RED, tier="hot"), int)
assert_type(stock.hydrate(), list[Answer[Stock]])
assert_type(stock.name, str)
assert_type(total(), int)
assert_type(total.get(), int | None)


async def ask() -> None:
    """Verbs for async callers give what the others give."""
    assert_type(await stock.acall(Color.RED), Stock)
    assert_type(await stock.aanswer(Color.RED), Answer[Stock])
    assert_type(await stock.aanswer(Color.RED, wait=True), Answer[Stock])
    assert_type(await stock.aanswer(Color.RED, wait=False), Answer[Stock] | None)
    assert_type(await stock.aanswer(Color.RED, consistency="committed"), Answer[Stock])
    assert_type(await stock.aget(Color.RED), Stock | None)
    assert_type(await stock.aget(Color.RED, allow_stale=False), Stock | None)
    assert_type(await stock.aget(Color.RED, consistency="committed"), Stock | None)
