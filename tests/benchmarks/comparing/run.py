"""`python -m tests.benchmarks`, and its options: all peers, or some; tables, and files where asked."""

import argparse
import json
import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psycopg
import redis
from rich.console import Console

from project.valkey import terminable
from tests.benchmarks.peers.catalogue import PEERS

from .children import Child, Failed, Missing, started
from .jobs import JOBS
from .plot import write_plots
from .reading import Length, measure_reads, usable
from .surroundings import Surroundings, surroundings
from .tables import print_report

PASSES = 3  # each in new processes: where things lie in the memory of one is worth some per cent
ROUNDS = 100  # of each pass
READ = "read"
errors = Console(stderr=True)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description="Compares ways to cache an aggregate.")
    parser.add_argument("--only", type=names_of(PEERS), default=list(PEERS), help=f"of {', '.join(PEERS)}")
    jobs = [READ, *JOBS]
    parser.add_argument("--jobs", type=names_of(jobs), default=jobs, help=f"of {', '.join(jobs)}")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each pass, in which all are read ({ROUNDS})")
    length.add_argument("--seconds", type=float, help="for which all are read, in place of rounds")
    parser.add_argument("--passes", type=int, default=PASSES, help=f"each in new processes ({PASSES})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file, too")
    parser.add_argument("--svg", type=Path, metavar="FOLDER", help="write plots of the reads to this folder, too")
    return parser.parse_args(arguments)


def names_of(known: Iterable[str]) -> Any:
    """Give what reads a list of names, in the order that they are known in."""

    def names(text: str) -> list[str]:
        asked = set(text.replace(",", " ").split())
        if unknown := asked - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: not among {', '.join(known)}")
        return [name for name in known if name in asked]

    return names


def main(arguments: Sequence[str]) -> None:
    """Compare, print the tables, and write the files that are asked for."""
    options = parse(arguments)
    with terminable(), surroundings() as servers:
        report = compare(servers, options)
    print_report(report, Console(width=150))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    if options.svg and report["reads"]:
        write_plots(options.svg, report)


def compare(servers: Surroundings, options: argparse.Namespace) -> dict[str, Any]:
    """Do all jobs with all peers that work here."""
    names, left_out = usable(servers, options.only, lambda name: tell(f"trying {name}"))
    reads = []
    if READ in options.jobs and names:
        tell(f"reading: {len(names)} peers in turn")
        reads = measure_reads(servers, names, Length(options.passes, options.rounds, options.seconds))
    asked = [job for job in options.jobs if job != READ]
    done = {name: do_all(servers, asked, name) for name in names} if asked else {}
    jobs = {job: {name: rows[job] for name, rows in done.items()} for job in asked}
    return {"about": about(servers), "versions": versions(names), "left_out": left_out, "reads": reads, "jobs": jobs}


def do_all(servers: Surroundings, jobs: Iterable[str], name: str) -> dict[str, Any]:
    """Do some jobs with one peer, in a new process."""
    with started(servers, name) as child:
        return {job: do(servers, job, child) for job in jobs}


def do(servers: Surroundings, job: str, child: Child) -> dict[str, Any]:
    """Do one job; what fails is a row that says so."""
    tell(f"{job}: {child.name}")
    try:
        return JOBS[job](servers, child)
    except (Failed, Missing) as error:
        return {"failed": str(error)}


def tell(text: str) -> None:
    """Tell who waits what is being done."""
    errors.print(text, highlight=False, style="dim")


def about(servers: Surroundings) -> dict[str, str]:
    """Give what was measured on."""
    server: dict[str, Any] = redis.Redis.from_url(servers.redis).info("server")
    with psycopg.connect(servers.postgres) as connection:
        postgres = connection.info.server_version // 10_000
    return {
        "Python": platform.python_version(),
        "Django": version("django"),
        "redis-py": version("redis"),
        "hiredis": installed("hiredis"),
        "Valkey": str(server.get("valkey_version", server["redis_version"])),
        "PostgreSQL": str(postgres),
        "cores": str(os.cpu_count()),
    }


def versions(names: Iterable[str]) -> dict[str, str]:
    """Give the version of each peer's distribution."""
    return {PEERS[name].package: installed(PEERS[name].package) for name in names}


def installed(package: str) -> str:
    """Give a distribution's version, or that there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
