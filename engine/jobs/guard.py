"""The guard: puts containers back when the job that paused or stopped them dies.

`python -m engine.jobs.guard`, started by the job in a session of its own before it touches
anything. stdin is a pipe whose other end only the job holds. Through it comes the record, one line
of JSON, again for every stage of it, and, when the job has put everything back itself, `released`.
End of file without that means that the job is dead. It inherits the record's locks, so that the
containers stay the dead job's until they are put back. Until then it only waits, in about 10 MB:
nothing heavy is imported before.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

READY = b"ready\n"
RELEASED = b"released"
_PATIENCE = 900.0  # seconds for an engine that is being restarted; then the record has to do


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the job's end ends the guard
    record = rest = b""
    while chunk := os.read(0, 1 << 16):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line == RELEASED:
                return 0
            if not record:
                _say_ready()
            record = line
    return _act(record) if record else 0


def _say_ready() -> None:
    with contextlib.suppress(OSError):  # the job is gone: the end of its pipe says so
        os.write(1, READY)
        os.close(1)


def _act(line: bytes) -> int:
    """Put everything back, trying again while the engine is away."""
    from engine import wiring
    from engine.jobs import quiesce_record

    record = quiesce_record.from_json(line)
    _log(f"job {record.job} let go of {record.names}")
    until = time.monotonic() + _PATIENCE
    delay = 0.1
    while True:
        failed = list(quiesce_record.put_back(wiring.containers(record.docker), record, _log))
        if not failed:
            with contextlib.suppress(OSError):
                quiesce_record.erase(record)
            return 0
        for name, error in failed:
            _log(f"{name} could not be put back: {error}")
        if time.monotonic() > until:
            return 1  # the record stays: the next job, or doctor, puts back
        time.sleep(delay)
        delay = min(2 * delay, 10.0)


def _log(text: str) -> None:
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    print(moment, text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
