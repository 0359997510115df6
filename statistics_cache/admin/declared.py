"""The page of every declared statistic, computed or not, and its button that computes."""

import re
from dataclasses import dataclass
from time import time
from typing import Annotated, Any, get_args, get_origin

from django.contrib import messages
from django.contrib.admin.models import CHANGE
from django.contrib.admin.options import IS_FACETS_VAR
from django.db.models import Avg, Count, Min, OuterRef, QuerySet, Subquery
from django.http import HttpRequest

from statistics_cache import cold, upkeep
from statistics_cache.conf import limits
from statistics_cache.counters import Counts, counts_of
from statistics_cache.declaration import Declaration, Variant
from statistics_cache.exceptions import ParameterError
from statistics_cache.models import StatisticEntry

from .actions import MAX_NOW, Admin, compute, is_disabled, note_together
from .detail import Fact, describe_source
from .overview import overview_of
from .visibility import Declarations, visible_declarations
from .words import duration

DOTTED = re.compile(r"\b(?:\w+\.)+(?=\w)")  # the modules before a type's name


@dataclass(frozen=True)
class Row:
    """One declared statistic as the page shows it."""

    name: str
    signature: str
    documentation: str
    ttl: str
    stale_ttl: str
    sources: list[Fact]
    stored: int
    cost: str
    last: str
    due: str
    is_late: bool
    hydrated: str
    runs: str
    reads: int
    found: str


def rows(request: HttpRequest) -> list[Row]:
    """Give a row for each statistic that the user may see."""
    declarations = visible_declarations(request)
    known, counts = measured(request, declarations), counts_of(declarations)
    return [row_of(declaration, known.get(name, {}), counts[name]) for name, declaration in declarations.items()]


def measured(request: HttpRequest, declarations: Declarations) -> dict[str, dict[str, Any]]:
    """Count what is stored of each statistic, one statement for each database.

    Above 50,000 rows what an index cannot tell, the mean cost, waits until it is asked for.
    """
    is_full = overview_of(request).is_small or IS_FACETS_VAR in request.GET
    found: dict[str, dict[str, Any]] = {}
    for alias in {cold.alias_of(declaration) for declaration in declarations.values()}:
        names = [name for name, each in declarations.items() if cold.alias_of(each) == alias]
        for row in counted(StatisticEntry.objects.using(alias).filter(statistic__in=names), is_full=is_full):
            found[row["statistic"]] = row
    return found


def counted(entries: QuerySet[StatisticEntry], *, is_full: bool) -> Any:
    """Group rows by statistic."""
    newest = (
        StatisticEntry.objects.using(entries.db)
        .filter(statistic=OuterRef("statistic"))
        .exclude(computed_at=None)
        .order_by("-computed_at")
    )
    numbers: dict[str, Any] = {"stored": Count("computed_at"), "oldest": Min("computed_at")}
    if is_full:
        numbers["mean"] = Avg("cost")
    groups = entries.order_by().values("statistic").annotate(**numbers)
    return groups.annotate(last=Subquery(newest.values("cost")[:1]))


def row_of(declaration: Declaration[..., Any], known: dict[str, Any], counts: Counts) -> Row:
    """Put together what is declared and what is stored."""
    bounds = limits(declaration)
    late = due_in(declaration, known)
    return Row(
        name=declaration.name,
        signature=signature(declaration),
        documentation=(declaration.function.__doc__ or "").strip().split("\n")[0],
        ttl=duration(bounds.ttl),
        stale_ttl=duration(bounds.stale_ttl),
        sources=[describe_source(source) for source in declaration.sources],
        stored=known.get("stored", 0),
        cost="" if known.get("mean") is None else duration(known["mean"]),
        last="" if known.get("last") is None else duration(known["last"]),
        due=due_text(declaration, late),
        is_late=late is not None and late < 0,
        hydrated=hydrated_text(declaration),
        runs=runs_text(declaration),
        reads=sum(counts),
        found=f"{(counts.hits + counts.stale_hits) / sum(counts):.1%} found" if sum(counts) else "",
    )


def signature(declaration: Declaration[..., Any]) -> str:
    """Give the signature as a person writes it: types by their own names, without what only pydantic reads."""
    own = declaration.parameters
    named = [each.replace(annotation=bare(own.hints[name])) for name, each in own.signature.parameters.items()]
    return DOTTED.sub("", str(own.signature.replace(parameters=named)))


def bare(hint: Any) -> Any:
    """Give the type that an annotation annotates."""
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def due_in(declaration: Declaration[..., Any], known: dict[str, Any]) -> float | None:
    """Give the seconds until the oldest of what is kept warm is stale; None where nothing is."""
    if not declaration.is_hydrated or not known.get("oldest"):
        return None
    return cold.seconds_of(known["oldest"]) + limits(declaration).ttl - time()


def due_text(declaration: Declaration[..., Any], seconds: float | None) -> str:
    """Say when the next refresh is due."""
    if not declaration.is_hydrated:
        return "when it is read"
    if seconds is None:
        return "at the next tick"
    return f"in {duration(seconds)}" if seconds >= 0 else f"{duration(-seconds)} ago"


def hydrated_text(declaration: Declaration[..., Any]) -> str:
    """Say what is kept warm."""
    if not declaration.is_hydrated:
        return ""
    return (
        "chosen at every tick"
        if callable(declaration.hydrate)
        else f"{len(declaration.fixed_grid):,} variants kept warm"
    )


def runs_text(declaration: Declaration[..., Any]) -> str:
    """Say what its button computes; nothing where no variant is named."""
    if declaration.is_hydrated:
        return "what is kept warm"
    return "its default variant" if default_variant(declaration) else ""


def default_variant(declaration: Declaration[..., Any]) -> Variant | None:
    """Give the variant of a call without arguments, if there is one."""
    try:
        return declaration.variant((), {})
    except ParameterError:
        return None


def run_now(model_admin: Admin, request: HttpRequest, declaration: Declaration[..., Any]) -> None:
    """Compute what is kept warm, else the default variant: up to 20 at once, of more a worker does all."""
    if is_disabled(model_admin, request):
        return
    try:
        variants = to_run(declaration)
    except Exception as error:  # noqa: BLE001  (a callable of the user's; said by name)
        text = f"Failed: the hydrate= of {declaration.name} cannot be read: {type(error).__name__}: {error}"
        model_admin.message_user(request, text, messages.ERROR)
        return
    if not variants:
        text = f"Nothing to run: {declaration.name} has parameters without defaults, and hydrates nothing."
        model_admin.message_user(request, text, messages.WARNING)
    elif len(variants) > MAX_NOW:
        queue_all(model_admin, request, declaration, variants)
    else:
        done = sum(compute(model_admin, request, declaration, variant) for variant in variants)
        tell(
            model_admin,
            request,
            declaration,
            f"{done:,} of {len(variants):,} variants of {declaration.name} computed.",
            done == len(variants),
        )


def to_run(declaration: Declaration[..., Any]) -> list[Variant]:
    """Give the variants that a run computes."""
    if declaration.is_hydrated:
        return list(declaration.hydrated().values())
    default = default_variant(declaration)
    return [default] if default else []


def queue_all(
    model_admin: Admin, request: HttpRequest, declaration: Declaration[..., Any], variants: list[Variant]
) -> None:
    """Have a worker compute what is too much for one request."""
    done = upkeep.refresh_all_later(declaration, variants)
    is_out = done < len(variants)
    text = f"{done:,} of {len(variants):,} variants of {declaration.name} queued for a worker" + (
        ": the broker is out." if is_out else "."
    )
    tell(model_admin, request, declaration, text, not is_out)


def tell(
    model_admin: Admin, request: HttpRequest, declaration: Declaration[..., Any], text: str, is_good: bool
) -> None:
    """Say what was done, and note it in the admin's log."""
    model_admin.message_user(request, text, messages.SUCCESS if is_good else messages.WARNING)
    note_together(request, declaration.name, CHANGE, f"Run now: {text}")
