"""The cold tier: entries, the log of invalidations, and the sums that the log is folded into."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy

from .declaring.declaration import MAX_NAME
from .declaring.fingerprint import FINGERPRINT_LENGTH
from .declaring.keys import MAX_LENGTH
from .fields import Moment, Text, Texts

KEPT_COSTS = 24  # the last computes an entry remembers, for its sparkline


class Undumped(models.Manager["models.Model"]):
    """What `dumpdata` finds: nothing. What is stored here is made of other rows, and belongs to this database alone."""

    def get_queryset(self) -> models.QuerySet[models.Model]:
        """Give no rows."""
        return super().get_queryset().none()


class StatisticEntry(models.Model):
    """One variant's stored value; a row without a payload only records a failure."""

    key = Text(max_length=MAX_LENGTH)
    schema = Text(max_length=FINGERPRINT_LENGTH, help_text="Fingerprint of the value's JSON schema and version.")
    statistic = Text(max_length=MAX_NAME)
    scopes = Texts(blank=True, help_text="The scopes whose changes concern this entry, one a line.")
    params = Texts(help_text="The parameters as canonical JSON.")
    payload = Texts(null=True, help_text="The value as JSON text, in the order it was computed in.")
    generation = models.BigIntegerField(default=0, help_text="What the database's sum was before the compute.")
    epoch = models.BigIntegerField(default=0, help_text="The part of the generation that only clearing moves.")
    computed_at = Moment(null=True, help_text="The moment before the compute read anything.")
    cost = models.FloatField(default=0.0, help_text="Seconds that the last compute took.")
    costs = models.JSONField(default=list, help_text="Seconds of the last computes, oldest first.")
    reason = Text(max_length=20, blank=True, help_text="Why it was computed.")
    computed_by = Text(
        max_length=10, blank=True, default="", db_default="", help_text="By whom: read, worker, tick or command."
    )
    failures = models.PositiveIntegerField(default=0, help_text="Computes that failed since the last success.")
    last_error = Texts(blank=True)
    retry_at = Moment(null=True, help_text="No compute is tried before this moment.")
    failed_generation = models.BigIntegerField(null=True, help_text="The generation at which the last compute failed.")

    objects = models.Manager()
    dumped = Undumped()

    class Meta:
        """The key is unique per schema; due entries are found by age, per statistic, and failing ones at once."""

        default_manager_name = "dumped"
        verbose_name = gettext_lazy("statistic entry")
        verbose_name_plural = gettext_lazy("statistic entries")
        constraints = (models.UniqueConstraint(fields=["key", "schema"], name="statistic_entry_unique"),)
        indexes = (
            models.Index(fields=["statistic", "computed_at"], name="statistic_entry_by_age"),
            models.Index(fields=["statistic"], condition=Q(failures__gt=0), name="statistic_entry_failing"),
        )
        permissions = (
            ("refresh_statisticentry", "Can refresh statistic entry"),
            ("clear_statisticentry", "Can invalidate and clear statistic entry"),
        )

    def __str__(self) -> str:
        """Give the readable key."""
        return str(self.key)


class DeclaredStatistic(StatisticEntry):
    """What the admin's index lists as *Declared statistics*: no table, no rows and no permissions of its own."""

    class Meta:
        """Whoever may view entries sees it."""

        proxy = True
        default_permissions = ()
        verbose_name = gettext_lazy("declared statistic")
        verbose_name_plural = gettext_lazy("declared statistics")


class StatisticInvalidation(models.Model):
    """One change of one scope, written in the transaction that made it: append only, folded by the tick.

    An unchecked row has the scope `?` and says in `via` from which keys its scopes are read: after the commit, rows of
    these scopes take its place.
    """

    statistic = Text(max_length=MAX_NAME)
    scope = Text(max_length=MAX_LENGTH, blank=True)
    jump = models.BigIntegerField(help_text="A random positive number: two histories never reach one sum.")
    cause = Text(max_length=200, blank=True)
    via = Texts(null=True, help_text="The keys from which an unchecked row's scopes are read, as JSON.")
    created_at = Moment(db_default=Now(), help_text="By the database's clock.")

    objects = models.Manager()
    dumped = Undumped()

    class Meta:
        """Rows are summed by statistic and scope."""

        default_manager_name = "dumped"
        verbose_name = "statistic invalidation"
        constraints = (models.CheckConstraint(condition=Q(jump__gte=1), name="statistic_jump_positive"),)
        indexes = (models.Index(fields=["statistic", "scope"], name="statistic_invalidation_scope"),)

    def __str__(self) -> str:
        """Give what changed and why."""
        return f"{self.statistic} {self.scope or 'cleared'}: {self.cause}"


class StatisticScope(models.Model):
    """The folded sum of one scope's jumps; never deleted, for a sum that went back would prove old entries.

    That of a filter scope is deleted once nothing is left that was computed before it last moved.
    """

    statistic = Text(max_length=MAX_NAME)
    scope = Text(max_length=MAX_LENGTH, blank=True)
    base = models.BigIntegerField(default=0)
    last_cause = Text(max_length=200, blank=True)
    changed_at = Moment(null=True)
    folded_at = Moment(null=True, help_text="When log rows were last added, by the database's clock.")
    before = Moment(null=True, help_text="What was computed before this moment was cleared by its age.")

    objects = models.Manager()
    dumped = Undumped()

    class Meta:
        """One row per scope."""

        default_manager_name = "dumped"
        verbose_name = "statistic scope"
        constraints = (models.UniqueConstraint(fields=["statistic", "scope"], name="statistic_scope_unique"),)

    def __str__(self) -> str:
        """Give the scope's name."""
        return f"{self.statistic} {self.scope}"


class StatisticChange(models.Model):
    """What a fold took from the log: so many changes of a scope by one cause. Nothing depends on it; kept for a day."""

    statistic = Text(max_length=MAX_NAME)
    scope = Text(max_length=MAX_LENGTH, blank=True)
    cause = Text(max_length=200, blank=True, help_text="Empty: several, of which none is kept.")
    number = models.PositiveIntegerField(help_text="How many changes.")
    changed_at = Moment(help_text="When the last of them was logged.")

    objects = models.Manager()
    dumped = Undumped()

    class Meta:
        """Rows are looked up by statistic and scope, and deleted by their order."""

        default_manager_name = "dumped"
        verbose_name = "statistic change"
        indexes = (models.Index(fields=["statistic", "scope"], name="statistic_change_scope"),)

    def __str__(self) -> str:
        """Give what changed and why."""
        return f"{self.statistic} {self.scope}: {self.cause}"


class StatisticIdentity(models.Model):
    """The number that tells this database from others: one row, made by `migrate`, renewed by a command."""

    number = models.BigIntegerField(help_text="Random; part of what every hot key begins with.")

    objects = models.Manager()
    dumped = Undumped()

    class Meta:
        """One row."""

        default_manager_name = "dumped"
        verbose_name = "statistic identity"
        verbose_name_plural = "statistic identities"

    def __str__(self) -> str:
        """Give the number."""
        return str(self.number)
