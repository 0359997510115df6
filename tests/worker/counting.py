"""A process that counts reads and ends: one of its own (`python -m tests.worker.counting`), or a prefork worker's."""

import django

from project.celery import app

READS = 7


def count() -> None:
    """Count some reads of a statistic."""
    from statistics_cache.hot import counters
    from statistics_cache.identity import known

    known.find("default")
    for _ in range(READS):
        counters.note("tests.counted", "hit")


app.task(name="tests.count")(count)


if __name__ == "__main__":
    django.setup()
    count()
