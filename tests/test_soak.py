"""The soak, short: no answer breaks a promise while everything is written; and a broken version is caught."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines.mariadb import lacking
from tests.waiting import PATIENCE

ROOT = Path(__file__).parent.parent
CAUGHT = re.compile(r"violation: (drift )?soak\.")  # by a reader, or by who audits: whoever is there first
AUDITED = "violation: drift soak."


def soak(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the soak as its users do, on the PostgreSQL server of this run."""
    command = [sys.executable, "-m", "tests.soak", "--seed", "1", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_answer_under_every_write_keeps_every_promise() -> None:
    """P1, P2, P5: what is fresh holds every change that was committed before it was asked for."""
    done = soak("--seconds", "10")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "violations 0, errors 0"


@pytest.mark.skipif(bool(lacking()) and not os.environ.get("CI"), reason=f"MariaDB does not run here: {lacking()}")
def test_mariadb_keeps_every_promise() -> None:
    """The same where each transaction sees the snapshot of its first statement; nobody meets a deadlock."""
    done = soak("--database", "mysql", "--isolation", "repeatable read", "--seconds", "8")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "violations 0, errors 0"


def test_a_write_that_is_not_logged_is_caught() -> None:
    """Without the log row of a deleted item an old value is proved, and given as fresh: the soak ends at once."""
    done = soak("--seconds", str(PATIENCE), "--broken", "deleted")
    assert done.returncode == 1, done.stdout + done.stderr
    assert CAUGHT.search(done.stdout)
    assert "due was change" in done.stdout or AUDITED in done.stdout


def test_a_source_that_is_taken_out_is_told_of() -> None:
    """What a statistic does not name is in the log from its first compute on, by name."""
    done = soak("--seconds", str(PATIENCE), "--broken", "source")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "source undeclared: soak.shelf reads tests.Paint on database 'default'" in done.stderr


def test_what_nobody_sees_is_told_by_an_audit() -> None:
    """A value that lacks what somebody wrote by raw SQL, and says that it is fresh, is found by one audit of it."""
    done = soak("--seconds", str(PATIENCE), "--broken", "unseen")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "violation: drift soak.shelf" in done.stdout
    assert "drift found: soak.shelf: shares" in done.stderr


def test_what_other_programs_write_is_noticed_by_triggers() -> None:
    """P1 to P3 for a program that writes by SQL alone: within PROOF_INTERVAL, at once where the database is asked."""
    done = soak("--capture", "triggers", "--seconds", "8")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "violations 0, errors 0"


def test_a_trigger_that_somebody_removes_is_caught() -> None:
    """Without the trigger of one event an old value is proved, and given as fresh: to a reader, or to who audits."""
    done = soak("--capture", "triggers", "--seconds", str(PATIENCE), "--broken", "trigger")
    assert done.returncode == 1, done.stdout + done.stderr
    assert CAUGHT.search(done.stdout)


def test_two_sites_on_one_cache_are_told_nothing_of_each_other() -> None:
    """Each has a database and an oracle of its own: every value it is given is its own, and keeps every promise."""
    done = soak("--seconds", "8", "--sites", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("violations 0, errors 0") == 2


def test_without_an_identity_two_sites_are_told_each_other_s_values() -> None:
    """Where all databases are taken for one, the other's values are hot, and proved."""
    done = soak("--seconds", str(PATIENCE), "--sites", "2", "--broken", "identity")
    assert done.returncode == 1, done.stdout + done.stderr
    assert CAUGHT.search(done.stdout)


def test_outages_of_every_server_break_no_promise() -> None:
    """P1 to P5 under a schedule of outages; in the end all has converged, and no committed write is lost."""
    done = soak("--chaos", "--seconds", "20")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "violations 0, lost 0, errors 0"
    assert sum(f"  {server} " in done.stdout for server in ("cache", "database", "broker")) == 3, done.stdout


def test_a_hot_copy_that_is_believed_for_ever_is_caught() -> None:
    """Without the age of its proof what an older state of the cache holds is given as fresh, and stays so."""
    done = soak("--chaos", "--seconds", str(PATIENCE), "--broken", "proof", "--only", "cache restored")
    assert done.returncode == 1, done.stdout + done.stderr
    assert CAUGHT.search(done.stdout)
    assert any(text in done.stdout for text in ("due was change", "before it was dropped", AUDITED))


def test_a_lease_that_an_outage_leaves_standing_is_caught() -> None:
    """Where a lease that could not be given back stands for LEASE_TTL, callers wait in vain for a compute that ended:
    with no worker killed, that is an error."""
    outages = [argument for how in ("failed over", "hung", "swallowed") for argument in ("--only", f"cache {how}")]
    done = soak("--chaos", "--seconds", str(2 * PATIENCE), "--broken", "lease", *outages)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "ComputeTimeout" in done.stdout
