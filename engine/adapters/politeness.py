"""Making this process, and the children it will start, stand back for others."""

from __future__ import annotations

import contextlib
import os

from engine.adapters import command
from engine.core.commands import Command
from engine.core.errors import MentatError
from engine.core.transfer import IoClass

_CLASSES = {"best-effort": ("-c", "2", "-n", "7"), "idle": ("-c", "3")}


def stand_back(nice: int, io: IoClass) -> str:
    """Lower the priorities of this process; children inherit them. What could not be lowered, as
    one line, empty for nothing: it is never a reason not to work. Call it before threads start:
    the kernel keeps the I/O class by thread."""
    with contextlib.suppress(OSError):  # already nicer than that
        if os.getpriority(os.PRIO_PROCESS, 0) < nice:
            os.setpriority(os.PRIO_PROCESS, 0, nice)
    if io == "none":
        return ""
    try:
        argv = ("ionice", *_CLASSES[io], "-p", str(os.getpid()))
        command.run(Command(argv, label="ionice"), timeout=10)
    except MentatError as error:
        return f"the I/O class could not be lowered: {error.message}"
    return ""
