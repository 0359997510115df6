"""`manage.py load_catalog`: all or nothing, again and again."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries

from project.catalog.models import Category, ModelRecord, UsageRecord
from tests.catalog.conftest import MakeModel

pytestmark = pytest.mark.django_db


def write(path: Path, *records: str | dict[str, Any]) -> Path:
    """A reference file with these records, given by name or by value."""
    values = [{"name": record} if isinstance(record, str) else record for record in records]
    path.write_text(json.dumps({value["name"]: value for value in values}), encoding="utf-8")
    return path


def load(*paths: Path, **options: Any) -> str:
    """Runs the command, and gives what it printed."""
    out = StringIO()
    call_command("load_catalog", *map(str, paths), stdout=out, stderr=StringIO(), **options)
    return out.getvalue()


def names(category: Category = Category.CLIP) -> set[str]:
    """The names in a category."""
    return set(ModelRecord.objects.filter(category=category).values_list("name", flat=True))


@pytest.mark.parametrize(
    ("file_name", "category"),
    [
        ("stable_diffusion.json", Category.IMAGE_GENERATION),
        ("db.json", Category.TEXT_GENERATION),
        ("clip.json", Category.CLIP),
        ("safety_checker.json", Category.SAFETY_CHECKER),
    ],
)
def test_a_files_name_says_its_category(tmp_path: Path, file_name: str, category: Category) -> None:
    """A file of the public reference is loaded under its own name, without further words."""
    load(write(tmp_path / file_name, "A"))
    assert names(category) == {"A"}


def test_the_category_of_another_file_is_said(tmp_path: Path) -> None:
    """A file of any name is loaded with `--category`."""
    load(write(tmp_path / "mine.json", "A"), category="blip")
    assert names(Category.BLIP) == {"A"}


def test_a_file_of_another_name_is_refused(tmp_path: Path) -> None:
    """Without `--category` a file of an unknown name is refused, and the message says both ways out."""
    with pytest.raises(CommandError, match=r"mine\.json: .*clip\.json.*--category.*Nothing was changed"):
        load(write(tmp_path / "mine.json", "A"))


def test_a_folder_is_loaded_and_the_rest_of_it_listed(tmp_path: Path) -> None:
    """A folder stands for the reference files in it; every other thing in it is listed as ignored."""
    write(tmp_path / "clip.json", "A")
    write(tmp_path / "blip.json", "B")
    (tmp_path / "notes.txt").touch()
    assert f"ignored: {tmp_path / 'notes.txt'}" in load(tmp_path)
    assert (names(), names(Category.BLIP)) == ({"A"}, {"B"})


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    """A folder without any reference file is a mistake, not an empty catalogue."""
    with pytest.raises(CommandError, match="holds no reference file"):
        load(tmp_path)


def test_a_category_is_of_one_file(tmp_path: Path) -> None:
    """`--category` of a folder is refused, and so are two files of one category."""
    path = write(tmp_path / "clip.json", "A")
    with pytest.raises(CommandError, match="is a folder"):
        load(tmp_path, category="clip")
    with pytest.raises(CommandError, match="second file of clip"):
        load(path, tmp_path)


@pytest.mark.parametrize("make", [Path.exists, Path.mkdir], ids=["missing", "a folder"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, make: Any) -> None:
    """What the system cannot read is named, with the system's reason."""
    write(tmp_path / "blip.json", "A")
    make(tmp_path / "clip.json")
    path = tmp_path if (tmp_path / "clip.json").exists() else tmp_path / "clip.json"
    with pytest.raises(CommandError, match=r"clip\.json: cannot be read: "):
        load(path)
    assert not ModelRecord.objects.exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [("{", "is not JSON"), ("[]", "is not an object"), ('{"X": {"name": ""}}', "record 'X': has no name")],
)
def test_one_refused_file_refuses_all(tmp_path: Path, content: str, reason: str) -> None:
    """A refusal names file, record and reason, and nothing has changed: not even by the files before it."""
    load(write(tmp_path / "blip.json", "old"))
    write(tmp_path / "blip.json", "new")
    (tmp_path / "clip.json").write_text(content, encoding="utf-8")
    with pytest.raises(CommandError, match=rf"clip\.json: {reason}.*Nothing was changed"):
        load(tmp_path)
    assert names(Category.BLIP) == {"old"}


def test_loading_again_updates_and_removes(tmp_path: Path) -> None:
    """After loading, the category holds what the file says, and no more."""
    path = write(tmp_path / "clip.json", "kept", "gone", {"name": "changed", "style": "old"})
    load(path)
    write(path, "kept", "new", {"name": "changed", "style": "now"})
    assert "clip: 3 records (1 added, 1 updated, 1 removed, 1 unchanged)" in load(path)
    assert names() == {"kept", "new", "changed"}
    assert ModelRecord.objects.get(name="changed").style == "now"


def test_categories_not_loaded_are_left_alone(tmp_path: Path) -> None:
    """Only the categories of the files given can lose records."""
    load(write(tmp_path / "blip.json", "B"))
    load(write(tmp_path / "clip.json", "A"))
    assert names(Category.BLIP) == {"B"}


def test_a_record_keeps_its_work(tmp_path: Path, make_model: MakeModel) -> None:
    """A record that stays keeps its primary key, so that the work done with it stays."""
    model = make_model("A", Category.CLIP)
    work = UsageRecord.objects.create(model=model, created_at="2025-01-01T00:00Z", kudos=1)
    load(write(tmp_path / "clip.json", {"name": "A", "style": "now"}))
    assert UsageRecord.objects.select_related("model").get(pk=work.pk).model.style == "now"


def test_loading_the_same_again_writes_nothing(
    tmp_path: Path, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """An unchanged category costs one query: records that say the same are not written again."""
    path = write(tmp_path / "clip.json", *({"name": f"{n}", "requirements": {"b": 1, "a": n}} for n in range(50)))
    load(path)
    with django_assert_num_queries(3) as queries:  # the savepoint of a test's transaction is two of them
        assert "50 unchanged" in load(path)
    assert not [query for query in queries.captured_queries if query["sql"].startswith(("UPDATE", "INSERT", "DELETE"))]


def test_true_is_not_one(tmp_path: Path) -> None:
    """A value that changes its kind is a change, though Python calls the two equal."""
    load(write(tmp_path / "clip.json", {"name": "A", "requirements": {"a": True}}))
    load(write(tmp_path / "clip.json", {"name": "A", "requirements": {"a": 1}}))
    assert ModelRecord.objects.get().requirements["a"] is not True


def test_odd_values_are_told(tmp_path: Path) -> None:
    """A record with an odd value is counted, kept with the reason, and told in full with `--verbosity 2`."""
    path = write(tmp_path / "clip.json", "sound", {"name": "odd", "size_on_disk_bytes": "2 GB"})
    assert "1 with odd values dropped" in load(path)
    assert "'odd': size_on_disk_bytes: '2 GB' is dropped" in load(path, verbosity=2)
    [problem] = ModelRecord.objects.get(name="odd").problems
    assert "2 GB" in problem


def test_the_public_files_are_sound(reference_folder: Path) -> None:
    """All ten public files load as they are, and no value in them is odd."""
    assert "ignored" not in load(reference_folder)
    assert set(ModelRecord.objects.values_list("category", flat=True)) == set(Category.values)
    assert ModelRecord.objects.count() == 2351
    assert not [model for model in ModelRecord.objects.all() if model.is_flagged]
