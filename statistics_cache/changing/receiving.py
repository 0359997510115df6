"""Django's signals of a source's rows: which scopes were left, which were entered, logged as one change."""

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.db.models import ForeignObject, Model, Q, QuerySet
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save

from statistics_cache.cold import rows as cold
from statistics_cache.cold.transactions import after_commit, in_transaction
from statistics_cache.declaring.declaration import Declaration

from . import delivering
from .watching import Row, Watch, concrete, is_plain, value_at, watches_of

BEFORE = "_statistics_cache_before"  # the attribute of an instance that holds its row as it was, between two signals
M2M_BEFORE = {"pre_remove", "pre_clear"}
M2M_AFTER = {"post_add"}

WATCHES: dict[type[Model], list[Watch]] = {}
WATCHED: set[Declaration[..., Any]] = set()


def watch(declaration: Declaration[..., Any]) -> None:
    """Have the changes of a declaration's sources logged from now on; a second time does nothing.

    Receivers are connected to the models in question alone: a receiver for all would slow down every delete.
    """
    if declaration in WATCHED or not apps.models_ready:
        return
    WATCHED.add(declaration)
    for found in watches_of(declaration):
        for model in family(found.model):
            WATCHES.setdefault(model, []).append(found)
            connect(model)


def family(model: type[Model]) -> list[type[Model]]:
    """Give a model with its proxies and its children, whose rows are rows of it."""
    every = apps.get_models(include_auto_created=True)
    return [model, *(each for each in every if each is not model and issubclass(each, model))]


def connect(model: type[Model]) -> None:
    """Connect the receivers of a model, once."""
    for signal, receiver in RECEIVERS.items():
        signal.connect(receiver, sender=model, dispatch_uid=f"statistics_cache.{receiver.__name__}")


def watches_on(model: type[Model]) -> list[Watch]:
    """Give the watches on a model's rows."""
    return WATCHES.get(model, [])


def before_save(sender: type[Model], instance: Model, using: str, **_: Any) -> None:
    """Note a row as it is in the database, whatever the instance remembers of it."""
    remember(instance, read_row(sender, using, instance, watches_on(sender)) if instance.pk is not None else None)


def after_save(sender: type[Model], instance: Model, using: str, created: bool, update_fields: Any, **_: Any) -> None:
    """Log the scopes that a row left and those it entered."""
    old = recall(instance)
    watches = [each for each in watches_on(sender) if each.reach is None and (each.created or not created)]
    if needs_reading(instance, watches):
        instance = reread(sender, using, instance)
    for each in watches:
        if old is None or not is_of_no_interest(each, old, instance, update_fields):
            log(each, using, scopes_between(each, old, instance), f"{describe(instance)} {SAVED[created]}")


SAVED = {True: "created", False: "saved"}


def before_delete(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """Note the scopes of a row before it goes: as the database has it, where its instance may be out of date."""
    watches = watches_on(sender)
    is_own = kwargs.get("origin") is instance
    row = reread(sender, using, instance) if is_own and needs_row(watches) else instance
    remember(instance, [(each, scopes_before_delete(each, row, using)) for each in watches])


def after_delete(instance: Model, using: str, **_: Any) -> None:
    """Log the scopes that a row has left for good."""
    for each, scopes in recall(instance) or []:
        log(each, using, scopes, f"{describe(instance)} deleted")


def scopes_before_delete(each: Watch, row: Model, using: str) -> set[str]:
    """Give the scopes that a row is in, or those of the through rows that go with it."""
    if each.reach is None:
        return scopes_between(each, None, row)
    table, field = each.reach
    return scopes_of_rows(each, table._base_manager.using(using).filter(**{field: row.pk}))


def m2m_change(
    sender: type[Model], instance: Model, action: str, model: type[Model], pk_set: set[Any] | None, using: str, **_: Any
) -> None:
    """Log the scopes of the rows of a through table that are added or removed, from either side."""
    if action not in M2M_BEFORE | M2M_AFTER:
        return
    for each in watches_on(sender):
        if each.reach is None:
            rows = sender._base_manager.using(using).filter(tied(sender, instance, model, pk_set))
            log(each, using, scopes_of_rows(each, rows), f"{describe(instance)} {action.partition('_')[2]}")


def tied(table: type[Model], instance: Model, model: type[Model], pk_set: set[Any] | None) -> Q:
    """Select the rows of a through table that tie an instance to others, whichever way round; None means all others."""
    ends = [field for field in table._meta.fields if isinstance(field, ForeignObject)]
    chosen = Q(pk__in=[])
    for near in ends:
        for far in ends:
            if near is not far and fits(near, type(instance)) and fits(far, model):
                others = {} if pk_set is None else {f"{far.name}__in": pk_set}
                chosen |= Q(**{near.name: instance.pk}, **others)
    return chosen


def fits(field: "ForeignObject[Any, Any]", model: type[Model]) -> bool:
    """Tell whether a relation leads to rows of a model."""
    related = field.related_model
    return isinstance(related, type) and issubclass(concrete(model), concrete(related))


def scopes_of_rows(each: Watch, rows: QuerySet[Any]) -> set[str]:
    """Give the scopes that rows are in, read in one query."""
    paths = list(dict.fromkeys(each.paths.values())) or ["pk"]
    found = rows.order_by().values_list(*paths).distinct()
    if not each.paths:
        return each.scopes({}) if found.exists() else set()
    return {scope for values in found for scope in each.scopes(dict(zip(paths, values, strict=True)))}


RECEIVERS: dict[Any, Any] = {
    pre_save: before_save,
    post_save: after_save,
    pre_delete: before_delete,
    post_delete: after_delete,
    m2m_changed: m2m_change,
}


def remember(instance: Model, row: Any) -> None:
    """Keep something with an instance until the other signal of the pair."""
    vars(instance)[BEFORE] = row


def recall(instance: Model) -> Any:
    """Take back what was kept."""
    return vars(instance).pop(BEFORE, None)


def needs_row(watches: Iterable[Watch]) -> bool:
    """Tell whether any watch asks for a row's values."""
    return any(each.paths or each.decide or each.fields is not None for each in watches)


def read_row(sender: type[Model], using: str, instance: Model, watches: list[Watch]) -> Model | None:
    """Read a row that is about to be written, and lock it in a transaction: two that move it take turns."""
    if not needs_row(watches):
        return None
    rows = sender._base_manager.using(using).filter(pk=instance.pk)
    if in_transaction(using):
        rows = rows.select_for_update()
    return rows.first()


def reread(sender: type[Model], using: str, instance: Model) -> Model:
    """Read a row anew, or give the instance where there is none."""
    return sender._base_manager.using(using).filter(pk=instance.pk).first() or instance


def needs_reading(instance: Model, watches: Iterable[Watch]) -> bool:
    """Tell whether a saved instance may not say what its row holds: expressions, or what other rows decide."""
    has_hops = any("__" in path for each in watches for path in each.all_paths)
    return has_hops or not all(is_plain(value) for value in vars(instance).values())


def row_of(instance: Model, each: Watch) -> Row:
    """Give an instance's values at the paths of a watch."""
    return {path: value_at(instance, path) for path in each.paths.values()}


def is_of_no_interest(each: Watch, old: Model, instance: Model, update_fields: Iterable[str] | None) -> bool:
    """Tell whether a save changed no field that the watch is about, and moved the row nowhere."""
    if each.fields is None or each.decide is not None:
        return False
    if any(value_at(old, path) != value_at(instance, path) for path in each.all_paths):
        return False
    columns = {field.name for field in instance._meta.concrete_fields}
    written = columns if update_fields is None else columns & set(update_fields)
    return all(value_at(old, name) == value_at(instance, name) for name in each.fields & written)


def scopes_between(each: Watch, old: Model | None, new: Model) -> set[str]:
    """Give the scopes that a row was in and is in."""
    rows = [new] if old is None else [old, new]
    if each.decide is not None:
        return {scope for row in rows for scope in each.scopes_of_instance(row)}
    return {scope for row in rows for scope in each.scopes(row_of(row, each))}


def describe(instance: Model) -> str:
    """Name a row for the log: `catalog.ModelRecord 17`."""
    return f"{instance._meta.label} {instance.pk}"


def log(each: Watch, using: str, scopes: Iterable[str], cause: str) -> None:
    """Log a change of scopes where the statistic lives.

    A write on another database cannot be logged in its own transaction; it is logged after that one's commit.
    """
    alias = cold.alias_of(each.declaration)
    wanted = sorted(scopes)
    if alias == using:
        delivering.change(alias, each.declaration.name, wanted, cause)
    else:
        after_commit(using, lambda: delivering.change(alias, each.declaration.name, wanted, cause))
