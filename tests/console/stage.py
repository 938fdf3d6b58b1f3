"""Runs the console on a fake engine in a process of its own, for tests over a pseudo-terminal.

`python -m tests.console.stage [slow] [hang] [idle] [fault]`: slow as with --slow-link; hang: the
engine never answers; idle: no job runs; fault: an answer that the console cannot draw.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any, cast

from console import terminal
from console.app import serve
from tests.console.fake_engine import FakeEngine, done_job


def main(words: list[str]) -> int:
    engine = FakeEngine()
    if "hang" in words:
        engine.hang = threading.Event()
    if "idle" in words:
        engine.journals = [done_job()]
    if "fault" in words:
        engine.sources = cast(Any, (None,))
    return serve(engine, terminal.judge(os.environ), slow_link="slow" in words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
