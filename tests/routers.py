"""Which database the tests are on."""

from typing import Any


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
