"""Sources for the samples: a plain model, and a family of sources with relations of every kind."""

from django.db import models

from statistics_cache import StatisticsSource


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
