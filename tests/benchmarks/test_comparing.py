"""What the comparison prints and writes."""

import io
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from tests.benchmarks.comparing import run
from tests.benchmarks.comparing.plot import COMMAND, FILES, draw, write_plots
from tests.benchmarks.comparing.reading import Times, with_ratios
from tests.benchmarks.comparing.tables import print_report
from tests.benchmarks.peers.catalogue import FLOOR, OURS, TEXT

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"


def report() -> dict[str, Any]:
    """Give a short report."""
    took = {(FLOOR, "raw"): 50, (FLOOR, ""): 80, (TEXT, ""): 100, (OURS, ""): 90, (OURS, "cold"): 900}
    rows = [Times([1e-6 * each, 2e-6 * each], [5e-7 * each]).row(key) for key, each in took.items()]
    crowd = {"median": 1.0, "longest": 1234.5, "computes": 7, "errors": ["TimeoutError"]}
    return {
        "about": {"Python": "3.11.7"},
        "versions": {},
        "left_out": {"dogpile": "ModuleNotFoundError: No module named 'dogpile'"},
        "reads": with_ratios(rows),
        "jobs": {
            "stale": {OURS: crowd | {"hot": 0.7}, TEXT: {"failed": "its process ended"}},
            "cold": {OURS: crowd},
            "cold-processes": {OURS: crowd},
            "change": {OURS: {"given": "new"}},
            "failing": {OURS: {"missing": "NoPrices", "too_old": "value"}},
            "refused": {OURS: {"outcomes": ["value", "value"], "computes": 1, "least": 0.5}},
            "invalidate": {OURS: {"1": 1.0, "1000": 2.0, "100000": None}},
        },
    }


def test_ratios_are_of_best_and_of_cpu() -> None:
    """A row's best and its CPU are multiples of those of the bases."""
    ours = next(row for row in report()["reads"] if row["peer"] == OURS)
    assert (ours["best/raw"], ours["best/floor"], ours["best/text"]) == pytest.approx((1.8, 1.125, 0.9))
    assert (ours["cpu/raw"], ours["cpu/floor"], ours["cpu/text"]) == pytest.approx((1.8, 1.125, 0.9))


def test_the_tables_hold_all_jobs_and_name_who_is_left_out() -> None:
    """Every job has its table; who is left out, and who failed, stands there with the reason."""
    file = io.StringIO()
    print_report(report(), Console(file=file, width=150))
    printed = file.getvalue()
    for text in ("left out: dogpile: ModuleNotFoundError: No module named 'dogpile'", "failed: its process ended"):
        assert text in printed
    for line in (
        r"statistics_cache, call +90\.0 +135\.0 +45\.0 +1\.80 +1\.12 +0\.90",
        r"statistics_cache +0\.7 +1\.0 +1,234\.5 +7 +TimeoutError",
        r"statistics_cache +1\.0 +1,234\.5 +7 +TimeoutError",
        r"statistics_cache +1\.0 +2\.0 +not filled",
        r"statistics_cache +NoPrices +value",
        r"statistics_cache +value +1 +0\.5",
        r"statistics_cache +new",
    ):
        assert re.search(line, printed), line


@pytest.mark.parametrize("name", FILES)
def test_a_plot_has_a_bar_for_each_hit(name: str) -> None:
    """Bars grow with the best, from the shortest on; ours has its own colour; the command stands below."""
    colours = FILES[name]
    root = ET.fromstring(draw(report(), colours))  # noqa: S314  (it is our own)
    bars = root.findall(f"{SVG}rect")
    assert [float(bar.get("width", "")) for bar in bars] == pytest.approx([240, 384, 432, 480])
    assert [bar.get("fill") == colours.ours for bar in bars] == [False, False, True, False]
    texts = [each.text for each in root.findall(f"{SVG}text")]
    assert "statistics_cache, call" in texts
    assert f"made by: {COMMAND}" in texts


def test_the_plots_that_are_shown_are_those_that_are_written(tmp_path: Path) -> None:
    """The guide to costs shows the light and the dark plot, and names the command that makes them."""
    write_plots(tmp_path, report())
    docs = ROOT / "statistics_cache/docs"
    guide = (docs / "costs.md").read_text()
    for name in FILES:
        assert (tmp_path / name).exists()
        assert (docs / name).exists()
        assert f'"{name}"' in guide
    assert f"&& {COMMAND}\n" in guide


def test_a_run_prints_and_writes_what_it_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One command compares, prints, and writes JSON and plots."""
    file = tmp_path / "figures.json"
    options = ["--only", FLOOR, "--jobs", "read change", "--rounds", "1", "--passes", "1"]
    run.main([*options, "--json", str(file), "--svg", str(tmp_path)])
    told = json.loads(file.read_text())
    assert [(row["peer"], row["form"]) for row in told["reads"]] == [(FLOOR, "raw"), (FLOOR, "")]
    assert told["jobs"] == {"change": {FLOOR: {"given": "old"}}}
    assert sorted(path.name for path in tmp_path.glob("*.svg")) == sorted(FILES)
    assert "redis-py GET + validate" in capsys.readouterr().out


def test_an_unknown_peer_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is none ends with 2, and the names there are."""
    with pytest.raises(SystemExit) as ended:
        run.parse(["--only", "memcached"])
    assert ended.value.code == 2
    assert "memcached: not among redis-py, " in capsys.readouterr().err
