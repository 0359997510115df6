"""The change path: a change is logged in its own transaction, once per scope, and delivered after the commit."""

from collections.abc import Iterable

from django.db import connections

from statistics_cache.cold import changelog, transactions
from statistics_cache.cold.transactions import Batch, Delivery, changes_of, in_transaction, is_manual, note_change
from statistics_cache.declaring.keys import EVERY_SCOPE
from statistics_cache.hot import entries as hot
from statistics_cache.signals import invalidated


def change(alias: str, statistic: str, scopes: Iterable[str], cause: str) -> None:
    """Log a change of scopes and deliver it: at once outside a transaction, else after the commit.

    One log row and one delivery per transaction, statistic and scope, however many rows have changed.
    """
    wanted = list(dict.fromkeys(scopes))
    if in_transaction(alias):
        already = changes_of(alias).of(statistic)
        wanted = [scope for scope in wanted if scope not in already]
    if wanted:
        changelog.record(alias, statistic, wanted, cause)
        deliver(alias, statistic, wanted)


def deliver(alias: str, statistic: str, scopes: list[str]) -> None:
    """Have the hot generations of logged scopes moved when the log rows are committed, and not if they are not.

    In the user's own transactions the commit is not seen: readers notice by their proofs.
    """
    note_change(alias, statistic)
    if not in_transaction(alias):
        bump(statistic, scopes)
    elif not is_manual(connections[alias]):
        await_commit(alias, statistic, scopes)


def await_commit(alias: str, statistic: str, scopes: list[str]) -> None:
    """Let one delivery per scope wait for the commit; beyond eight of a statistic, all become one."""
    changes = changes_of(alias)
    batch = next((delivery.batch for delivery in changes.of(statistic).values()), Batch())
    for scope in scopes:
        delivery = Delivery(statistic, scope, batch, deliver_one, changes)
        transactions.await_commit(alias, delivery)
        changes.note(delivery)
    batch.is_large = batch.is_large or len(changes.of(statistic)) > hot.MAX_BUMPS


def deliver_one(delivery: Delivery) -> None:
    """Move the generation of one scope, or once for a large batch that of every scope."""
    if not delivery.batch.is_large:
        bump(delivery.statistic, [delivery.scope])
    elif not delivery.batch.is_delivered:
        delivery.batch.is_delivered = True
        bump(delivery.statistic, [EVERY_SCOPE])


def bump(statistic: str, scopes: list[str]) -> None:
    """Move the hot generations of scopes, and tell of it."""
    hot.bump(statistic, scopes)
    invalidated.send_robust(sender=None, statistic=statistic, scopes=scopes)
