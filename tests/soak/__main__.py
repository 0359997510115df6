"""`python -m tests.soak --minutes N --seed S`: exit code 0 if every answer kept every promise."""

import argparse
import sys
from time import monotonic, sleep
from typing import TYPE_CHECKING

from tests.soak.servers import servers

if TYPE_CHECKING:
    from tests.soak.crew import Crew

PROGRESS = 10  # seconds between two lines on a terminal
LOOK = 0.1  # seconds until it is looked again whether all are working


def main() -> int:
    """Run for as long as is said."""
    arguments = read_arguments()
    with servers():
        from tests.soak.broken import break_it
        from tests.soak.crew import Crew
        from tests.soak.writing import prepare

        prepare()
        break_it(arguments.broken)
        crew = Crew(arguments.seed)
        print(f"seed {arguments.seed}, {arguments.seconds:g} s")  # noqa: T201
        return run(crew, arguments.seconds)


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--minutes", type=lambda text: 60 * float(text), dest="seconds")
    parser.add_argument("--seed", type=int, default=0, help="decides what each worker chooses to do")
    parser.add_argument("--broken", default="", help="lose the log rows of a cause, or 'delivery': must be caught")
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
