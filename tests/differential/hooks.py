"""Receivers of the user's own: connected before any statistic watches, or after all do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db.models.signals import ModelSignal, m2m_changed, post_delete, post_save, pre_delete, pre_save

from .families import FAMILIES

Receiver = Callable[..., object]

SAVES = (pre_save, post_save, m2m_changed)
DELETES = (pre_delete, post_delete)
HOOKED = ("Item", "Order", "Node", "Bar", "Place", "Award")  # models with receivers for deletes: the others have none,
# for Django deletes what nobody listens to by another way, and the models nobody watches are to go both ways

_early: dict[tuple[ModelSignal, Any], Receiver] = {}


def run_early(signal: ModelSignal, sender: Any, **kwargs: Any) -> None:
    """Do what an operation wants done before the receivers of the package."""
    if receiver := _early.get((signal, sender)):
        receiver(sender=sender, **kwargs)


def connect_early() -> None:
    """Connect a receiver to every model: imported before anything is declared, it is called first."""
    for family in FAMILIES:
        for name, model in family.models.items():
            for signal in SAVES + DELETES if name in HOOKED else SAVES:
                signal.connect(run_early, sender=model, dispatch_uid="differential")


@contextmanager
def receiving(model: Any, signal: ModelSignal, receiver: Receiver, *, early: bool) -> Iterator[None]:
    """Have a signal of a model received, before the receivers of the package or after them."""
    if early:
        _early[signal, model] = receiver
    else:
        signal.connect(receiver, sender=model)
    try:
        yield
    finally:
        if early:
            del _early[signal, model]
        else:
            signal.disconnect(receiver, sender=model)


connect_early()
