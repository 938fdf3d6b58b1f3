"""The keeper of a run: closes it when its owner is gone, however that came about.

``python -m tests.lab.keeper RUN`` is started by the lab itself. Ctrl-C in the owner's terminal
does not reach it, and a killed owner cannot forget it.
"""

from __future__ import annotations

import signal
import sys
import time

from tests.lab.places import Places
from tests.lab.runs import Run, close

PAUSE_SECONDS = 0.5


def keep(run: Run) -> None:
    """Return when the run is closed: by others, or by us after its owner's end or SIGTERM."""
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: asked.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while run.directory.exists():
        owner = run.owner()
        if asked or (owner is not None and not owner.alive):
            close(run)
            return
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    keep(Run(Places.of_this_machine(), sys.argv[1]))
