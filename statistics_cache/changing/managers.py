"""Sources whose bulk writes count, too: the data and the log row are written in one transaction."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from operator import or_
from typing import Any, TypeVar

from django.apps import apps
from django.db import models, router, transaction
from django.db.models import Model, Q, QuerySet

from statistics_cache.declaring.keys import EVERY_SCOPE
from statistics_cache.declaring.parameters import did_you_mean

from .receiving import log, scopes_of_rows, watches_on
from .watching import Watch, is_plain

M = TypeVar("M", bound=Model, covariant=True)

MAX_ROWS = 10_000  # rows that a bulk write locks to learn their scopes; beyond, every scope falls: right, less exact
AT_ONCE = 500  # keys in one statement, as Django's own bulk methods


class StatisticsQuerySet(QuerySet[M]):
    """A queryset whose bulk writes invalidate what is computed from its model, in the same transaction.

    Up to 10,000 rows are locked first, so that exactly the scopes that they leave and enter fall, whatever others
    write meanwhile; of more, every scope of each statistic falls.
    """

    def update(self, **kwargs: Any) -> int:
        """Update as Django does; the scopes that rows leave and enter fall."""
        self._for_write = True
        names = [field_name(self.model, name) for name in kwargs]
        watches = [each for each in interested(self.model) if not each.ignores(names)]
        if not watches or self.query.is_sliced:  # which Django refuses
            return super().update(**kwargs)
        with transaction.atomic(using=self.db, savepoint=False):
            rows = self._locked()
            before = scopes_by_watch(watches, rows)
            if rows is None:
                count = super().update(**kwargs)
            else:
                count = sum(super(StatisticsQuerySet, some).update(**kwargs) for some in rows)
            log_all(before, scopes_by_watch(moved(watches, names), rows), self.db, self._cause("updated"))
        return count

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(self, objs: Iterable[M], *args: Any, **kwargs: Any) -> list[M]:
        """Create as Django does; the scopes of the new rows fall, and of those that `update_conflicts` writes."""
        self._for_write = True
        created = list(objs)
        watches = interested(self.model)
        if not watches or not created:
            return super().bulk_create(created, *args, **kwargs)
        with transaction.atomic(using=self.db, savepoint=False):
            before = self._scopes_in_conflict(watches, created, kwargs)
            done = super().bulk_create(created, *args, **kwargs)
            log_all(before, scopes_of_objects(watches, created, self.db), self.db, self._cause("created in bulk"))
        return done

    def bulk_update(self, objs: Iterable[M], fields: Iterable[str], *args: Any, **kwargs: Any) -> int:
        """Update as Django does; the scopes that rows leave and enter fall."""
        self._for_write = True
        with transaction.atomic(using=self.db, savepoint=False):  # Django calls `update` for each batch
            return super().bulk_update(objs, fields, *args, **kwargs)

    def _raw_delete(self, using: str | None) -> int:
        """Delete without collecting, as Django does; the scopes that rows leave fall."""
        watches = interested(self.model)
        if not watches:
            return delete_raw(super(), using)
        alias = using or self.db
        with transaction.atomic(using=alias, savepoint=False):
            rows = self.using(alias)._locked()
            before = scopes_by_watch(watches, rows)
            if rows is None:
                count = delete_raw(super(), alias)
            else:
                count = sum(delete_raw(super(StatisticsQuerySet, some), alias) for some in rows)
            log_all(before, [], alias, self._cause("deleted in bulk"))
        return count

    _raw_delete.alters_data = True  # type: ignore[attr-defined]

    def _locked(self) -> "list[StatisticsQuerySet[M]] | None":
        """Lock the rows and give them by key, so many at once; None if there are too many to lock."""
        base = self.model._base_manager.using(self.db).filter(pk__in=self.order_by().values("pk"))
        keys = list(base.select_for_update().order_by("pk").values_list("pk", flat=True)[: MAX_ROWS + 1])
        if len(keys) > MAX_ROWS:
            return None
        return [self._of(some) for some in batches(keys)]

    def _of(self, keys: Sequence[Any]) -> "StatisticsQuerySet[M]":
        """Give the rows of these keys, keeping what the queryset computes for itself."""
        rows = self.all() if self.query.annotations else type(self)(self.model, using=self.db)
        return rows.filter(pk__in=keys)

    def _scopes_in_conflict(self, watches: list[Watch], objs: list[M], options: dict[str, Any]) -> "Scopes":
        """Give the scopes of the rows that a bulk_create will update; every scope where these cannot be known."""
        if not options.get("update_conflicts"):
            return []
        unique = [field_name(self.model, name) for name in options.get("unique_fields") or ()]
        if not unique or len(objs) > MAX_ROWS:
            return scopes_by_watch(watches, None)
        return scopes_by_watch(watches, [self._with(unique, some) for some in batches(objs, 100)])

    def _with(self, unique: list[str], objs: Sequence[M]) -> "QuerySet[Any]":
        """Select and lock the rows that have the same values in unique fields as objects."""
        chosen = reduce(or_, (Q(**{name: getattr(obj, name) for name in unique}) for obj in objs))
        rows = self.model._base_manager.using(self.db).filter(chosen)
        keys = list(rows.select_for_update().order_by("pk").values_list("pk", flat=True))
        return self.model._base_manager.using(self.db).filter(pk__in=keys)

    def _cause(self, what: str) -> str:
        return f"{self.model._meta.label} {what}"


Scopes = list[tuple[Watch, set[str]]]


def delete_raw(queryset: Any, using: str | None) -> int:
    """Call Django's own `_raw_delete`, which its stubs do not know."""
    count: int = queryset._raw_delete(using)
    return count


def batches(items: Sequence[Any], size: int = AT_ONCE) -> Iterator[Sequence[Any]]:
    """Give so many at once."""
    return (items[start : start + size] for start in range(0, len(items), size))


def field_name(model: type[Model], name: str) -> str:
    """Give a field's name, by its name or its column's attribute."""
    if name == "pk":
        return model._meta.pk.name if model._meta.pk else name
    return model._meta.get_field(name).name


def interested(model: type[Model]) -> list[Watch]:
    """Give the watches on a model's own rows."""
    return [each for each in watches_on(model) if each.reach is None]


def moved(watches: Iterable[Watch], names: Collection[str]) -> list[Watch]:
    """Give the watches whose scopes a write of these fields may change."""
    return [each for each in watches if each.is_moved_by(names)]


def scopes_by_watch(watches: Iterable[Watch], rows: "Sequence[QuerySet[Any]] | None") -> Scopes:
    """Give the scopes of rows for each watch; every scope where the rows are too many."""
    if rows is None:
        return [(each, {EVERY_SCOPE}) for each in watches]
    return [(each, {scope for some in rows for scope in scopes_in(each, some)}) for each in watches]


def scopes_in(each: Watch, rows: "QuerySet[Any]") -> set[str]:
    """Give the scopes of rows for one watch."""
    if each.decide is None:
        return scopes_of_rows(each, rows)
    return {scope for row in rows for scope in each.scopes_of_instance(row)}


def scopes_of_objects(watches: Iterable[Watch], objs: Sequence[Any], using: str) -> Scopes:
    """Give the scopes of new objects for each watch, asking the database once for what other rows decide."""
    return [(each, scopes_of_new(each, objs, using)) for each in watches if each.created]


def scopes_of_new(each: Watch, objs: Sequence[Any], using: str) -> set[str]:
    """Give the scopes of new objects for one watch."""
    if each.decide is not None:
        return {scope for obj in objs for scope in each.scopes_of_instance(obj)}
    columns = {path: resolve(each.model, path, objs, using) for path in each.paths.values()}
    rows = {tuple(values(obj) for values in columns.values()) for obj in objs} if columns else {()}
    return {scope for row in rows for scope in each.scopes(dict(zip(columns, row, strict=True)))}


def resolve(model: type[Model], path: str, objs: Sequence[Any], using: str) -> Callable[[Any], Any]:
    """Give a function from an object to the value at a path; what lies on other rows is read in one query for all."""
    step, _, rest = path.partition("__")
    field: Any = model._meta.pk if step == "pk" else model._meta.get_field(step)
    if not rest:
        return lambda obj: plain(getattr(obj, field.attname))
    keys = {getattr(obj, field.attname) for obj in objs}
    related = field.related_model._base_manager.using(using)
    known = {
        key: value for some in batches(list(keys)) for key, value in related.filter(pk__in=some).values_list("pk", rest)
    }
    return lambda obj: known.get(getattr(obj, field.attname))


def plain(value: Any) -> Any:
    """Give a value; what only the database can work out is none of any parameter, so that every scope falls."""
    return value if is_plain(value) else object()


def log_all(before: Scopes, after: Scopes, using: str, cause: str) -> None:
    """Log the scopes that rows left and entered."""
    for each, scopes in [*before, *after]:
        if scopes:
            log(each, using, scopes, cause)


class StatisticsSource(models.Model):
    """An abstract model whose every write through the ORM counts, each in one transaction with its log row."""

    objects = StatisticsQuerySet.as_manager()

    class Meta:
        """Its default manager is its base manager, so that Django's own bulk writes count as well."""

        abstract = True
        base_manager_name = "objects"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save as Django does, with the log row in the same transaction also in autocommit."""
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using, savepoint=False):
            super().save(*args, **kwargs)


@contextmanager
def invalidates(model: type[Model] | str, using: str | None = None, **values: Any) -> Iterator[None]:
    """Log, in one transaction with what is done inside, that rows of a model change in a way that Django cannot see.

    The model is a class or `"app.Model"`. Raises ValueError, naming it, for one or a field that does not exist.
    `values` names the scope as a row would have it, by field path (`category="clip"`, `model__category="clip"`); a
    statistic that asks for other fields, too, loses every scope. Nothing is logged if the block raises.
    """
    model = find_model(model)
    alias = using or router.db_for_write(model)
    unknown = [path for path in values if path.split("__")[0] not in names_of(model)]
    if unknown:
        raise ValueError(f"{model._meta.label} has no field {unknown[0]!r}. There are: {', '.join(names_of(model))}.")
    with transaction.atomic(using=alias):
        log_named(model, values, alias)  # before the write: readers in this transaction compute live from here on
        yield


def find_model(model: type[Model] | str) -> type[Model]:
    """Give a model by its class or label. Raises ValueError with the nearest label."""
    if not isinstance(model, str):
        return model
    try:
        return apps.get_model(model)
    except (LookupError, ValueError) as error:  # ValueError: there is no dot in it, or more than one
        known = {each._meta.label: each for each in apps.get_models()}
        raise ValueError(f"there is no model {model!r}.{did_you_mean(model, known)}") from error


def names_of(model: type[Model]) -> list[str]:
    """Give the names of a model's fields."""
    return sorted(field.name for field in model._meta.get_fields())


def log_named(model: type[Model], values: dict[str, Any], alias: str) -> None:
    """Log the scopes of a row that has these values."""
    for each in interested(model):
        is_known = each.decide is None and set(each.paths.values()) <= set(values)
        log(each, alias, each.scopes(values) if is_known else {EVERY_SCOPE}, f"{model._meta.label} changed")
