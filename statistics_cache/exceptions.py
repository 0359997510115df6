"""Everything this app raises by itself; each message says what was wrong, by name, then what to do."""


class StatisticsCacheError(Exception):
    """The base of every error of this app."""


class DeclarationError(StatisticsCacheError, TypeError):
    """A `@statistic` is declared wrongly; raised at import."""


class SettingsError(StatisticsCacheError, ValueError):
    """`settings.STATISTICS_CACHE` holds something wrong; `manage.py check` reports the same as E001."""


class UnknownStatistic(StatisticsCacheError, LookupError):
    """No statistic has that name."""


class ParameterError(StatisticsCacheError, ValueError):
    """A call's arguments do not fit the statistic's signature."""


class PayloadError(StatisticsCacheError, ValueError):
    """A value does not come back equal from its JSON text, or a text is no value of the statistic."""


class ComputeFailed(StatisticsCacheError, RuntimeError):
    """The last compute of these parameters failed, and it is not yet time to try again."""


class ComputeTimeout(StatisticsCacheError, TimeoutError):
    """Another caller's compute of the same entry took longer than WAIT_TIMEOUT."""


class UndeclaredSource(StatisticsCacheError, RuntimeError):
    """A compute read what its statistic does not name, and WATCH_SOURCES says "raise"."""


class TokenError(StatisticsCacheError, ValueError):
    """A token is not one of this statistic, these parameters and this schema."""
