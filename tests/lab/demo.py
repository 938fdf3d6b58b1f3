"""`python -m tests.lab.demo`: a shop, its backups and its recovery, live.

With HEADLESS=1 in the environment the whole story without a terminal: exit code 0 when all was
recovered, 1 when something differs. Otherwise the console opens on the shop; quitting it ends
everything. So do Ctrl-C, SIGTERM and a lost terminal.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from tests.demo import story
from tests.demo.phases import Phases
from tests.lab import Lab, LabError

_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Stopped(BaseException):
    """A signal asked us to end; its number is the argument."""


def main() -> int:
    headless = os.environ.get("HEADLESS", "") not in ("", "0")
    if not headless and not (sys.stdin.isatty() and sys.stdout.isatty()):
        print("demo: no terminal here; for the story without one: make demo HEADLESS=1")
        return 2
    for number in _SIGNALS:
        signal.signal(number, _stop)
    phases = Phases()
    phases.say("mentat-dr: a shop is backed up, loses everything, and is brought back")
    phases.say()
    try:
        with Lab.start() as lab, story.stage(lab, phases) as stage:
            if headless:
                return 1 if story.play(stage) else 0
            story.show(stage)
            return 0
    except LabError as error:
        phases.say(f"\ndemo: {error}")
        if headless:
            phases.say("RESULT: NOT recovered")
        return 1
    except Stopped as asked:
        return 128 + int(asked.args[0])


def _stop(number: int, _frame: FrameType | None) -> None:
    # Cleaning up is not to be interrupted by a second one.
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)


if __name__ == "__main__":
    sys.exit(main())
