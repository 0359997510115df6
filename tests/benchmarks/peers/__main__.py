"""The process of one peer: `python -m tests.benchmarks.peers`. It answers lines of JSON with lines of JSON."""

import json
import os
import sys
from typing import Any, TextIO

import django


def main() -> None:
    """Be the peer that the environment names."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a peer prints is no answer
    try:
        child = ready()
    except Exception as error:  # noqa: BLE001  (whatever keeps a peer from working here is told of it)
        say(answers, missing=describe(error))
        return
    say(answers, told=None)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            say(answers, told=getattr(child, asked.pop("verb"))(**asked))
        except Exception as error:  # noqa: BLE001  (one job that fails is told of; the others go on)
            say(answers, failed=describe(error))


def ready() -> Any:
    """Set Django up, and the peer."""
    django.setup()
    from .child import Child

    return Child(os.environ["PEER"], joins=bool(os.environ.get("PEER_JOINS")))


def describe(error: Exception) -> str:
    """Give an error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]


def say(answers: TextIO, **answer: Any) -> None:
    """Write an answer."""
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
