"""Which database the tests are on."""

from typing import Any

DIFFERENTIAL = "tests.differential.families"  # the module of models whose tables only the differential test makes


class TestRouter:
    """Sends every model to one database, the same for all threads."""

    __test__ = False
    database = "default"

    def db_for_read(self, *_: Any, **__: Any) -> str:
        """Give the database."""
        return self.database

    def db_for_write(self, *_: Any, **__: Any) -> str:
        """Give the database."""
        return self.database

    def allow_migrate(self, *_: Any, model: Any = None, **__: Any) -> bool | None:
        """Leave out what the differential test makes for itself: to empty it would slow down every other test."""
        return False if getattr(model, "__module__", None) == DIFFERENTIAL else None
