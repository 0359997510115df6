"""The page of every declared statistic, computed or not, and its button that computes."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from time import time
from typing import Annotated, Any, NamedTuple, get_args, get_origin

from django.contrib import messages
from django.contrib.admin.models import CHANGE
from django.contrib.admin.options import IS_FACETS_VAR
from django.db.models import Avg, Case, Count, Min, OuterRef, Q, QuerySet, Subquery, Value, When
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from statistics_cache import upkeep
from statistics_cache.cold import rows as cold
from statistics_cache.conf import limits
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.exceptions import ParameterError
from statistics_cache.explaining.durations import duration
from statistics_cache.hot.counters import Counts, counts_of
from statistics_cache.models import StatisticEntry
from statistics_cache.visibility import Declarations, visible_declarations

from .actions import MAX_NOW, Admin, compute, is_disabled, note_together
from .detail import Fact, describe_source
from .overview import listed, overview_of

DOTTED = re.compile(r"\b(?:\w+\.)+(?=\w)")  # the modules before a type's name

MAX_ASKED = 1_000  # keys of a statistic looked up for the page: as many as `hydrate=True` may name


class Warm(NamedTuple):
    """What is kept warm, in words, and its keys where they are always the same and few enough to ask for."""

    text: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One declared statistic as the page shows it."""

    name: str
    signature: str
    documentation: str
    ttl: str
    stale_ttl: str
    sources: list[Fact]
    stored: str
    cost: str
    last: str
    due: str
    is_late: bool
    hydrated: str
    runs: str
    is_queued: bool
    reads: int
    found: str


def rows(request: HttpRequest) -> list[Row]:
    """Give a row for each statistic that the user may see."""
    declarations = visible_declarations(request)
    known, counts = measured(request, declarations), counts_of(declarations)
    warm = {name: warm_of(declaration) for name, declaration in declarations.items()}
    oldest = oldest_of(declarations, warm)
    return [
        row_of(declaration, known.get(name, {}), counts[name], warm[name], oldest.get(name))
        for name, declaration in declarations.items()
    ]


def measured(request: HttpRequest, declarations: Declarations) -> dict[str, dict[str, Any]]:
    """Count what is stored of each statistic, one statement for each database.

    Above 50,000 rows what an index cannot tell waits until it is asked for: the mean cost, and how many rows are of
    another schema.
    """
    is_full = overview_of(request).is_small or IS_FACETS_VAR in request.GET
    found: dict[str, dict[str, Any]] = {}
    for alias, own in by_home(declarations).items():
        for row in counted(StatisticEntry.objects.using(alias), own, is_full=is_full):
            found[row["statistic"]] = row
    return found


def by_home(declarations: Declarations) -> dict[str, Declarations]:
    """Group statistics by the database that holds their rows."""
    found: dict[str, Declarations] = defaultdict(dict)
    for name, declaration in declarations.items():
        found[cold.alias_of(declaration)][name] = declaration
    return found


def counted(entries: QuerySet[StatisticEntry], declarations: Declarations, *, is_full: bool) -> Any:
    """Group the rows of some statistics."""
    schema = schema_of_now(declarations)
    newest = entries.filter(statistic=OuterRef("statistic"), schema=schema).exclude(computed_at=None)
    numbers: dict[str, Any] = {"stored": Count("computed_at")}
    chosen = entries.filter(statistic__in=list(declarations))
    if is_full:
        chosen = chosen.filter(schema=schema)
        numbers["mean"] = Avg("cost", filter=Q(computed_at__isnull=False))
    groups = chosen.order_by().values("statistic").annotate(**numbers)
    return groups.annotate(last=Subquery(newest.order_by("-computed_at").values("cost")[:1]))


def schema_of_now(declarations: Declarations) -> Case:
    """Give the schema that a row's statistic has now: rows of another one are orphans."""
    return Case(*(When(statistic=name, then=Value(each.fingerprint)) for name, each in declarations.items()))


def oldest_of(declarations: Declarations, warm: Mapping[str, Warm]) -> dict[str, datetime]:
    """Give when the oldest of what is always kept warm was computed, in one statement for each database."""
    found: dict[str, datetime] = {}
    for alias, own in by_home(declarations).items():
        keys = [key for name in own for key in warm[name].keys]
        rows = StatisticEntry.objects.using(alias).filter(
            key__in=listed(keys, alias, "text"), schema=schema_of_now(own)
        )
        found |= rows.exclude(computed_at=None).order_by().values_list("statistic").annotate(at=Min("computed_at"))
    return found


def warm_of(declaration: Declaration[..., Any]) -> Warm:
    """Say what a statistic keeps warm; no callable is asked, and what cannot be read is told."""
    if not declaration.is_hydrated:
        return Warm("")
    if callable(declaration.hydrate):
        return Warm(_("chosen at every tick"))
    try:
        grid = declaration.fixed_grid
    except Exception as error:  # noqa: BLE001  (types of the user's validate it; said beside its name)
        return Warm(_("hydrate= cannot be read: %(error)s") % {"error": type(error).__name__})
    text = ngettext("%(number)s variant kept warm", "%(number)s variants kept warm", len(grid))
    return Warm(text % {"number": f"{len(grid):,}"}, tuple(grid) if len(grid) <= MAX_ASKED else ())


def row_of(
    declaration: Declaration[..., Any], known: dict[str, Any], counts: Counts, warm: Warm, oldest: datetime | None
) -> Row:
    """Put together what is declared and what is stored."""
    bounds = limits(declaration)
    late = None if oldest is None else cold.seconds_of(oldest) + bounds.ttl - time()
    return Row(
        name=declaration.name,
        signature=signature(declaration),
        documentation=(declaration.function.__doc__ or "").strip().split("\n")[0],
        ttl=duration(bounds.ttl),
        stale_ttl=duration(bounds.stale_ttl),
        sources=[describe_source(source) for source in declaration.sources],
        stored=stored_text(known),
        cost="" if known.get("mean") is None else duration(known["mean"]),
        last="" if known.get("last") is None else duration(known["last"]),
        due=due_text(declaration, warm, late),
        is_late=late is not None and late < 0,
        hydrated=warm.text,
        runs=runs_text(declaration),
        is_queued=is_queued(declaration),
        reads=sum(counts),
        found=found_text(counts),
    )


def found_text(counts: Counts) -> str:
    """Say which share of reads found a value."""
    if not sum(counts):
        return ""
    return _("%(share)s found") % {"share": f"{(counts.hits + counts.stale_hits) / sum(counts):.1%}"}


def signature(declaration: Declaration[..., Any]) -> str:
    """Give the signature as a person writes it: types by their own names, without what only pydantic reads."""
    own = declaration.parameters
    named = [each.replace(annotation=bare(own.hints[name])) for name, each in own.signature.parameters.items()]
    return DOTTED.sub("", str(own.signature.replace(parameters=named)))


def bare(hint: Any) -> Any:
    """Give the type that an annotation annotates."""
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def stored_text(known: Mapping[str, Any]) -> str:
    """Say how many values are stored; a number with those of other schemas among them is marked."""
    number = f"{known.get('stored', 0):,}"
    return number if "mean" in known or not known else _("about %(number)s") % {"number": number}


def due_text(declaration: Declaration[..., Any], warm: Warm, seconds: float | None) -> str:
    """Say when the next refresh is due."""
    if not declaration.is_hydrated:
        return _("when it is read")
    if seconds is None:
        return _("at the next tick") if warm.keys else _("as each tick finds")
    text = _("in %(time)s") if seconds >= 0 else _("%(time)s ago")
    return text % {"time": duration(abs(seconds))}


def runs_text(declaration: Declaration[..., Any]) -> str:
    """Say what its button computes; nothing where no variant is named."""
    if declaration.is_hydrated:
        return _("what is kept warm")
    return _("its default variant") if default_variant(declaration) else ""


def is_queued(declaration: Declaration[..., Any]) -> bool:
    """Tell whether its button has a worker compute: what a callable names, and what is too much for one request."""
    if not declaration.is_hydrated or callable(declaration.hydrate):
        return declaration.is_hydrated
    try:
        return len(declaration.fixed_grid) > MAX_NOW
    except Exception:  # noqa: BLE001  (types of the user's validate it; who presses the button is told)
        return False


def default_variant(declaration: Declaration[..., Any]) -> Variant | None:
    """Give the variant of a call without arguments, if there is one."""
    try:
        return declaration.variant((), {})
    except ParameterError:
        return None


def run_now(model_admin: Admin, request: HttpRequest, declaration: Declaration[..., Any]) -> None:
    """Compute what is kept warm, else the default variant; have a worker do it where the button said so."""
    if is_disabled(model_admin, request):
        return
    try:
        variants = to_run(declaration)
    except Exception as error:  # noqa: BLE001  (a callable of the user's; said by name)
        said = {"name": declaration.name, "error": f"{type(error).__name__}: {error}"}
        text = _("Failed: the hydrate= of %(name)s cannot be read: %(error)s") % said
        model_admin.message_user(request, text, messages.ERROR)
        return
    if not variants:
        text = _("Nothing to run: %(name)s has parameters without defaults, and hydrates nothing.")
        model_admin.message_user(request, text % {"name": declaration.name}, messages.WARNING)
    elif is_queued(declaration):
        queue_all(model_admin, request, declaration, variants)
    else:
        done = sum(compute(model_admin, request, declaration, variant) for variant in variants)
        text = _("%(done)s of %(number)s variants of %(name)s computed.") % said_of(declaration, variants, done)
        tell(model_admin, request, declaration, text, done == len(variants))


def to_run(declaration: Declaration[..., Any]) -> list[Variant]:
    """Give the variants that a run computes."""
    if declaration.is_hydrated:
        return list(declaration.hydrated().values())
    default = default_variant(declaration)
    return [default] if default else []


def queue_all(
    model_admin: Admin, request: HttpRequest, declaration: Declaration[..., Any], variants: list[Variant]
) -> None:
    """Have a worker compute variants."""
    done = upkeep.refresh_all_later(declaration, variants)
    is_out = done < len(variants)
    good = _("%(done)s of %(number)s variants of %(name)s queued for a worker.")
    bad = _("%(done)s of %(number)s variants of %(name)s queued for a worker: the broker is down.")
    tell(
        model_admin, request, declaration, (bad if is_out else good) % said_of(declaration, variants, done), not is_out
    )


def said_of(declaration: Declaration[..., Any], variants: list[Variant], done: int) -> dict[str, str]:
    """Give what the sentences about a run name."""
    return {"done": f"{done:,}", "number": f"{len(variants):,}", "name": declaration.name}


def tell(
    model_admin: Admin, request: HttpRequest, declaration: Declaration[..., Any], text: str, is_good: bool
) -> None:
    """Say what was done, and note it in the admin's log."""
    model_admin.message_user(request, text, messages.SUCCESS if is_good else messages.WARNING)
    note_together(
        request, declaration.name, CHANGE, f"{_('Queue') if is_queued(declaration) else _('Run now')}: {text}"
    )
