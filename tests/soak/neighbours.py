"""Other sites on the same cache, each with a database and an oracle of its own: nobody is told another's value."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from tests.soak.servers import CACHE


class Neighbour:
    """One more soak, in a process of its own."""

    def __init__(self, cache: str, arguments: Sequence[str]) -> None:
        """Start it."""
        command = [sys.executable, "-m", "tests.soak", *arguments]
        self.process = subprocess.Popen(command, env=os.environ | {CACHE: cache}, stdout=subprocess.PIPE, text=True)

    def end(self) -> tuple[int, str]:
        """Wait for its end; give its exit code and what it printed."""
        said, _ = self.process.communicate()
        return self.process.returncode, said

    def stop(self) -> None:
        """End it, if it has not ended."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


@contextmanager
def neighbours(number: int, cache: str, *, seconds: float, seed: int, broken: str) -> Iterator[list[Neighbour]]:
    """Have so many more soaks run meanwhile, each of another seed."""
    with ExitStack() as stack:
        found = []
        for at in range(number):
            options = ["--seconds", f"{seconds:g}", "--seed", str(seed + 1_000 * (1 + at)), "--broken", broken]
            found.append(Neighbour(cache, options))
            stack.callback(found[-1].stop)
        yield found
