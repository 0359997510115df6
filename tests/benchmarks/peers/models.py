"""What all peers compute from: a plain model, in a database for each peer."""

from django.db import models


class Share(models.Model):
    """A line of a shelf's statistic."""

    objects: "models.Manager[Share]" = models.Manager()

    shelf = models.IntegerField(db_index=True)
    tag = models.CharField(max_length=40)
    count = models.IntegerField()

    class Meta:
        """Of an app that is installed in the processes of the peers alone."""

        app_label = "peers"

    def __str__(self) -> str:
        """Give the tag."""
        return self.tag
