"""How many rows of the list as it is filtered and searched are in which state: together they are all of them."""

from collections import Counter
from collections.abc import Sequence

from django.db.models import Count, Q

from statistics_cache.models import StatisticEntry
from statistics_cache.standing import JUDGED

from .changelist import EntryList
from .overview import STOP, Overview
from .showing import shown

COUNTED = (*JUDGED, "failing")
Number = tuple[int, bool] | None  # and whether there are more; None where counting would read every row


def count(overview: Overview, entries: EntryList) -> dict[str, Number]:
    """Count the list's rows by state, and those that fail."""
    if overview.judged is not None:
        chosen = entries.chosen_rows
        judged = {state: overview.judged[state] for state in COUNTED}
        left = {
            state: rows if chosen is None else [pk for pk in rows if pk in chosen] for state, rows in judged.items()
        }
        return {state: (len(rows), False) for state, rows in left.items()}
    if entries.is_counted or (entries.is_narrowed and not entries.query and entries.result_count <= STOP):
        return count_together(overview, entries)
    if entries.result_count == len(entries.result_list):  # a search reads every row: no second time
        return count_shown(entries.result_list)
    if entries.is_narrowed:
        return dict.fromkeys(COUNTED, None)
    indexed = {state: overview.count(state) for state in COUNTED if state != "orphaned"}
    return {state: indexed.get(state) for state in COUNTED}


def count_shown(rows: Sequence[StatisticEntry]) -> dict[str, Number]:
    """Count the rows of a page that holds the whole list."""
    found = Counter(shown(row).state for row in rows) + Counter(failing=sum(row.failures > 0 for row in rows))
    return {state: (found[state], False) for state in COUNTED}


def count_together(overview: Overview, entries: EntryList) -> dict[str, Number]:
    """Count by age in one statement that reads every row of the list; what is orphaned is in no other state."""
    orphaned = overview.condition("orphaned")
    conditions = {state: overview.condition(state) & ~orphaned for state in JUDGED if state != "orphaned"}
    every: dict[str, Q] = conditions | {"orphaned": orphaned, "failing": overview.condition("failing")}
    found = entries.chosen.aggregate(**{state: Count("pk", filter=condition) for state, condition in every.items()})
    return {state: (found[state], False) for state in COUNTED}
