"""Reads one reference file: JSON text in, clean records out, with the reason for each odd value dropped.

A file is refused whole where it is not what it says: not JSON, not an object of objects, a record without a
name of its own. An odd *value* costs only itself: its record is kept without it, and says so in `problems`.
Nothing here knows the database, except for what its columns can hold.
"""

import json
import math
import reprlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, NoReturn

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from project.catalog.loading.hosts import host_of
from project.catalog.models import LONGEST_NAME

LARGEST_NUMBER = 2**63 - 1
"""What a bigint column holds."""

LONGEST_NUMBER = 4300
"""Digits of a whole number that Python agrees to read (`sys.int_info.default_max_str_digits`)."""

DEEPEST = 20
"""Levels of lists and objects in a value that is kept as it is; the public files use two."""

Place = tuple[int | str, ...]
"""The keys and positions that lead to a value."""


class Refused(ValueError):
    """The whole file is not loaded, for the reason in the message."""


class Repeating(dict[str, Any]):
    """A JSON object that names some keys more than once: which value was meant, nobody can tell."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        """Keeps the last value of each key, as JSON readers do, and the names of those that had several."""
        super().__init__(pairs)
        self.repeated = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]


class Record(BaseModel, frozen=True):
    """One model as it will be stored: the field names are those of `ModelRecord`."""

    name: str
    baseline: str = ""
    style: str = ""
    nsfw: bool = False
    inpainting: bool = False
    size_bytes: int | None = None
    parameters: int | None = None
    tags: list[str] = []
    triggers: list[str] = []
    showcases: list[str] = []
    requirements: dict[str, Any] = {}
    downloads: list[str] = []
    problems: list[str] = []


def read_records(content: bytes) -> list[Record]:
    """The records of a reference file, in its order; `Refused` names the record and the reason.

    A record's name is its "name" value; the key it stands under may differ, as it does in the public files.
    Two records of one name are refused: loading either would lose the other.
    """
    document = _parsed(content)
    if not isinstance(document, dict):
        raise Refused('is not an object of records by name. Expected {"name": {"name": …}, …}.')
    if isinstance(document, Repeating):
        raise Refused(f"record {document.repeated[0]!r}: given more than once. Keep one of them.")
    records = [_named(key, record) for key, record in document.items()]
    repeated = [name for name, count in Counter(record.name for record in records).items() if count > 1]
    if repeated:
        raise Refused(f"record {repeated[0]!r}: more than one record has this name. Rename or remove the others.")
    return records


def clean_record(name: str, record: Mapping[str, Any]) -> Record:
    """The record without its odd values, which are named in `problems`; the record given is not changed."""
    once, problems = _without_repeated(record)
    try:
        values = Values.model_validate(once)
    except ValidationError as error:
        odd = {fault["loc"]: _reason(fault["loc"], fault["msg"], fault["input"]) for fault in error.errors()}
        problems += odd.values()
        values = Values.model_validate(_without(once, odd))
    tags = list(dict.fromkeys(values.tags))
    problems += [f"tags: {tag!r} is given more than once" for tag, count in Counter(values.tags).items() if count > 1]
    return Record(
        name=name,
        baseline=values.baseline or "",
        style=values.style or "",
        nsfw=values.nsfw or False,
        inpainting=values.inpainting or False,
        size_bytes=values.size_on_disk_bytes,
        parameters=values.parameters,
        tags=tags,
        triggers=values.trigger,
        showcases=values.showcases,
        requirements=values.requirements,
        downloads=[download.file_url for download in values.config.download if download.file_url],
        problems=problems,
    )


def _parsed(content: bytes) -> Any:
    """The JSON document; a leading byte order mark is no part of it."""
    try:
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=_object, parse_int=_whole_number)
    except UnicodeDecodeError as error:
        raise Refused(f"is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from error
    except json.JSONDecodeError as error:
        raise Refused(f"is not JSON: {error}.") from error
    except RecursionError as error:
        raise Refused("is nested too deeply to be a reference file.") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; one with repeated keys remembers which."""
    plain = dict(pairs)
    return plain if len(plain) == len(pairs) else Repeating(pairs)


def _whole_number(digits: str) -> int | float:
    """The number; one of more digits than Python reads is infinite, so an odd value wherever it stands."""
    return int(digits) if len(digits) <= LONGEST_NUMBER else math.inf


def _named(key: str, record: Any) -> Record:
    """The clean record under a key; `Refused` where it is no object, or has no name that can be stored."""
    if not isinstance(record, dict):
        raise Refused(f'record {key!r}: is not an object. Expected {{"name": …}}.')
    if isinstance(record, Repeating) and "name" in record.repeated:
        _refuse_name(key, "has more than one name")
    name = record.get("name")
    if not isinstance(name, str) or not name.strip():
        _refuse_name(key, "has no name")
    if len(name) > LONGEST_NAME:
        _refuse_name(key, f"has a name of {len(name)} characters, and {LONGEST_NAME} can be stored")
    try:
        _storable_text(name)
    except ValueError as error:
        _refuse_name(key, f"has a name that {error}")
    return clean_record(name, record)


def _refuse_name(key: str, reason: str) -> NoReturn:
    raise Refused(f'record {key!r}: {reason}. Give it a "name" of its own.')


def _storable_text(text: str) -> str:
    """The text, if a database column takes it: databases refuse NUL, and lone surrogates have no UTF-8."""
    if "\x00" in text:
        raise ValueError("holds a NUL character")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("holds half a surrogate pair")
    return text


def _url(text: str) -> str:
    """The URL, if it says where to download from."""
    if not host_of(text):
        raise ValueError("names no host")
    return text


def _integral(value: Any) -> Any:
    """JSON has one kind of number: 7e9 is as whole as 7000000000."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _one_meaning(value: Any) -> Any:
    """The object, if it names each of its keys once."""
    if isinstance(value, Repeating):
        raise ValueError(f"names {value.repeated[0]!r} more than once")
    return value


def _keepable(value: Any, level: int = 0) -> Any:
    """A value of any shape, if a JSON column keeps every part of it."""
    if level > DEEPEST:
        raise ValueError(f"is nested more than {DEEPEST} levels deep")
    _one_meaning(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("holds a number that is not finite")
    if isinstance(value, int) and abs(value) > LARGEST_NUMBER:
        raise ValueError("holds a number that is too large")
    if isinstance(value, str):
        _storable_text(value)
    for part in _parts(value):
        _keepable(part, level + 1)
    return value


def _parts(value: Any) -> Iterator[Any]:
    """What a list or an object is made of, keys included."""
    if isinstance(value, dict):
        yield from value
        yield from value.values()
    elif isinstance(value, list):
        yield from value


Text = Annotated[str, AfterValidator(_storable_text)]
Word = Annotated[Text, StringConstraints(min_length=1)]
Name = Annotated[Text, StringConstraints(max_length=LONGEST_NAME)]
Url = Annotated[Text, AfterValidator(_url)]
Amount = Annotated[int, BeforeValidator(_integral), Field(gt=0, le=LARGEST_NUMBER)]


class Piece(BaseModel):
    """An object of a file: only what is declared is read, and no number is taken for text or truth."""

    model_config = ConfigDict(strict=True, extra="ignore")


class Download(Piece):
    """A file to download."""

    file_url: Url | None = None


class Config(Piece):
    """What a model consists of."""

    download: list[Annotated[Download, BeforeValidator(_one_meaning)]] = []


class Values(Piece):
    """The values of a record that the catalogue keeps, under the names that the files give them.

    A single value that is null is not known; null in the place of a list or an object is odd.
    """

    baseline: Name | None = None
    style: Name | None = None
    nsfw: bool | None = None
    inpainting: bool | None = None
    size_on_disk_bytes: Amount | None = None
    parameters: Amount | None = None
    tags: list[Word] = []
    trigger: list[Word] = []
    showcases: list[Word] = []
    requirements: Annotated[dict[str, Any], BeforeValidator(_keepable)] = {}
    config: Annotated[Config, BeforeValidator(_one_meaning)] = Config()


def _reason(path: Place, fault: str, value: Any) -> str:
    """Where a value stood, what it was, and why it is dropped."""
    place = ".".join(map(str, path))
    return f"{place}: {reprlib.repr(value)} is dropped: {fault.removeprefix('Value error, ')}"


def _without_repeated(record: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """The record without the values whose keys it repeats, and why each is dropped."""
    repeated = record.repeated if isinstance(record, Repeating) else []
    once = {key: value for key, value in record.items() if key not in repeated}
    return once, [f"{key}: is given more than once" for key in repeated]


def _without(value: Any, odd: Collection[Place]) -> Any:
    """A copy of the value without what stands at the odd paths; parts without anything odd are not copied."""
    on_the_way = {path[:length] for path in odd for length in range(len(path))}

    def trimmed(part: Any, path: Place) -> Any:
        if path not in on_the_way:
            return part
        if isinstance(part, Mapping):
            kept = {key: value for key, value in part.items() if (*path, key) not in odd}
            return {key: trimmed(value, (*path, key)) for key, value in kept.items()}
        return [trimmed(value, (*path, at)) for at, value in enumerate(part) if (*path, at) not in odd]

    return trimmed(value, ())
