"""A source for the samples: pots of paint."""

from django.db import models


class Paint(models.Model):
    """Some litres of one colour."""

    color = models.CharField(max_length=20)
    litres = models.IntegerField(default=0)

    class Meta:
        """Lives in the test app alone."""

        app_label = "tests"

    def __str__(self) -> str:
        """Give the colour."""
        return self.color
