"""What tells of writes: Django's signals for plain models, statements for sources and many-to-many tables."""

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.db import models, router
from django.db.models import Model
from django.db.models.signals import class_prepared, post_delete, post_save, pre_delete, pre_save

from statistics_cache.declaring.declaration import Declaration

from .checking import KNOWN
from .concerning import Concern, Guarded, columns_for, concerns, needs_rows
from .delivering import log
from .observing import Observed
from .ongoing import (
    close_slots,
    deletion_of,
    is_observed_now,
    observe,
    ongoing,
    open_slot,
    waiting_slot,
)
from .saving import Saving
from .selecting import Key, instances_for, key_of, rows_by_key
from .statements import Plan, Statement, listeners, look_after
from .walking import chain, concrete
from .watching import Watch, watches_of

WATCHES: dict[type[Model], list[Watch]] = {}  # by the model of the table
TRIGGERED: dict[type[Model], list[Watch]] = {}  # those whose changes the database's triggers log
BY_TRIGGERS: set[Declaration[..., Any]] = set()  # statistics that have any of these
OBSERVED: set[type[Model]] = set()  # tables whose every statement counts
SETTERS: dict[type[Model], set[type[Model]]] = {}  # tables whose rows are written when a row of this one is deleted
WATCHED: set[Declaration[..., Any]] = set()


# Who watches what


def watch(declaration: Declaration[..., Any]) -> None:
    """Have the changes of a declaration's sources logged from now on; a second time does nothing.

    Receivers are connected to the models in question alone: a receiver for all would slow down every delete.
    """
    if declaration in WATCHED or not apps.models_ready:
        return
    WATCHED.add(declaration)
    for found in watches_of(declaration):
        KNOWN[declaration.name, found.name] = found
        if found.by_triggers:
            TRIGGERED.setdefault(found.table, []).append(found)
            BY_TRIGGERS.add(declaration)
        else:
            WATCHES.setdefault(found.table, []).append(found)
            attend(found.table)
        look_after(found.table)


def unwatch(declaration: Declaration[..., Any]) -> None:
    """Log no change of a declaration's sources any more: another one has taken its place.

    Receivers stay connected, and find nobody who watches.
    """
    WATCHED.discard(declaration)
    BY_TRIGGERS.discard(declaration)
    for watches in (*WATCHES.values(), *TRIGGERED.values()):
        watches[:] = [each for each in watches if each.declaration is not declaration]


def attend(table: type[Model]) -> None:
    """Have the writes of a table told: by statements, or by the signals of every model that writes it."""
    if is_source(table) or is_through(table):
        OBSERVED.add(table)
        return
    for model in writers_of(table):
        connect(model)
    for field in table._meta.local_concrete_fields:
        on_delete = getattr(field.remote_field, "on_delete", None)
        if on_delete is not None and on_delete not in SEEN and isinstance(field.related_model, type):
            SETTERS.setdefault(concrete(field.related_model), set()).add(table)
            for model in writers_of(concrete(field.related_model)):
                connect(model)


SEEN = (models.CASCADE, models.PROTECT, models.RESTRICT, models.DO_NOTHING)  # the others write rows, without a signal


def is_source(model: type[Model]) -> bool:
    """Tell whether a model is a `StatisticsSource`."""
    return bool(getattr(model, "_is_statistics_source", False))


def is_through(table: type[Model]) -> bool:
    """Tell whether a table ties two ends of a many-to-many field together: Django writes it without signals."""
    every = apps.get_models(include_auto_created=True)
    relations = (field for model in every for field in model._meta.local_many_to_many)
    return any(getattr(field.remote_field, "through", None) in (table, table._meta.label) for field in relations)


def writers_of(table: type[Model]) -> list[type[Model]]:
    """Give a table's model with its proxies and its children, whose rows are rows of it."""
    every = apps.get_models(include_auto_created=True)
    return [table, *(each for each in every if each is not table and issubclass(each, table))]


def connect(model: type[Model]) -> None:
    """Connect the receivers of a model, once, before all others: what those raise loses nothing."""
    for signal, receiver in RECEIVERS.items():
        uid = f"statistics_cache.{receiver.__name__}"
        before = len(signal.receivers)
        signal.connect(receiver, sender=model, dispatch_uid=uid)
        if len(signal.receivers) > before:
            with signal.lock:
                signal.receivers.insert(0, signal.receivers.pop())
                signal.sender_receivers_cache.clear()


def connect_late(sender: type[Model], **_: Any) -> None:
    """Connect a proxy or a child that is defined after the app was ready."""
    if apps.models_ready and not sender._meta.abstract:
        for table in chain(sender):
            if (table in WATCHES and table not in OBSERVED) or table in SETTERS:
                connect(sender)


class_prepared.connect(connect_late, dispatch_uid="statistics_cache.connect_late")


def watches_on(table: type[Model]) -> list[Watch]:
    """Give the watches on a table's rows whose changes are seen here, and not by triggers."""
    return WATCHES.get(table, [])


def all_watches_on(table: type[Model]) -> list[Watch]:
    """Give the watches on a table's rows, however their changes are seen."""
    return [*WATCHES.get(table, ()), *TRIGGERED.get(table, ())]


def savings_of(alias: str, instance: Model, tables: list[type[Model]]) -> dict[type[Model], Saving]:
    """Give what is to be done about an instance's row in each table that is watched."""
    return {table: Saving(alias, table, instance, watches) for table in tables if (watches := watches_on(table))}


# A plain model is saved


def before_save(sender: type[Model], instance: Model, using: str | None = None, **_: Any) -> None:
    """Note that a statement will come that writes the instance's row."""
    if not is_source(sender):
        alias = using or router.db_for_write(sender, instance=instance)
        open_slot(alias, instance, savings_of(alias, instance, chain(sender)))


def after_save(
    sender: type[Model],
    instance: Model,
    created: bool = False,
    using: str | None = None,
    update_fields: Any = None,
    **_: Any,
) -> None:
    """Log the scopes that a row left and those it entered; every scope where nobody saw a statement."""
    if is_source(sender):
        return
    alias = using or router.db_for_write(sender, instance=instance)
    taken = close_slots(alias, instance)
    own, older = (taken[0], taken[1:]) if taken else (None, [])
    found: list[Concern] = []
    if own is None or not own.seen:
        found += every_scope([each for table in chain(sender) for each in watches_on(table)], alias)
    else:
        found += [each for table in own.seen for each in own.savings[table].after(created, update_fields)]
    for slot in older:
        for table in slot.seen:
            left = concerns(watches_on(table), alias)
            slot.savings[table].left(left)
            found += left
    log(found, alias, f"{describe(instance)} {SAVED[bool(created)]}")


SAVED = {True: "created", False: "saved"}


def describe(instance: Model) -> str:
    """Name a row for the log: `catalog.ModelRecord 17`."""
    return named(type(instance), instance.pk)


def named(model: type[Model], key: Any) -> str:
    """Name a row by its key; its model alone where the key cannot be written."""
    label = str(model._meta.label)
    try:
        return f"{label} {key}"
    except Exception:  # noqa: BLE001  (whatever a key of the user's own type raises)
        return label


def every_scope(watches: list[Watch], alias: str) -> list[Concern]:
    """Give the concern of everybody."""
    found = concerns(watches, alias)
    for concern in found:
        concern.add_every()
    return found


# A row of a plain model is deleted, or one on whose deletion Django writes others


def before_delete(sender: type[Model], instance: Model, using: str | None = None, **_: Any) -> None:
    """Note that a statement will come that deletes the row, and have those looked at that set other rows' keys."""
    alias, table = using or router.db_for_write(sender, instance=instance), concrete(sender)
    key = key_of(table, instance)
    if key is not None and watches_on(table) and table not in OBSERVED:
        deletion_of(alias, table).waiting[key] = None
    for other in SETTERS.get(table, ()):
        observe(alias, other)


def after_delete(sender: type[Model], instance: Model, using: str | None = None, **_: Any) -> None:
    """Log every scope where the signal came without a statement: somebody sent it by hand."""
    alias, table = using or router.db_for_write(sender, instance=instance), concrete(sender)
    if table in OBSERVED or not watches_on(table):
        return
    deletion, key = deletion_of(alias, table), key_of(table, instance)
    if key in deletion.done:
        deletion.done.discard(key)
        return
    if key is not None:
        deletion.waiting.pop(key, None)
    log(every_scope(watches_on(table), alias), alias, f"{describe(instance)} deleted")


class Deleting(Guarded):
    """What is done around the first DELETE of rows that were announced: one locked read, one log row for each scope."""

    def __init__(self, alias: str, table: type[Model], keys: list[Key]) -> None:
        """Take the rows of all batches: the fetched instances may be out of date, and are not asked."""
        super().__init__()
        self.alias, self.table, self.keys = alias, table, keys

    def before(self) -> None:
        """Log the scopes that the rows are in now; the log row and the deletion are of one transaction."""
        found = concerns(watches_on(self.table), self.alias)
        self.guarded(lambda: self.gather(found))
        self.fall(found)
        log(found, self.alias, cause_of(self.table, self.keys))

    def gather(self, found: list[Concern]) -> None:
        """Gather the scopes of the rows."""
        watches = watches_on(self.table)
        rows: dict[Key, Any] = {}
        if needs_rows(watches):
            rows = rows_by_key(self.alias, self.table, columns_for(watches), self.keys, verb="DELETE")
        whole = instances_for(watches, self.alias, self.table, rows)
        for concern in found:
            if concern.watch.decide is not None:
                concern.add_instances(whole.values())
            elif concern.watch.columns:
                for row in rows.values():
                    concern.add(row)
            else:
                concern.add_every()

    def after(self, count: int) -> None:
        """Do nothing more."""


def cause_of(table: type[Model], keys: list[Key]) -> str:
    """Name what was deleted."""
    if len(keys) > 1:
        return f"{len(keys)} of {table._meta.label} deleted"
    return f"{named(table, keys[0][0] if len(keys[0]) == 1 else keys[0])} deleted"


RECEIVERS: dict[Any, Callable[..., None]] = {
    pre_save: before_save,
    post_save: after_save,
    pre_delete: before_delete,
    post_delete: after_delete,
}


# A statement comes


def plan_for(statement: Statement) -> Plan | None:
    """Give what is to be done around a write: nothing where another logs it, or no signal told of it."""
    alias, table = statement.alias, statement.table
    state = ongoing(alias)
    if announcers := state.announced.get(table):
        announcers[-1]()
        return None
    if statement.write.verb != "DELETE" and (slot := waiting_slot(alias, table)) is not None:
        slot.seen.add(table)
        slot.savings[table].before()
        return None
    if table in OBSERVED or is_observed_now(alias, table):
        return Observed(statement, watches_on(table), reads=not state.is_migrating) if watches_on(table) else None
    return deleting(alias, table) if statement.write.verb == "DELETE" else None


def deleting(alias: str, table: type[Model]) -> Plan | None:
    """Give what is to be done around the DELETE of rows that were announced."""
    deletion = deletion_of(alias, table)
    if not (keys := list(deletion.waiting)):
        return None
    deletion.waiting.clear()
    deletion.done.update(keys)
    return Deleting(alias, table, keys)


listeners.append(plan_for)
