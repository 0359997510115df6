"""The settings of the worker's tests, with quorum queues."""

from tests.worker.settings import *  # noqa: F403

CELERY_TASK_DEFAULT_QUEUE_TYPE = "quorum"
CELERY_TASK_CREATE_MISSING_QUEUE_TYPE = "quorum"
