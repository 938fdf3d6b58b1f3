"""A restore that meets its end around an exchange: `python -m tests.faults.dying_restore`.

Arguments: config, job id, request (JSON), when (`before` or `after`), which exchange (from 1), how
(`kill`, `cancel`, `full`; `spoil` goes on with a database that cannot start; `clear` restores
nothing). Everything but the exchange's surroundings is the product's own.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import msgspec

from engine import settings_file, wiring
from engine.adapters import volume_kernel
from engine.core.errors import Cancelled, MentatError
from engine.core.events import Event
from engine.core.recovery import RestoreRequest
from engine.jobs import debris
from engine.jobs.lease import Lease
from engine.jobs.quiesce import quiesced
from engine.operations.restore import restore

_exchange = volume_kernel.exchange


def end(how: str) -> None:
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "cancel":
        raise Cancelled("the job was cancelled")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/somewhere")


def arm(when: str, which: int, how: str) -> None:
    done = 0

    def exchange(new: Path, live: Path) -> None:
        nonlocal done
        done += 1
        if done == which and when == "before":
            end(how)
        _exchange(new, live)
        if done == which and when == "after":
            if how == "spoil":
                (live / "ibdata1").write_bytes(b"ruined" * 1000)
            else:
                end(how)

    volume_kernel.exchange = exchange


def main(config: str, job: str, request: str, when: str, which: str, how: str) -> int:
    settings = settings_file.load(Path(config))
    containers = wiring.containers(settings.docker)

    def emit(event: Event) -> None:
        print(event, flush=True)

    around = wiring.Surroundings(
        lease=lambda source: Lease.acquire(settings.state, source, job, "restore", emit=emit),
        quiesced=lambda names, way: quiesced(containers, names, way, settings.state, job, emit),
        emit=emit,
        job_id=job,
    )
    ctx = wiring.context(replace(settings), around)
    debris.clear(ctx)
    if how != "clear":
        arm(when, int(which), how)
        try:
            restore(ctx, msgspec.convert(json.loads(request), RestoreRequest), None)
        except MentatError as error:
            print(f"{error.code}: {error.message}")
            return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
