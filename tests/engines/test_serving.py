"""A site under gunicorn on a cluster, short: 8 workers of 4 threads while a primary is killed."""

import subprocess
import sys
from pathlib import Path

from tests.figures import Figure

ROOT = Path(__file__).parent.parent.parent


def test_no_answer_is_wrong_while_a_primary_is_killed(figure: Figure) -> None:
    """What is told to be fresh holds each commit that is older than a proof may be, and nobody meets an error."""
    command = [sys.executable, "-m", "tests.engines.serving", "--seconds", "4", "--proof", "2", "--pause", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in done.stdout.splitlines():
        figure("gunicorn on a cluster, whose primary is killed", line)
