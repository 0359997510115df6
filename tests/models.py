"""Sources for the samples: a plain model, and a family of sources with relations of every kind."""

from typing import Any

from django.db import models
from django.db.models import Count

from statistics_cache import StatisticsQuerySet, StatisticsSource
from tests.differential import families  # noqa: F401  (its models are of this app)


class Paint(models.Model):
    """Some litres of one colour: a plain model, whose bulk writes send no signals."""

    color = models.CharField(max_length=20)
    litres = models.IntegerField(default=0)

    class Meta:
        """Lives in the test app alone."""

        app_label = "tests"

    def __str__(self) -> str:
        """Give the colour."""
        return self.color


class Region(models.Model):
    """Where orders come from."""

    name = models.CharField(max_length=20)

    def __str__(self) -> str:
        """Give the name."""
        return self.name


class Order(models.Model):
    """An order of some items; a path leads over it."""

    region = models.ForeignKey(Region, on_delete=models.CASCADE)
    note = models.CharField(max_length=20, blank=True)

    def __str__(self) -> str:
        """Give the key."""
        return str(self.pk)


class Tag(models.Model):
    """Something that is said of items."""

    name = models.CharField(max_length=20)

    def __str__(self) -> str:
        """Give the name."""
        return self.name


class Item(StatisticsSource):
    """A line of an order: a source whose bulk writes count."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE)
    color = models.CharField(max_length=20)
    amount = models.IntegerField(default=1)
    note = models.CharField(max_length=20, blank=True)
    sku = models.CharField(max_length=20, unique=True, null=True)  # noqa: DJ001  (several have none)
    tags = models.ManyToManyField(Tag, blank=True)

    def __str__(self) -> str:
        """Give the colour."""
        return self.color


class GiftItem(Item):
    """An item with a table of its own beside its parent's."""

    wrapping = models.CharField(max_length=20, blank=True)


class PlainItem(Item):
    """An item under another name."""

    class Meta:
        """Shares the table."""

        proxy = True


class Line(models.Model):
    """What a line of an order looks like that no sample is computed from: its writes are for counting."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE)
    color = models.CharField(max_length=20)
    amount = models.IntegerField(default=1)
    tags = models.ManyToManyField(Tag, blank=True)

    class Meta:
        """Each kind has tables of its own."""

        abstract = True

    def __str__(self) -> str:
        """Give the colour."""
        return self.color


class QuietLine(Line):
    """A line that nobody watches."""


class PlainLine(Line):
    """A line whose bulk writes send no signals."""


class SourceLine(StatisticsSource, Line):
    """A line whose bulk writes count."""


# Kinds of columns, keys and managers that the models above do not have


class Kept(models.Model):
    """Columns whose values may be believed from memory, and columns whose values may not."""

    char = models.CharField(max_length=20, null=True)  # noqa: DJ001  (each row has one value, the others none)
    slug = models.SlugField(null=True)  # noqa: DJ001
    email = models.EmailField(null=True)  # noqa: DJ001
    url = models.URLField(null=True)  # noqa: DJ001
    text = models.TextField(null=True)  # noqa: DJ001
    small = models.SmallIntegerField(null=True)
    integer = models.IntegerField(null=True)
    big = models.BigIntegerField(null=True)
    positive_small = models.PositiveSmallIntegerField(null=True)
    positive = models.PositiveIntegerField(null=True)
    positive_big = models.PositiveBigIntegerField(null=True)
    boolean = models.BooleanField(null=True)
    date = models.DateField(null=True)
    uuid = models.UUIDField(null=True)
    decimal = models.DecimalField(max_digits=6, decimal_places=2, null=True)
    real = models.FloatField(null=True)
    moment = models.DateTimeField(null=True)
    time = models.TimeField(null=True)
    json = models.JSONField(null=True)

    def __str__(self) -> str:
        """Give the key."""
        return str(self.pk)


class Label(models.Model):
    """Something that posts are tied to, by a key that is not its primary one."""

    slug = models.CharField(max_length=20, unique=True)

    def __str__(self) -> str:
        """Give the slug."""
        return self.slug


class Post(models.Model):
    """A plain model, tied to labels by columns that are not primary keys."""

    slug = models.CharField(max_length=20, unique=True)
    kind = models.CharField(max_length=20)
    labels: Any = models.ManyToManyField(Label, through="PostLabel")

    def __str__(self) -> str:
        """Give the slug."""
        return self.slug


class PostLabel(models.Model):
    """A tie of a post and a label."""

    post = models.ForeignKey(Post, to_field="slug", on_delete=models.CASCADE)
    label = models.ForeignKey(Label, to_field="slug", on_delete=models.CASCADE)

    def __str__(self) -> str:
        """Give both ends."""
        return f"{self.post} {self.label}"


class Reading(models.Model):
    """A row of a table that is split by month, which a test makes."""

    taken = models.DateField()
    color = models.CharField(max_length=20)

    class Meta:
        """Django makes no such tables."""

        managed = False

    def __str__(self) -> str:
        """Give the colour."""
        return self.color


class Clashing(models.Model):
    """A row of a table whose columns are called as what a trigger speaks of; a test makes it."""

    number = models.CharField(max_length=9)
    cause = models.CharField(max_length=9)
    old = models.CharField(max_length=9)
    statistic = models.CharField(max_length=9)
    scope = models.CharField(max_length=9)

    class Meta:
        """Django makes no such table."""

        managed = False
        db_table = "tests_odd"

    def __str__(self) -> str:
        """Give the number."""
        return self.number


class Slip(StatisticsSource):
    """A row that may name an order before there is one."""

    order = models.ForeignKey(Order, null=True, on_delete=models.DO_NOTHING, db_constraint=False)

    def __str__(self) -> str:
        """Give the key."""
        return str(self.pk)


class Odd(models.Manager[Any]):
    """A manager that hides rows, joins others and counts more."""

    def get_queryset(self) -> Any:
        """Give rows that are not gone, with their orders and the number of their tags."""
        return super().get_queryset().filter(is_gone=False).select_related("order").annotate(ties=Count("tags"))


class Crate(StatisticsSource):
    """A source whose own manager is as odd as users' are, ordered by a column of another table that may be missing."""

    order = models.ForeignKey(Order, null=True, on_delete=models.SET_NULL)
    color = models.CharField(max_length=20)
    is_gone = models.BooleanField(default=False)
    tags = models.ManyToManyField(Tag, blank=True)

    objects = Odd.from_queryset(StatisticsQuerySet)()  # type: ignore[assignment,misc]
    everything = StatisticsQuerySet.as_manager()

    class Meta:
        """Ordered over a join."""

        ordering = ("order__note", "color")

    def __str__(self) -> str:
        """Give the colour."""
        return self.color
