"""A Django cache whose every command is one atomic step, as in Redis. Timeouts and versions are not its business."""

from collections.abc import Iterable
from typing import Any

from django.core.cache.backends.base import BaseCache

from .operations import perform

Content = tuple[tuple[str, Any], ...]  # sorted, so that equal contents are equal


class StepCache(BaseCache):
    """Hands each command to the world."""

    def __init__(self, *_: object) -> None:
        """Take no options."""
        super().__init__({})

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:  # noqa: ARG002
        """Give what there is of these."""
        return dict(perform("get_many", *sorted(keys)))

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:  # noqa: ARG002
        """Give one value."""
        return dict(perform("get_many", key)).get(key, default)

    def set(self, key: Any, value: Any, timeout: Any = None, version: int | None = None) -> None:  # noqa: ARG002
        """Store one value."""
        perform("set", key, value)

    def add(self, key: Any, value: Any, timeout: Any = None, version: int | None = None) -> bool:  # noqa: ARG002
        """Store a value where none is."""
        return bool(perform("add", key, value))

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:  # noqa: ARG002
        """Add to a number. Raises ValueError where none is."""
        return int(perform("incr", key, delta))

    def touch(self, key: Any, timeout: Any = None, version: int | None = None) -> bool:  # noqa: ARG002
        """Keep one value for longer: time is not its business."""
        return True

    def delete(self, key: Any, version: int | None = None) -> bool:  # noqa: ARG002
        """Delete one value."""
        return bool(perform("delete", key))

    def delete_many(self, keys: Iterable[Any], version: int | None = None) -> None:  # noqa: ARG002
        """Delete several values at once."""
        perform("delete", *sorted(keys))

    def clear(self) -> None:
        """Delete everything."""
        perform("flush")


def command(content: dict[str, Any], kind: str, args: tuple[Any, ...]) -> Any:
    """Carry out one command on a content that may be changed, and give its result."""
    if kind == "get_many":
        return tuple((name, content[name]) for name in args if name in content)
    if kind == "delete":
        return sum(content.pop(name, None) is not None for name in args)
    if kind == "flush":
        return content.clear()
    name, value = args
    if kind == "add":
        return content.setdefault(name, value) is value
    content[name] = content[name] + value if kind == "incr" else value
    return content[name] if kind == "incr" else None


def seal(content: dict[str, Any]) -> Content:
    """Give a content as a value."""
    return tuple(sorted(content.items()))
