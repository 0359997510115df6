"""What the list's actions do: in batches, each entry noted in the admin's log, what was left out said."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Count, QuerySet, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from statistics_cache import computing, upkeep
from statistics_cache.changing import byhand
from statistics_cache.conf import settings
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.explaining.durations import duration
from statistics_cache.models import StatisticEntry
from statistics_cache.visibility import visible_declarations

from .showing import pair_of
from .visibility import home, visible_entries

AT_ONCE = 500  # rows in one batch
MAX_NOW = 20  # computes that one request waits for
AT_MOST = format_lazy(gettext_lazy("at most {number}"), number=MAX_NOW)
MAX_LOGGED = 1_000  # entries noted one by one in the admin's log; of more, their number

PRIMARY_KEY = re.compile("[0-9]{1,19}")  # of 64 bits: int() refuses other digits, and thousands of them

Rows = QuerySet[StatisticEntry]
Admin = Any  # a ModelAdmin, which is no generic at run time
Groups = dict[Declaration[..., Any], dict[int, Variant]]


class Batch(NamedTuple):
    """Rows of a batch, the variants among them by statistic, and the number of orphans."""

    rows: list[StatisticEntry]
    groups: Groups
    orphans: int


def batches(request: HttpRequest, rows: Rows) -> Iterator[Batch]:
    """Give rows in batches, by primary key: what a batch does to its rows moves no other out of the next."""
    declarations = visible_declarations(request)
    ordered = rows.order_by("pk").only("pk", "key", "schema", "statistic", "params", "scopes")
    last = 0
    while found := list(ordered.filter(pk__gt=last)[:AT_ONCE]):
        last = found[-1].pk
        groups: Groups = defaultdict(dict)
        for row in found:
            if pair := pair_of(row, declarations):
                groups[pair[0]][row.pk] = pair[1]
        yield Batch(found, groups, len(found) - sum(map(len, groups.values())))


def note(request: HttpRequest, rows: Sequence[StatisticEntry], flag: int, text: str) -> None:
    """Note an action in the admin's log: once for each row, or once for very many."""
    if len(rows) <= MAX_LOGGED:
        user: Any = request.user.pk
        LogEntry.objects.log_actions(user, rows, flag, text)
    else:
        note_together(request, _("%(number)s statistic entries") % {"number": f"{len(rows):,}"}, flag, text)


def note_together(request: HttpRequest, name: str, flag: int, text: str) -> None:
    """Note an action on many entries once, under a name for them all."""
    user: Any = request.user.pk
    kind = ContentType.objects.get_for_model(StatisticEntry)
    LogEntry.objects.create(user_id=user, content_type=kind, object_repr=name, action_flag=flag, change_message=text)


def cause(request: HttpRequest) -> str:
    """Say who did it, where the log of invalidations asks for a cause."""
    return f"in the admin, by {request.user}"


def tell_of_orphans(model_admin: Admin, request: HttpRequest, number: int) -> None:
    """Say what was left out."""
    if number:
        text = _("%(entries)s left out: no call reads orphaned entries any more, so there is nothing to compute.")
        model_admin.message_user(request, text % {"entries": entries(number)}, messages.WARNING)


def entries(number: int) -> str:
    """Write a number of entries."""
    return ngettext("%(number)s entry", "%(number)s entries", number) % {"number": f"{number:,}"}


def back(model_admin: Admin, request: HttpRequest) -> HttpResponse | None:
    """Go back to the page of the entry that the action came from; None leads to the list."""
    pk = request.POST.get("detail", "")
    if not PRIMARY_KEY.fullmatch(pk) or not visible_entries(request).filter(pk=pk).exists():
        return None
    name = "admin:statistics_cache_statisticentry_change"
    return HttpResponseRedirect(reverse(name, args=[pk], current_app=model_admin.admin_site.name))


def is_disabled(model_admin: Admin, request: HttpRequest) -> bool:
    """Tell whether the app is switched off, and say so."""
    if settings().ENABLED:
        return False
    text = _("STATISTICS_CACHE['ENABLED'] is False: every call computes live, and nothing is stored.")
    model_admin.message_user(request, text, messages.ERROR)
    return True


@admin.action(permissions=["refresh"], description=gettext_lazy("Refresh in the background"))
def refresh_later(model_admin: Admin, request: HttpRequest, rows: Rows) -> HttpResponse | None:
    """Queue a refresh of each entry; stops where the broker is out."""
    if is_disabled(model_admin, request):
        return back(model_admin, request)
    queued: list[StatisticEntry] = []
    orphans = 0
    is_out = False
    for batch in batches(request, rows):
        orphans += batch.orphans
        named = {row.pk: row for row in batch.rows}
        for declaration, variants in batch.groups.items():
            done = upkeep.refresh_all_later(declaration, list(variants.values()))
            queued += [named[pk] for pk in list(variants)[:done]]
            is_out = is_out or done < len(variants)
        if is_out:
            break
    tell_of_orphans(model_admin, request, orphans)
    if is_out:
        text = _("The broker is down: %(entries)s queued, no more.") % {"entries": entries(len(queued))}
        model_admin.message_user(request, text, messages.ERROR)
    elif queued:
        text = _("%(entries)s queued for a worker.") % {"entries": entries(len(queued))}
        model_admin.message_user(request, text, messages.SUCCESS)
    if queued:
        note(request, queued, CHANGE, _("Queued a refresh."))
    return back(model_admin, request)


@admin.action(permissions=["refresh"], description=format_lazy("{} ({})", gettext_lazy("Refresh now"), AT_MOST))
def refresh_now(model_admin: Admin, request: HttpRequest, rows: Rows) -> HttpResponse | None:
    """Compute and store each entry in this request; what fails is said and keeps no other from its own."""
    if is_disabled(model_admin, request):
        return back(model_admin, request)
    if (number := rows.count()) > MAX_NOW:
        text = _("%(entries)s are too many to wait for: choose at most %(most)d, or refresh in the background.")
        model_admin.message_user(request, text % {"entries": entries(number), "most": MAX_NOW}, messages.ERROR)
        return back(model_admin, request)
    computed: list[StatisticEntry] = []
    orphans = 0
    for batch in batches(request, rows):
        orphans += batch.orphans
        computed += [
            row
            for row in batch.rows
            for declaration, variants in batch.groups.items()
            if row.pk in variants and compute(model_admin, request, declaration, variants[row.pk])
        ]
    tell_of_orphans(model_admin, request, orphans)
    if computed:
        text = _("%(entries)s computed.") % {"entries": entries(len(computed))}
        model_admin.message_user(request, text, messages.SUCCESS)
        note(request, computed, CHANGE, _("Refreshed."))
    return back(model_admin, request)


def compute(model_admin: Admin, request: HttpRequest, declaration: Declaration[..., Any], variant: Variant) -> bool:
    """Compute and store one variant, and tell whether that went well."""
    try:
        computing.refresh(declaration, variant)
    except Exception as error:  # noqa: BLE001  (a function of the user's; said, and recorded on the entry)
        said = f"{variant.key}: {type(error).__name__}: {error}"
        text = _("Failed: %(error)s") % {"error": said}
        model_admin.message_user(request, text, messages.ERROR)
        return False
    return True


@admin.action(permissions=["clear"], description=gettext_lazy("Invalidate"))
def invalidate(model_admin: Admin, request: HttpRequest, rows: Rows) -> HttpResponse | None:
    """Make entries be computed anew, as a change of their source does."""
    chosen: Groups = defaultdict(dict)
    named: list[StatisticEntry] = []
    orphans = 0
    for batch in batches(request, rows):
        orphans += batch.orphans
        for declaration, variants in batch.groups.items():
            chosen[declaration].update(variants)
        named += [row for row in batch.rows if any(row.pk in variants for variants in batch.groups.values())]
    for declaration, variants in chosen.items():
        byhand.invalidate_variants(declaration, variants.values(), cause(request))
    tell_of_orphans(model_admin, request, orphans)
    if named:
        note(request, named, CHANGE, _("Invalidated."))
        text = _("%(entries)s invalidated.") % {"entries": entries(len(named))}
        model_admin.message_user(request, text, messages.SUCCESS)
    return back(model_admin, request)


@admin.action(permissions=["clear"], description=gettext_lazy("Clear the hot copy"))
def clear_hot(model_admin: Admin, request: HttpRequest, rows: Rows) -> HttpResponse | None:
    """Delete what is in the cache; what the database proves is promoted again."""
    number = 0
    orphans = 0
    for batch in batches(request, rows):
        orphans += batch.orphans
        for declaration, variants in batch.groups.items():
            number += byhand.clear_rows(declaration, list(variants), "hot")
        cleared = [row for row in batch.rows if any(row.pk in variants for variants in batch.groups.values())]
        if cleared:
            note(request, cleared, CHANGE, _("Cleared the hot copy."))
    tell_of_orphans(model_admin, request, orphans)
    if number:
        text = _("The hot copies of %(entries)s cleared.") % {"entries": entries(number)}
        model_admin.message_user(request, text, messages.SUCCESS)
    return back(model_admin, request)


@admin.action(permissions=["clear"], description=gettext_lazy("Clear both tiers, of orphans too…"))
def clear_both(model_admin: Admin, request: HttpRequest, rows: Rows) -> HttpResponse | None:
    """Delete entries for good, once that is confirmed."""
    if request.POST.get("confirmed") != "yes":
        return confirm(model_admin, request, rows)
    doomed = list(rows.order_by("pk").only("pk", "key", "statistic"))
    by_statistic: dict[str, list[int]] = defaultdict(list)
    for row in doomed:
        by_statistic[row.statistic].append(row.pk)
    note(request, doomed, DELETION, _("Cleared both tiers."))
    number = sum(clear_statistic(request, *group) for group in by_statistic.items())
    if number:
        text = _("%(entries)s cleared in both tiers.") % {"entries": entries(number)}
        model_admin.message_user(request, text, messages.SUCCESS)
    else:
        text = _("Nothing was cleared: no entry that was chosen is there.")
        model_admin.message_user(request, text, messages.WARNING)
    return HttpResponseRedirect(request.get_full_path())


def clear_statistic(request: HttpRequest, name: str, rows: Sequence[int]) -> int:
    """Clear rows of one statistic, also of one that nobody declares any more, and count them."""
    if (declaration := visible_declarations(request).get(name)) is not None:
        return byhand.clear_rows(declaration, rows, "both", cause(request))
    return sum(byhand.clear_orphans(byhand.Orphans(home(), name, some)) for some in orphaned_rows(rows))


def orphaned_rows(rows: Sequence[int]) -> Iterable[Rows]:
    """Give rows in batches that one statement takes."""
    for start in range(0, len(rows), AT_ONCE):
        yield StatisticEntry.objects.using(home()).filter(pk__in=rows[start : start + AT_ONCE])


def confirm(model_admin: Admin, request: HttpRequest, rows: Rows) -> HttpResponse:
    """Ask, with the number of entries and what computing them again would take."""
    request.current_app = model_admin.admin_site.name
    found = rows.aggregate(number=Count("pk"), seconds=Sum("cost"))
    per_statistic = rows.order_by("statistic").values("statistic").annotate(number=Count("pk"), seconds=Sum("cost"))
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Clear both tiers"),
        "opts": model_admin.opts,
        "media": model_admin.media,
        "number": found["number"],
        "entries": entries(found["number"]),
        "recomputation": duration(found["seconds"] or 0.0),
        "groups": [each | {"recomputation": duration(each["seconds"])} for each in per_statistic],
        "chosen": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "checkbox": ACTION_CHECKBOX_NAME,
        "select_across": request.POST.get("select_across", "0"),
        "here": request.get_full_path(),
    }
    return TemplateResponse(request, "admin/statistics_cache/statisticentry/confirm.html", context)


ACTIONS = (refresh_later, refresh_now, invalidate, clear_hot, clear_both)
