"""OpenTelemetry is no dependency: what a process of a project does without it, and with it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
WITHOUT = """
import sys
sys.modules["opentelemetry"] = None  # as if it were not installed
"""
COMPUTE = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from project.catalog.models import Category
from project.catalog.statistics import category_statistics
category_statistics(Category.CLIP)
"""
RECEIVERS = """
from statistics_cache import signals, tracing
print(signals.tick_ended.receivers, tracing.TRACER)
"""
EXPORT = """
from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()]))
category_statistics(Category.CLIP, grouped=True)
from prometheus_client import REGISTRY
for family in REGISTRY.collect():
    for each in family.samples:
        if each.name in ("statistics_cache_reads_total", "statistics_cache_compute_duration_seconds_count"):
            print(each.name, each.labels.get("outcome"), int(each.value))
"""


def run(script: str, folder: Path) -> str:
    """Run a script in a process of the example project, and give what it prints."""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "project.settings", "RUN_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_everything_works_without(tmp_path: Path) -> None:
    """No signal has a receiver that it would have for metrics alone, and no compute is a span."""
    assert run(WITHOUT + COMPUTE + RECEIVERS, tmp_path) == "[] None\n"


def test_the_provider_that_is_set_is_used(tmp_path: Path) -> None:
    """Also one that is set when all is loaded: of reads it is told all, of computes those that come."""
    assert sorted(run(COMPUTE + EXPORT, tmp_path).splitlines()) == [
        "statistics_cache_compute_duration_seconds_count None 1",
        "statistics_cache_reads_total miss 2",
    ]
