"""What a statistic is computed from: models, and the part of the parameters that a change of a row decides."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from statistics_cache.exceptions import DeclarationError

Scope = str | Mapping[str, str] | Callable[[Any], Any] | None
CaptureBy = Literal["signals", "triggers"]

FORMS = (
    "Write {Model: 'parameter'}, {Model: {'parameter': 'path'}}, {Model: callable}, {Model: None}, [Model] "
    "or [Source(…)]."
)


@dataclass(frozen=True)
class Source:
    """A model (class, `"app.Model"` or another statistic) whose rows a statistic is computed from.

    `scope` says which variants a change of a row concerns: a parameter of the same name as the field, a mapping of
    parameters to field paths, a callable that takes the instance and gives one such mapping of values, several, or
    None; None means all. With `fields`, a save that names other fields only is of no interest. `capture` says how
    changes are seen; None means what the statistic says. An `ignored` model (or `"table"`) is read, and its changes
    drop nothing: the ttl bounds how old what it says may be.
    """

    model: Any
    scope: Scope = None
    fields: Collection[str] | None = None
    capture: CaptureBy | None = None
    ignored: bool = False

    def __post_init__(self) -> None:
        """Raise DeclarationError where an argument has the wrong type."""
        if not isinstance(self.model, str | type) and not hasattr(self.model, "declaration"):
            raise DeclarationError(f"depends_on holds {self.model!r}, which is no model. {FORMS}")
        if not (self.scope is None or isinstance(self.scope, str | Mapping) or callable(self.scope)):
            raise DeclarationError(f"the scope of {self.label} is {self.scope!r}. {FORMS}")
        if isinstance(self.fields, str):
            raise DeclarationError(f"fields of {self.label} is the text {self.fields!r}. Write [{self.fields!r}].")
        check_capture(self.capture)
        if self.ignored and (self.scope, self.fields, self.capture) != (None, None, None):
            raise DeclarationError(f"{self.label} is ignored: leave out scope, fields and capture, or ignored=True.")

    @property
    def label(self) -> str:
        """Give the model's name for messages."""
        return self.model if isinstance(self.model, str) else getattr(self.model, "__name__", repr(self.model))

    @property
    def paths(self) -> dict[str, str]:
        """Give the field path of each parameter in the scope; empty for a callable or for every scope."""
        if isinstance(self.scope, str):
            return {self.scope: self.scope}
        return dict(self.scope) if isinstance(self.scope, Mapping) else {}


def check_capture(capture: CaptureBy | None) -> CaptureBy | None:
    """Give a capture back. Raises DeclarationError for one that there is not."""
    if capture is not None and capture not in get_args(CaptureBy):
        raise DeclarationError(f"capture is {capture!r}. Write 'signals' or 'triggers'.")
    return capture


def read_sources(depends_on: Mapping[Any, Scope] | Iterable[Any]) -> tuple[Source, ...]:
    """Read every form of `depends_on`. Raises DeclarationError, naming what is wrong and the forms there are."""
    if isinstance(depends_on, Mapping):
        return tuple(Source(model, scope) for model, scope in depends_on.items())
    if isinstance(depends_on, str | type) or not isinstance(depends_on, Iterable):
        raise DeclarationError(f"depends_on is {depends_on!r}. {FORMS}")
    return tuple(item if isinstance(item, Source) else Source(item) for item in depends_on)


def shapes(sources: Iterable[Source], parameters: Collection[str]) -> tuple[tuple[str, ...], ...]:
    """Give the distinct shapes of scope, each the parameters it names in the signature's order.

    Where a callable decides, each parameter alone is a shape too: it may name any of them.
    """
    found: dict[tuple[str, ...], None] = {}
    for source in sources:
        if callable(source.scope):
            found.update({(name,): None for name in parameters})
        elif source.paths:
            found[tuple(name for name in parameters if name in source.paths)] = None
    return tuple(found)
