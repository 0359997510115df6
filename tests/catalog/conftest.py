"""What the tests of the catalogue share."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from project.catalog.models import Category, ModelRecord

WANTED = (
    "MODEL_REFERENCE names no folder: git clone https://github.com/Haidra-Org/AI-Horde-image-model-reference, "
    "and let it name that"
)
MakeModel = Callable[..., ModelRecord]


@pytest.fixture
def make_model(db: None) -> MakeModel:
    """Stores a model: an image model, if nothing else is said."""

    def make(name: str, category: Category = Category.IMAGE_GENERATION, **values: Any) -> ModelRecord:
        return ModelRecord.objects.create(name=name, category=category, **values)

    return make


@pytest.fixture(scope="session")
def reference_folder() -> Path:
    """The public reference files, which are no part of the project."""
    folder = os.environ.get("MODEL_REFERENCE")
    if not folder or not Path(folder).is_dir():
        pytest.skip(WANTED)
    return Path(folder)


@pytest.fixture
def real_catalogue(db: None, reference_folder: Path) -> None:
    """The catalogue holds the public reference files."""
    call_command("load_catalog", str(reference_folder), verbosity=0)
