"""Sources whose every write counts: the data and the log row are of one transaction."""

from collections.abc import Collection, Iterable
from typing import Any, TypeVar

from django.db import models, router
from django.db.models import Model, QuerySet

from statistics_cache.cold.transactions import whole

from .creating import BulkOptions, log_created
from .delivering import gathered, log
from .ongoing import announced
from .receiving import SAVED, describe, savings_of, watches_on
from .walking import concrete

M = TypeVar("M", bound=Model, covariant=True)


class StatisticsQuerySet(QuerySet[M]):
    """A queryset whose bulk writes count: Django's own statements, and in one transaction with them what they concern.

    `update` and `delete` need nothing here: their statements are looked at where they come by.
    """

    def bulk_create(self, objs: Iterable[M], *args: Any, **kwargs: Any) -> list[M]:
        """Create as Django does; the scopes of the rows fall."""
        self._for_write = True
        created = list(objs)
        table = concrete(self.model)
        if not created or not watches_on(table):
            return super().bulk_create(created, *args, **kwargs)
        options = BulkOptions(*args, **kwargs)
        with whole(self.db), announced(self.db, [table]):
            done = super().bulk_create(created, *args, **kwargs)
            log_created(table, created, options, self.db)
        return done

    def bulk_update(self, objs: Iterable[M], fields: Iterable[str], *args: Any, **kwargs: Any) -> int:
        """Update as Django does; the scopes that rows leave and enter fall."""
        self._for_write = True
        with whole(self.db), gathered(self.db):
            return super().bulk_update(objs, fields, *args, **kwargs)


class StatisticsSource(models.Model):
    """An abstract model whose every write through the ORM counts, each in one transaction with its log row."""

    _is_statistics_source = True

    objects = StatisticsQuerySet.as_manager()

    class Meta:
        """No table of its own."""

        abstract = True

    def __init_subclass__(cls, **options: Any) -> None:
        """Let a model take from its other bases what it takes without this one. (Note [Whose Meta])"""
        super().__init_subclass__(**options)
        others = (base for base in cls.__mro__[1:] if base is not StatisticsSource)
        cls._meta = next(vars(base)["_meta"] for base in (*others, StatisticsSource) if "_meta" in vars(base))

    def _save_table(
        self,
        raw: bool = False,
        cls: Any = None,
        force_insert: bool = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Collection[str] | None = None,
    ) -> bool:
        """Write one table's row as Django does, and log it: in one transaction, and before anybody hears of it."""
        alias = using or router.db_for_write(type(self), instance=self)
        table = concrete(cls)
        given = (raw, cls, force_insert, force_update, using, update_fields)
        if (saving := savings_of(alias, self, [table]).get(table)) is None:
            return super()._save_table(*given)  # type: ignore[misc,no-any-return]
        with whole(alias), announced(alias, [table], saving.before):
            updated: bool = super()._save_table(*given)  # type: ignore[misc]
            if saving.has_run:
                log(saving.after(not updated, update_fields), alias, f"{describe(self)} {SAVED[not updated]}")
        return updated


class Yielding:
    """A Meta in whose place a model finds that of its other bases. (Note [Whose Meta])"""

    def __init__(self, own: type) -> None:
        """Keep what is found where no other base has one."""
        self.own = own

    def __get__(self, _: Any, owner: type[Model]) -> type:
        """Give the Meta of the next base that has one."""
        after = owner.__mro__[owner.__mro__.index(StatisticsSource) + 1 :]
        return next((vars(base)["Meta"] for base in after if "Meta" in vars(base)), self.own)


StatisticsSource.Meta = Yielding(StatisticsSource.Meta)  # type: ignore[misc,assignment]


# Note [Whose Meta]
#
# A model without a Meta of its own gets that of the first base that has one (ordering, verbose names, permissions), and
# the ordering of a parent with a table if the first base that has options is that parent. `class Order(
# StatisticsSource, Stamped)` would lose what `class Order(Stamped)` had: another order of rows, and a migration. So the
# Meta of this base is that of the others, and so are the options that Django looks up while it makes a class.
