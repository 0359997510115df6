"""Reading reference files: what is refused whole, and what costs only a value."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.catalog.loading.reference import DEEPEST, Record, Refused, clean_record, read_records
from project.catalog.models import LONGEST_NAME

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
READ_KEYS = ("baseline", "style", "nsfw", "inpainting", "size_on_disk_bytes", "parameters", "tags", "trigger")
ODD_RECORDS = st.dictionaries(
    st.sampled_from([*READ_KEYS, "showcases", "requirements", "config", "other"]), JSON_VALUES
) | st.fixed_dictionaries({"config": st.fixed_dictionaries({"download": JSON_VALUES})})


def read(text: str) -> list[Record]:
    """The records in a text."""
    return read_records(text.encode())


def read_one(**values: Any) -> Record:
    """The one record of a file with these values."""
    [record] = read(json.dumps({"key": {"name": "X", **values}}))
    return record


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe{}", "is not UTF-8"),
        (b"[]", "is not an object of records"),
        (b"null", "is not an object of records"),
        (b'{"X": []}', "record 'X': is not an object"),
        (b'{"X": null}', "record 'X': is not an object"),
        (b'{"X": {}}', "record 'X': has no name"),
        (b'{"X": {"name": null}}', "record 'X': has no name"),
        (b'{"X": {"name": 7}}', "record 'X': has no name"),
        (b'{"X": {"name": "  "}}', "record 'X': has no name"),
        (b'{"X": {"name": "a\\u0000"}}', "record 'X': has a name that holds a NUL"),
        (b'{"X": {"name": "a\\ud800"}}', "record 'X': has a name that holds half a surrogate"),
        (b'{"X": {"name": "a", "name": "b"}}', "record 'X': has more than one name"),
        (b'{"X": {"name": "a"}, "X": {"name": "b"}}', "record 'X': given more than once"),
        (b'{"X": {"name": "a"}, "Y": {"name": "a"}}', "record 'a': more than one record has this name"),
        (b"[" * 200_000, "nested too deeply"),
    ],
    ids=lambda value: value[:40] if isinstance(value, bytes) else None,
)
def test_a_file_that_is_no_reference_is_refused(content: bytes, reason: str) -> None:
    """What is not an object of named objects is refused whole, naming the record and the reason."""
    with pytest.raises(Refused, match=reason):
        read_records(content)


def test_a_name_too_long_to_store_is_refused() -> None:
    """A name is never cut."""
    with pytest.raises(Refused, match=r"record 'X': has a name of 301 characters"):
        read(json.dumps({"X": {"name": "a" * (LONGEST_NAME + 1)}}))


def test_the_name_is_the_records_own() -> None:
    """The name a record gives counts, not the key it stands under: the public files have both."""
    [record] = read('{"control_qr_sdxl": {"name": "control_qr_xl"}}')
    assert record == Record(name="control_qr_xl")


def test_a_byte_order_mark_is_no_part_of_the_file() -> None:
    """What editors put before JSON text does not hurt."""
    assert read_records(b'\xef\xbb\xbf{"X": {"name": "X"}}') == [Record(name="X")]


def test_a_sound_record_is_kept_whole() -> None:
    """Every value that the catalogue keeps is read from where the public files have it."""
    record = read_one(
        baseline="stable diffusion 1",
        style="anime",
        nsfw=True,
        inpainting=True,
        size_on_disk_bytes=4_000_000_000,
        parameters=7e9,
        tags=["a", "b"],
        trigger=["t"],
        showcases=["https://host/1.webp"],
        requirements={"clip_skip": 2},
        config={"files": [], "download": [{"file_name": "x", "file_url": "https://host/x"}]},
    )
    assert record == Record(
        name="X",
        baseline="stable diffusion 1",
        style="anime",
        nsfw=True,
        inpainting=True,
        size_bytes=4_000_000_000,
        parameters=7_000_000_000,
        tags=["a", "b"],
        triggers=["t"],
        showcases=["https://host/1.webp"],
        requirements={"clip_skip": 2},
        downloads=["https://host/x"],
    )


def test_what_is_not_said_is_not_odd() -> None:
    """Values that are absent, and single values that are null, flag nothing."""
    assert read_one() == read_one(size_on_disk_bytes=None, baseline=None, nsfw=None) == Record(name="X")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("size_on_disk_bytes", "2 GB"),
        ("size_on_disk_bytes", float("inf")),
        ("size_on_disk_bytes", float("nan")),
        ("size_on_disk_bytes", -1),
        ("size_on_disk_bytes", 0),
        ("size_on_disk_bytes", 1.5),
        ("size_on_disk_bytes", True),
        ("size_on_disk_bytes", 2**63),
        ("parameters", "7B"),
        ("parameters", 1e300),
        ("nsfw", "yes"),
        ("nsfw", 1),
        ("inpainting", []),
        ("baseline", 5),
        ("baseline", "a\x00b"),
        ("style", "\ud800"),
        ("style", "a" * (LONGEST_NAME + 1)),
        ("tags", "anime"),
        ("tags", None),
        ("trigger", {}),
        ("showcases", 3),
        ("requirements", []),
        ("requirements", {"cfg_scale": float("nan")}),
        ("requirements", {"seed": 2**64}),
        ("requirements", {"a\x00": 1}),
        ("config", None),
        ("config", []),
        ("config", {"download": None}),
        ("config", {"download": {"file_url": "https://host/x"}}),
    ],
)
def test_an_odd_value_costs_only_itself(key: str, value: Any) -> None:
    """A value that is not what its place wants is dropped; the record stays, and says what was dropped."""
    record = read_one(**{key: value, "name": "X"})
    assert record.model_copy(update={"problems": []}) == Record(name="X")
    [problem] = record.problems
    assert problem.startswith(key)


def test_the_sound_items_of_a_list_are_kept() -> None:
    """An odd item costs only itself, and the reason says at which place it stood."""
    record = read_one(tags=["a", None, "b", 7, ""])
    assert record.tags == ["a", "b"]
    assert [problem.partition(":")[0] for problem in record.problems] == ["tags.1", "tags.3", "tags.4"]


def test_a_tag_given_twice_is_kept_once() -> None:
    """A repeated tag is odd: it counts once, and the record says so."""
    record = read_one(tags=["b", "a", "b"])
    assert record.tags == ["b", "a"]
    assert record.problems == ["tags: 'b' is given more than once"]


@pytest.mark.parametrize("url", [17, None, "", "no host", "/path", "https://", "https://[::1", "https://a\x00b/"])
def test_a_download_without_a_usable_url_is_no_download(url: Any) -> None:
    """Only a URL that names a host counts; one odd URL leaves the others."""
    record = read_one(config={"download": [{"file_url": url}, {"file_url": "https://host/x"}]})
    assert record.downloads == ["https://host/x"]
    assert len(record.problems) == (url is not None)


def test_a_repeated_key_has_no_meaning() -> None:
    """A value given twice is dropped: which one was meant, nobody can tell."""
    [record] = read('{"X": {"name": "X", "nsfw": true, "nsfw": false, "requirements": {"a": 1, "a": 2}}}')
    assert not record.nsfw
    assert not record.requirements
    assert {problem.partition(":")[0] for problem in record.problems} == {"nsfw", "requirements"}


def test_a_number_too_long_to_read_is_an_odd_value() -> None:
    """A number of more digits than Python reads costs only itself."""
    [record] = read('{"X": {"name": "X", "style": "anime", "parameters": 1' + "0" * 5000 + "}}")
    assert (record.style, record.parameters, len(record.problems)) == ("anime", None, 1)


def test_requirements_are_kept_to_a_depth() -> None:
    """Requirements nested without end are odd, and those of twenty levels are not."""
    deep: dict[str, Any] = {}
    for _ in range(DEEPEST):
        deep = {"a": deep}
    assert read_one(requirements=deep).requirements == deep
    assert not read_one(requirements={"a": deep}).requirements


@given(ODD_RECORDS)
def test_no_record_is_too_odd_to_keep(values: dict[str, Any]) -> None:
    """Whatever values a named record has, it is kept, can be stored, and is not changed by the reading."""
    before = copy.deepcopy(values)
    record = clean_record("X", values)
    stored = json.dumps(record.model_dump(), allow_nan=False, ensure_ascii=False)
    assert "\x00" not in stored
    assert record.name == "X"
    assert repr(values) == repr(before)
    stored.encode()


@given(st.binary() | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_content_is_read_or_refused(content: bytes) -> None:
    """A file is read, or refused with a reason: nothing else happens."""
    try:
        read_records(content)
    except Refused as refused:
        assert str(refused)
