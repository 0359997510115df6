"""What can be used as a `with` block, on a test function, sync or async, and on a `TestCase` class."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Generic, ParamSpec, TypeVar, cast
from unittest import TestCase

P = ParamSpec("P")
T = TypeVar("T")
D = TypeVar("D", bound=Callable[..., Any])


class Entering(Generic[T]):
    """A context that may be entered again while it is entered; on a class, each of its tests runs within it."""

    def __init__(self, make: Callable[[], AbstractContextManager[T]]) -> None:
        """Make a context whenever it is entered."""
        self.make = make
        self.entered: list[ExitStack] = []

    def __enter__(self) -> T:
        """Enter."""
        with ExitStack() as stack:
            given = stack.enter_context(self.make())
            self.entered.append(stack.pop_all())
        return given

    def __exit__(self, *raised: Any) -> None:  # noqa: PYI036  (they are handed on)
        """Leave what was entered last, which is told what was raised in it."""
        self.entered.pop().__exit__(*raised)

    def __call__(self, decorated: D) -> D:
        """Have a function, or each test of a class, run within. Raises TypeError for a class without tests."""
        if isinstance(decorated, type):
            if not issubclass(decorated, TestCase):
                raise TypeError(f"{decorated.__name__} is no unittest.TestCase. Decorate its functions.")
            type.__setattr__(decorated, "setUp", self.before(decorated.setUp))
            return cast("D", decorated)
        return cast("D", self.around_async(decorated) if iscoroutinefunction(decorated) else self.around(decorated))

    def before(self, set_up: Callable[..., Any]) -> Callable[..., Any]:
        """Enter before a test's own `setUp`, and leave after its cleanups that were added since."""

        @wraps(set_up)
        def entered(test: TestCase, *args: Any, **kwargs: Any) -> Any:
            test.enterContext(self.make())
            return set_up(test, *args, **kwargs)

        return entered

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Run a function within."""

        @wraps(function)
        def within(*args: Any, **kwargs: Any) -> Any:
            with self.make():
                return function(*args, **kwargs)

        return within

    def around_async(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Run a coroutine within, from its first step to its last."""

        @wraps(function)
        async def within(*args: Any, **kwargs: Any) -> Any:
            with self.make():
                return await function(*args, **kwargs)

        return within


def enterable(function: Callable[P, AbstractContextManager[T]]) -> Callable[P, Entering[T]]:
    """Let what a function gives be entered in all three ways, and as often as one likes."""

    @wraps(function)
    def make(*args: P.args, **kwargs: P.kwargs) -> Entering[T]:
        return Entering(lambda: function(*args, **kwargs))

    return make
