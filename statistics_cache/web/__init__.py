"""Statistics over HTTP: JSON for who reads them, and a page for a probe. Nothing here decides about freshness."""

from .responses import statistic_response
from .views import StatisticView

__all__ = ["StatisticView", "statistic_response"]
