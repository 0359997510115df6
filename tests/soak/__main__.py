"""`python -m tests.soak --minutes N --seed S`: exit code 0 if every answer kept every promise."""

import argparse
import os
import sys
from time import monotonic, sleep
from typing import TYPE_CHECKING

from django.conf import settings

from tests.soak.servers import ENGINE, ISOLATION, servers, servers_to_hurt

if TYPE_CHECKING:
    from tests.soak.crew import Crew

PROGRESS = 10  # seconds between two lines on a terminal
BROKEN = "'changed', 'check', 'delivery', 'proof', 'identity', 'epoch', 'source', 'trigger' or 'unseen'"
LOOK = 0.1  # seconds until it is looked again whether all are working


def main() -> int:
    """Run for as long as is said."""
    arguments = read_arguments()
    os.environ |= {"CAPTURE": arguments.capture, ENGINE: arguments.database, ISOLATION: arguments.isolation}
    return main_of_chaos(arguments) if arguments.chaos else main_of_soak(arguments)


def main_of_soak(arguments: argparse.Namespace) -> int:
    """Soak on servers that are well."""
    with servers():
        from tests.soak.broken import break_it
        from tests.soak.crew import Crew
        from tests.soak.neighbours import neighbours
        from tests.soak.writing import prepare

        prepare()
        break_it(arguments.broken)
        crew = Crew(arguments.seed)
        print(f"seed {arguments.seed}, {arguments.seconds:g} s")  # noqa: T201
        address = str(settings.CACHES["statistics"]["LOCATION"]).rpartition("/")[0]
        options = {"seconds": arguments.seconds, "seed": arguments.seed, "broken": arguments.broken}
        with neighbours(arguments.sites - 1, address, **options) as others:
            code = run(crew, arguments.seconds)
            for number, said in [each.end() for each in others]:
                print(said, end="")  # noqa: T201
                code = max(code, number)
        return code


def main_of_chaos(arguments: argparse.Namespace) -> int:
    """Soak on servers that are hurt."""
    with servers_to_hurt(arguments.seed) as hosts:
        from tests.soak import report
        from tests.soak.broken import break_it
        from tests.soak.chaos import Chaos, ChaosCrew, named
        from tests.soak.writing import prepare

        prepare()
        break_it(arguments.broken)
        crew = ChaosCrew(arguments.seed)
        chaos = Chaos(crew, hosts, arguments.seed, named(arguments.only))
        print(f"seed {arguments.seed}, {arguments.seconds:g} s of chaos")  # noqa: T201
        began = monotonic()
        try:
            crew.start()
            chaos.run(arguments.seconds)
        finally:
            took = monotonic() - began
            failed = crew.end()
        failures = [f"{kind}: {text}" for kind, text in failed]
        for line in (*report.endured(crew.tally, took, chaos.done), *failures, report.closing_of_chaos(failures)):
            print(line)  # noqa: T201
        return 1 if failures else 0


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--minutes", type=lambda text: 60 * float(text), dest="seconds")
    parser.add_argument("--seed", type=int, default=0, help="decides what each worker chooses to do")
    parser.add_argument("--sites", type=int, default=1, help="on one cache, each with a database of its own")
    parser.add_argument("--broken", default="", help=f"lose the log rows of a cause, or {BROKEN}: must be caught")
    parser.add_argument("--capture", choices=("signals", "triggers"), default=os.environ.get("CAPTURE", "signals"))
    parser.add_argument("--database", choices=("postgres", "mysql"), default="postgres")
    parser.add_argument("--isolation", choices=("read committed", "repeatable read"), default="read committed")
    parser.add_argument("--chaos", action="store_true", help="hurt every server, too, by a schedule of the seed")
    parser.add_argument("--only", action="append", metavar="OUTAGE", help="of all that chaos knows; may be repeated")
    return parser.parse_args()


def run(crew: "Crew", seconds: float) -> int:
    """Start, wait, end, tell."""
    from tests.soak import report

    began = monotonic()
    try:
        crew.start()
        wait(crew, began, seconds)
    finally:  # also when terminated: workers go before their servers do
        took = monotonic() - began
        failed = crew.end()
    failures = report.verdict(crew.tally, failed)
    for line in (*report.summary(crew.tally, took), *failures, report.closing(failures)):
        print(line)  # noqa: T201
    return 1 if failures else 0


def wait(crew: "Crew", began: float, seconds: float) -> None:
    """Wait until the time is over, or somebody has failed."""
    from tests.soak.report import progress

    shown = began
    while crew.is_working() and monotonic() - began < seconds:
        sleep(LOOK)
        if sys.stderr.isatty() and monotonic() - shown >= PROGRESS:
            shown = monotonic()
            sys.stderr.write(progress(crew.tally, shown - began) + "\n")


if __name__ == "__main__":
    sys.exit(main())
