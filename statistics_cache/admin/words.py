"""How the admin says things: durations, sizes, parameters, and why a value is not fresh."""

import json
import sys
from collections import defaultdict
from collections.abc import Mapping
from enum import Enum
from keyword import iskeyword
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.entry import Limits, Reason, State
from statistics_cache.exceptions import ParameterError
from statistics_cache.explaining.durations import duration
from statistics_cache.explaining.sentences import BY

STATES: dict[str, Any] = {
    "fresh": gettext_lazy("Fresh"),
    "stale": gettext_lazy("Stale"),
    "expired": gettext_lazy("Expired"),
    "empty": gettext_lazy("Empty"),
    "orphaned": gettext_lazy("Orphaned"),
}
MEANINGS: dict[str, Any] = {
    "fresh": gettext_lazy("Given to every reader"),
    "stale": gettext_lazy("Older than its ttl, or its source changed"),
    "expired": gettext_lazy("Older than its stale_ttl, or changed for longer than its changed_ttl: for no reader"),
    "empty": gettext_lazy("Nothing that a reader could get: cleared, or only a failure is recorded"),
    "orphaned": gettext_lazy("No call reads it: its statistic, its schema or its parameters are gone"),
}
WHY: dict[Reason, str] = {
    "transaction": gettext_noop("This transaction changed its source."),
    "clock": gettext_noop("It is of the future: a clock was set back."),
    "source": gettext_noop("Its source changed"),
    "unproven": gettext_noop("The database is down."),
}
REASONS: dict[str, str] = {
    "missing": gettext_noop("nothing was stored"),
    "age": gettext_noop("too old"),
    "source": gettext_noop("its source had changed"),
    "clock": gettext_noop("a clock had been set back"),
    "unproven": gettext_noop("the database had been out"),
    "refresh": gettext_noop("asked for by hand"),
    "set": gettext_noop("stored by hand"),
}


def made_because(by: str, reason: str) -> str:
    """Say who computed a value and for what, as far as that is known: `by a worker: too old`."""
    known = [_(BY[by])] if by and by in BY else []
    return ": ".join([*known, _(REASONS.get(reason, reason))] if reason else known)


def size(octets: float) -> str:
    """Give a size in bytes: `812 B`, `1.4 kB`, `23 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if octets < 1000 or unit == "GB":
            return f"{octets:.1f} {unit}" if 0 < octets < 10 and unit != "B" else f"{octets:.0f} {unit}"
        octets /= 1000
    raise AssertionError("GB ends the loop")


def spell_parameters(params: str) -> str:
    """Give stored parameters as a call writes them: `category="clip", grouped=true`."""
    try:
        given = json.loads(params)
    except json.JSONDecodeError:
        return params
    if not isinstance(given, Mapping):
        return params
    return ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in given.items())


def spell_differing(declaration: Declaration[..., object], variant: Variant) -> str:
    """Give those parameters of a variant that a call must name: all but what the signature gives by itself."""
    texts = variant.texts.items()
    named = {name: json.loads(text) for name, text in texts if not is_default(declaration, name, text)}
    return spell_parameters(json.dumps(named))


def is_default(declaration: Declaration[..., object], name: str, text: str) -> bool:
    """Tell whether a parameter's JSON is that of its default."""
    own = declaration.parameters
    if name in own.required:
        return False
    try:
        return own.keep(name, own.validate(name, own.defaults[name])).text == text
    except ParameterError:  # a default that no call could pass
        return False


def pretty(payload: str) -> str:
    """Give a stored value as JSON that a person reads; as it is stored, where it is none."""
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return payload


def why(state: State, reason: Reason | None, bounds: Limits, cause: str, since: str = "") -> str:
    """Say in a sentence why a value is not fresh; nothing for one that is. `since` says when its source changed."""
    if reason == "clock":
        return _(WHY[reason])
    if reason == "source":
        said = f"{_(WHY['source'])}{since}"
        return f"{said}: {cause}." if cause else f"{said}."
    if state == "expired":
        return _("Older than its stale_ttl of %(limit)s.") % {"limit": duration(bounds.stale_ttl)}
    if reason == "age":
        return _("Older than its ttl of %(limit)s.") % {"limit": duration(bounds.ttl)}
    return _(WHY[reason]) if reason else ""


def since(declaration: Declaration[..., object], state: State, changed: float, early: float) -> str:
    """Say for how long a value has lacked a change, in seconds, and in how many the next refresh may be asked for."""
    if declaration.refresh_every is None and declaration.changed_ttl is None:
        return ""
    said = " " + _("%(time)s ago") % {"time": duration(max(0.0, changed))}
    if state == "expired" and declaration.changed_ttl:
        limit = duration(declaration.changed_ttl.total_seconds())
        said += ", " + _("longer than its changed_ttl of %(limit)s") % {"limit": limit}
    return said + (", " + _("next refresh in %(time)s") % {"time": duration(early)} if early > 0 else "")


def empty_because(*, is_computed: bool, failures: int) -> str:
    """Say why no reader could get what a row holds."""
    if is_computed:
        return _("Cleared.")
    return _("Never computed: its compute failed.") if failures else _("Cleared, or never computed.")


def orphaned_because(declaration: Declaration[..., object] | None, schema: str) -> str:
    """Say why no call reads a row."""
    if declaration is None:
        return _("No statistic of this name is declared.")
    if schema != declaration.fingerprint:
        return _("Its value is of another schema: an older or newer version of the code wrote it.")
    return _("The function has other parameters by now.")


def snippet(declaration: Declaration[..., object], variant: Variant) -> str:
    """Give the lines that read a variant from anywhere."""
    function = declaration.function
    modules = {function.__name__: function.__module__}
    values = declaration.arguments(variant)
    arguments = [
        argument(declaration, name, spell(values[name], text, modules)) for name, text in variant.texts.items()
    ]
    names: dict[str, list[str]] = defaultdict(list)
    for name, module in sorted(modules.items()):
        names[module].append(name)
    imports = "\n".join(f"from {module} import {', '.join(names[module])}" for module in sorted(names))
    return f"{imports}\n\n{function.__name__}({', '.join(arguments)})"


def argument(declaration: Declaration[..., object], name: str, text: str) -> str:
    """Write one argument, by name wherever the signature takes it so."""
    kind = declaration.parameters.signature.parameters[name].kind
    return text if kind is kind.POSITIONAL_ONLY else f"{name}={text}"


def spell(value: Any, text: str, modules: dict[str, str]) -> str:
    """Write a value as code: a member by its name, whose module is noted; all else as calls take it from JSON."""
    kind = type(value)
    if is_named(value) and modules.setdefault(kind.__name__, kind.__module__) == kind.__module__:
        return f"{kind.__name__}.{value.name}"
    return repr(json.loads(text))


def is_named(value: object) -> bool:
    """Tell whether a value is a member of an Enum that other code can import, under a name that code can write."""
    if not isinstance(value, Enum) or not str(value.name).isidentifier() or iskeyword(value.name):
        return False
    kind = type(value)
    return getattr(sys.modules.get(kind.__module__), kind.__name__, None) is kind
