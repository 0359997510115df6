"""What the statistics and those who test them agree on; who imports this declares no statistic."""

from datetime import timedelta

HOUR = timedelta(hours=1)
BRIEF, BRIEF_STALE = timedelta(seconds=1), timedelta(seconds=3)
WARM = timedelta(seconds=3)  # above two ticks of a second, so that it is due before it is stale
TIME_LIMIT = timedelta(seconds=0.5)
COLORS = ("red", "green", "blue")  # what is hydrated
