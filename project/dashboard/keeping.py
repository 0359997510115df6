"""`python -m project.dashboard.keeping NAME COMMAND…` runs a command, which the first page may stop and start again."""

import subprocess
import sys
from collections.abc import Sequence
from time import sleep

from project.valkey import terminable

from .controls import kept

PATIENCE = 5.0  # seconds until a process that was told to end is killed
LOOK = 0.2  # seconds between looks whether it has ended by itself


class Keeper:
    """One command, and the process that runs it, if any does."""

    def __init__(self, command: Sequence[str]) -> None:
        """Begin with none."""
        self.command = command
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run the command, unless it runs."""
        if self.process is None:
            self.process = subprocess.Popen(self.command)  # noqa: S603  (the demo's own)

    def stop(self) -> None:
        """End the process, if there is one."""
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def watch(self) -> int:
        """Wait until the process ends by itself, and give its exit code."""
        while self.process is None or self.process.poll() is None:
            sleep(LOOK)
        return self.process.returncode


def main(name: str, *command: str) -> int:
    """Keep a command until it ends, or until this process is told to."""
    keeper = Keeper(command)
    with terminable(), kept(name, keeper.stop, keeper.start):
        keeper.start()
        try:
            return keeper.watch()
        finally:
            keeper.stop()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
