"""Finds reference files: which category a file holds is said by its name, or by the caller."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from project.catalog.loading.reference import Record, Refused, read_records
from project.catalog.models import Category

FILE_NAMES = {category: f"{category.value}.json" for category in Category} | {
    Category.IMAGE_GENERATION: "stable_diffusion.json",
    Category.TEXT_GENERATION: "db.json",
}
CATEGORIES = {name: category for category, name in FILE_NAMES.items()}


class Found(NamedTuple):
    """The file of each category, and what lay beside them in a folder."""

    files: dict[Category, Path]
    ignored: list[Path]


def find_files(paths: Iterable[Path], category: Category | None = None) -> Found:
    """One file for each category found; a folder stands for the reference files in it, the rest is ignored.

    `category` says what a file of any name holds. `Refused` names what cannot be placed.
    """
    found = Found({}, [])
    for path in paths:
        if not path.is_dir():
            _place(found, path, category or _category_of(path))
        elif category:
            raise Refused(f"{path}: is a folder, and --category says what one file holds. Name the file.")
        else:
            _place_folder(found, path)
    return found


def read_file(path: Path) -> list[Record]:
    """The records of a file; `Refused` names the file, the record and the reason."""
    try:
        return read_records(path.read_bytes())
    except OSError as error:
        raise Refused(f"{path}: cannot be read: {error.strerror}.") from error
    except Refused as refused:
        raise Refused(f"{path}: {refused}") from refused


def _place_folder(found: Found, folder: Path) -> None:
    """Adds the reference files of a folder, which has at least one."""
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        raise Refused(f"{folder}: cannot be read: {error.strerror}.") from error
    known = [path for path in inside if path.name in CATEGORIES]
    if not known:
        raise Refused(f"{folder}: holds no reference file. Expected one of {', '.join(CATEGORIES)}.")
    for path in known:
        _place(found, path, CATEGORIES[path.name])
    found.ignored.extend(path for path in inside if path.name not in CATEGORIES)


def _place(found: Found, path: Path, category: Category) -> None:
    """Adds a file; a second one of its category would remove what the first one brought."""
    if category in found.files:
        raise Refused(f"{path}: is a second file of {category}, after {found.files[category]}. Load one of them.")
    found.files[category] = path


def _category_of(path: Path) -> Category:
    """The category that a file's name says."""
    if path.name not in CATEGORIES:
        raise Refused(
            f"{path}: does not say by its name what it holds. Expected one of {', '.join(CATEGORIES)}; "
            "or say it with --category."
        )
    return CATEGORIES[path.name]
