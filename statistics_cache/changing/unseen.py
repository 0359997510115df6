"""Under DEBUG and in tests: writes of watched tables that nobody sees, told of once by the line that sends them."""

import re
import sys
from typing import Any

from django.db.backends.signals import connection_created

from statistics_cache.conf import is_tried_out, settings
from statistics_cache.signals import write_unseen

from .observing import Observed
from .ongoing import deletion_of, is_missed, is_observed_now, ongoing
from .parsing import may_write
from .receiving import OBSERVED, watches_on
from .statements import KEY, Statement, statements_in, text_of

# Whose lines are not the caller's.
INNER = {"django", "statistics_cache", "contextlib", "psycopg", "psycopg2", "sqlite3", "asgiref"}
FLUSH = "execute_sql_flush"  # the function of Django's flush, after which every scope moves
_told: set[tuple[str, str]] = set()


def is_on() -> bool:
    """Tell whether such writes are looked for."""
    return is_tried_out() and settings().WATCH_SOURCES != "off"


def install(connection: Any, **_: Any) -> None:
    """Look at a connection's statements before anybody else does; elsewhere nothing is put around them at all."""
    if is_tried_out() and watch not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, watch)


connection_created.connect(install, dispatch_uid="statistics_cache.unseen")


def watch(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
    """Run a statement as it is; then tell of it, if it wrote rows and is one that nobody sees."""
    connection = context["connection"]
    text = sql if isinstance(sql, str) else text_of(sql, connection)
    if KEY in vars(connection) or not may_write(text) or not is_on() or is_missed(connection.alias):
        return execute(sql, params, many, context)
    unseen = [each for each in statements_in(text, connection.alias, params, many) if is_unseen(each, text)]
    result = execute(sql, params, many, context)
    if unseen and may_have_written(text, context) and (place := caller()) is not None:
        for each in unseen:
            tell(each, place)
    return result


def may_have_written(text: str, context: Any) -> bool:
    """Tell whether a statement wrote any row; SQLite does not know before the rows that it returns are fetched."""
    return bool(context["cursor"].rowcount != 0 or "RETURNING" in text.upper())


def is_unseen(statement: Statement, text: str) -> bool:
    """Tell whether a write concerns somebody, and no signal, manager, trigger or listener tells of it."""
    alias, table, verb = statement.alias, statement.table, statement.write.verb
    state, watches = ongoing(alias), watches_on(table)
    if not watches or table in OBSERVED or is_observed_now(alias, table):
        return False
    if state.is_migrating or state.announced.get(table) or not Observed(statement, watches).watches:
        return False
    if verb == "DELETE":
        deletion = deletion_of(alias, table)
        return not (deletion.waiting or deletion.done)
    is_saved = any(table in slot.savings and slot.instance() is not None for slot in state.slots)
    return not is_saved and (verb != "OTHER" or writes(text, statement.write.table))


def writes(text: str, table: str) -> bool:
    """Tell whether a text that cannot be read writes a table, and does not only name it."""
    verbs = r"INSERT\s+INTO|UPDATE|DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?|MERGE\s+INTO|COPY"
    return re.search(rf"\b(?:{verbs})\s+(?:ONLY\s+)?[\w\"`.]*\b{re.escape(table)}\b", text, re.IGNORECASE) is not None


def caller() -> str | None:
    """Give file and line of whoever sent the statement under way; None for a flush."""
    place, frame = "Django itself", sys._getframe(1)
    found: Any = frame
    while found is not None:
        if found.f_code.co_name == FLUSH:
            return None
        if place == "Django itself" and not is_inner(found):
            place = f"{found.f_code.co_filename}:{found.f_lineno}"
        found = found.f_back
    return place


def is_inner(frame: Any) -> bool:
    """Tell whether a line is not the caller's; what `shell -c` runs is, though it runs it as a part of itself."""
    module = str(frame.f_globals.get("__name__")).partition(".")[0]
    return module in INNER and not frame.f_code.co_filename.startswith("<")


def tell(statement: Statement, place: str) -> None:
    """Tell of a write, once for each line and table."""
    model = statement.table
    if (model._meta.label, place) in _told:
        return
    _told.add((model._meta.label, place))
    names = sorted({each.declaration.name for each in Observed(statement, watches_on(model)).watches})
    line = (
        f"Let {model.__name__} inherit from StatisticsSource, declare capture='triggers', or wrap the write in "
        f"`with invalidates({model.__name__}):`."
    )
    facts = {"model": model._meta.label, "verb": statement.write.verb, "place": place, "statistics": names}
    write_unseen.send_robust(sender=model, **facts, line=line)
