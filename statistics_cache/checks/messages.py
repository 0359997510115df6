"""The form of every message: what is wrong, by name; the hint says what to do."""

from typing import Any

from django.core.checks import CheckMessage, Error, Info, Warning  # noqa: A004  (Django's name)


def error(number: int, message: str, hint: str, subject: Any = None) -> CheckMessage:
    """Give an Error of this app: with it, a promise is broken."""
    return Error(message, hint=hint, obj=subject, id=f"statistics_cache.E{number:03}")


def warning(number: int, message: str, hint: str, subject: Any = None) -> CheckMessage:
    """Give a Warning of this app: with it, all is right but slower than it could be, or only right by luck."""
    return Warning(message, hint=hint, obj=subject, id=f"statistics_cache.W{number:03}")


def info(number: int, message: str, hint: str, subject: Any = None) -> CheckMessage:
    """Give an Info of this app: all is as it was declared, and not everybody may know what that means."""
    return Info(message, hint=hint, obj=subject, id=f"statistics_cache.I{number:03}")
