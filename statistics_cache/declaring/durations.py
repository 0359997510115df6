"""The durations that `@statistic` is given: what is none, or contradicts another, is refused."""

from datetime import timedelta

from statistics_cache.exceptions import DeclarationError


def check_durations(
    ttl: timedelta | None,
    stale_ttl: timedelta | None,
    time_limit: timedelta | None,
    refresh_every: timedelta | None,
    changed_ttl: timedelta | None,
) -> None:
    """Raise DeclarationError for durations that are none, not above 0, or contradict each other."""
    given = {"ttl": ttl, "stale_ttl": stale_ttl, "time_limit": time_limit}
    for label, value in (given | {"refresh_every": refresh_every, "changed_ttl": changed_ttl}).items():
        if value is not None and (not isinstance(value, timedelta) or value <= timedelta(0)):
            raise DeclarationError(f"{label} is {value!r}. Give a timedelta above 0, for example timedelta(minutes=5).")
    if ttl is not None and stale_ttl is not None and stale_ttl < ttl:
        raise DeclarationError(
            f"stale_ttl ({stale_ttl}) is below ttl ({ttl}). Both count from the compute; make it at least {ttl}."
        )


def check_busy(
    on_change: str, stale_ttl: timedelta | None, refresh_every: timedelta | None, changed_ttl: timedelta | None
) -> None:
    """Raise DeclarationError for what is said of a busy source and can mean nothing."""
    for label, value in (("refresh_every", refresh_every), ("changed_ttl", changed_ttl)):
        if value is not None and on_change != "revalidate":
            raise DeclarationError(
                f"{label} is given, and on_change is 'expire': no changed value is ever given, nor refreshed by a "
                f"worker. Write on_change='revalidate', or leave {label} out."
            )
        if value is not None and stale_ttl is not None and value > stale_ttl:
            raise DeclarationError(
                f"{label} ({value}) is above stale_ttl ({stale_ttl}), after which nothing is given. Make it at most "
                f"{stale_ttl}, or raise stale_ttl."
            )
    if refresh_every is not None and changed_ttl is not None and refresh_every > changed_ttl:
        raise DeclarationError(
            f"refresh_every ({refresh_every}) is above changed_ttl ({changed_ttl}): readers would compute before a "
            f"worker is asked. Make refresh_every at most {changed_ttl}; a fourth of it is a good start."
        )
