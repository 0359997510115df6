"""`python -m tests.fuzz --cases 1000000 --seed 1`: exit code 0 if only our own errors came out."""

import argparse
import logging
import os
import sys
from itertools import islice
from time import perf_counter

import django

MOST = 10  # faults that are printed


def main() -> int:
    """Play, and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    logging.disable()
    import tests.samples  # noqa: F401  (declares)
    from tests.fuzz.running import play_all

    began = perf_counter()
    faults = list(islice(play_all(arguments.cases, arguments.seed), MOST))
    for target, seed, error in faults:
        print(f"{target}, seed {seed!r}: {error!r}")  # noqa: T201
    took = perf_counter() - began
    print(f"{arguments.cases:,} cases in {took:.0f} s, faults: {len(faults)}")  # noqa: T201
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
