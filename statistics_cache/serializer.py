"""How django-redis stores our text: as UTF-8, readable by any client and never unpickled."""

from typing import Any


class TextSerializer:
    """A django-redis `SERIALIZER` for text alone. Loading never raises and never runs code, whatever the bytes are.

    What is not UTF-8 comes back with replacement characters; an entry like that fails its header check and is a miss.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        """Take the alias's `OPTIONS`, as django-redis gives them; none is used."""

    def dumps(self, value: str) -> bytes:
        """Encode a text. Raises TypeError for anything else: this alias is for statistics only."""
        if not isinstance(value, str):
            raise TypeError(
                f"this cache alias stores text, not {type(value).__name__}. Give other data an alias of its own."
            )
        return value.encode()

    def loads(self, value: bytes | str) -> str:
        """Decode what Redis returned; a client that decodes (E008) has done so already."""
        return value if isinstance(value, str) else value.decode(errors="replace")
