"""django-cacheback: a stale value is given while Celery computes the next."""

from functools import partial
from typing import Any

from cacheback.decorators import cacheback
from celery import Celery

from .peer import Compute, Peer

app = Celery("peers")
app.config_from_object("django.conf:settings", namespace="CELERY")


class Cacheback(Peer):
    """Its decorator."""

    def declare(self, compute: Compute, ttl: int) -> Any:
        """Decorate."""
        return cacheback(lifetime=ttl)(compute)

    def drop(self, number: int) -> None:
        """Delete the item; its `invalidate` would go on giving the old value while a worker computes."""
        partial(self.lasting.job.delete, self.lasting.fn)(number)
