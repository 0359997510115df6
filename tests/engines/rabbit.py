"""A RabbitMQ of our own, where one is installed: a node, and the name server of Erlang that it needs."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kombu.connection import Connection

from project.valkey import HOST, free_port
from tests.waiting import PATIENCE, until

# Debian's commands change the user, who may not enter our folder: these are what they run.
PLACES = os.pathsep.join(["/usr/lib/rabbitmq/bin", os.environ.get("PATH", os.defpath)])
SERVER = shutil.which("rabbitmq-server", path=PLACES)
NAMES = shutil.which("epmd", path=PLACES)  # the name server


class Rabbit:
    """A broker that can be stopped and started; what is durable survives that."""

    def __init__(self, folder: Path, names: int) -> None:
        """Take a folder that is there, and the port of Erlang's name server; start nothing."""
        self.port = free_port()
        self.url = f"amqp://guest:guest@{HOST}:{self.port}//"
        self.folder = folder
        self.environment = os.environ | {
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(names),
            "RABBITMQ_NODENAME": f"at{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODE_IP_ADDRESS": HOST,
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-kernel inet_dist_use_interface {{{HOST.replace('.', ',')}}}",
        }

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "out").open("ab") as out:
            self.process = subprocess.Popen(
                [str(SERVER)],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        until(self.answers, "RabbitMQ")

    def connection(self) -> Any:
        """Give a connection, to be used in `with`."""
        return Connection(self.url, connect_timeout=1)  # type: ignore[no-untyped-call]

    def answers(self) -> bool:
        """Tell whether it takes connections."""
        try:
            with self.connection() as connection:
                connection.connect()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """Let it end in order, with all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(PATIENCE)
        until(self.is_gone, "its end")

    def is_gone(self) -> bool:
        """Tell whether nothing of it is left."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False


@contextmanager
def rabbit(folder: Path) -> Iterator[Rabbit]:
    """Run one, and leave no process behind."""
    folder.mkdir()
    names = free_port()
    server = Rabbit(folder, names)
    with subprocess.Popen([str(NAMES), "-port", str(names), "-address", HOST]) as epmd:
        try:
            server.start()
            yield server
        finally:
            server.stop()
            epmd.terminate()
