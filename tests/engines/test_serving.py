"""A site under a web server on a cluster, short: 8 workers of 4 threads while a primary is killed.

gunicorn is installed for tests; the others are played where they are: `pip install uvicorn uwsgi`.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines.webservers import is_installed
from tests.figures import Figure

ROOT = Path(__file__).parent.parent.parent
OTHERS = [
    pytest.param(name, marks=pytest.mark.skipif(not is_installed(name), reason=f"{name} is not installed"))
    for name in ("uvicorn", "uwsgi")
]


@pytest.mark.parametrize("server", ["gunicorn", *OTHERS])
def test_no_answer_is_wrong_while_a_primary_is_killed(server: str, figure: Figure) -> None:
    """What is told to be fresh holds each commit that is older than a proof may be, and nobody meets an error."""
    command = [sys.executable, "-m", "tests.engines.serving", "--server", server]
    command += ["--seconds", "4", "--proof", "2", "--pause", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in done.stdout.splitlines():
        figure(f"{server} on a cluster, whose primary is killed", line)
