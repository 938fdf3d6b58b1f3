"""The process of a job: `python -m engine.jobs.worker FOLDER`. Started by `launch` only."""

from __future__ import annotations

import argparse
import os
import resource
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from engine.core.errors import DONE, DONE_WITH_WARNINGS, Cancelled, HeldError, MentatError
from engine.core.events import Emit, Failed, Result, Started, Warned
from engine.jobs import folder as folders
from engine.jobs import folds, handover, journal, locks, procfs
from engine.jobs.folder import Folder
from engine.jobs.identity import host_name, user_name
from engine.jobs.signals import Cancelling, cancelled
from engine.jobs.teller import Teller

_EXIT_PATIENCE = 10.0  # seconds for stray threads and exit handlers after the last event


class Runner(Protocol):
    """What does the work: engine.jobs.dispatch.run_operation, or a test's own."""

    def __call__(
        self,
        operation: str,
        request: Mapping[str, Any],
        *,
        config_file: Path,
        state: Path,
        job_id: str,
        secrets: Mapping[str, bytes],
        emit: Emit,
    ) -> Result: ...


def main(
    path: Path,
    *,
    runner: Runner | None = None,
    lock_fd: int | None = None,
    secrets_fd: int | None = None,
) -> int:
    """Run the job in this folder to its end and return its exit code. Call it once per process,
    in the main thread. Prints, and writes nothing, when the job was run before or runs now."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold the secrets
    folder = Folder(path)
    cancelling = Cancelling()
    try:
        lock = _take(folder, lock_fd)
    except MentatError as error:
        print(error.message, error.remedy, sep="\n", file=sys.stderr)
        return error.exit_code
    with lock, journal.Journal(folder.journal) as writer:
        teller = Teller(writer, folder.reserve)
        end: Result | Failed
        try:
            try:
                end = _run(folder, lock, runner or _dispatched, secrets_fd, teller)
            finally:
                cancelling.stop()
                _end_children(teller)
        except BaseException as error:  # noqa: BLE001 - whatever it was becomes the job's end
            end = _failure(error, folder, asked=cancelling.asked)
        teller.end(end)
        _clean(folder)
    if isinstance(end, Failed):
        return end.exit_code
    return DONE_WITH_WARNINGS if end.outcome == "warnings" else DONE


def _take(folder: Folder, lock_fd: int | None) -> locks.Lock:
    """The job's lock, and proof that the job was not begun before. HeldError otherwise."""
    try:
        if lock_fd is None:
            lock = locks.Lock.take(folder.lock)
        else:
            lock = locks.Lock.adopt(folder.lock, lock_fd)
    except locks.Busy:
        raise HeldError(f"job {folder.id} runs already", "Watch it instead.") from None
    records, _ = journal.read(folder.journal)
    if any(isinstance(record.event, Started | Result | Failed) for record in records):
        lock.release()
        raise HeldError(f"job {folder.id} was begun before", "Start the operation again.")
    return lock


def _run(
    folder: Folder, lock: locks.Lock, runner: Runner, secrets_fd: int | None, teller: Teller
) -> Result:
    spec = folders.read_spec(folder)
    lock.note(locks.myself(spec.job, spec.operation, user_name(), journal.utc_now()))
    teller(Started(os.getpid(), host_name()))
    parcel = handover.Parcel()
    if spec.secrets or spec.environment:
        parcel = handover.receive(secrets_fd, folder.fifo)
        teller.hide([*parcel.secrets.values(), *map(str.encode, parcel.environment.values())])
        os.environ.update(parcel.environment)
    result = runner(
        spec.operation,
        spec.request,
        config_file=Path(spec.config_file),
        state=Path(spec.state),
        job_id=spec.job,
        secrets=parcel.secrets,
        emit=teller,
    )
    if not isinstance(result, Result):
        raise TypeError(f"{spec.operation} gave {type(result).__name__} instead of a Result")
    return result


def _dispatched(*args: Any, **kwargs: Any) -> Result:
    from engine.jobs.dispatch import run_operation

    return run_operation(*args, **kwargs)


def _end_children(teller: Teller) -> None:
    """The owners of children end them; this is for those an owner lost. The guard of paused
    containers has a session of its own and stays."""
    if os.getsid(0) != os.getpid():
        return  # run by hand in somebody's session
    ended = procfs.end(procfs.in_session(os.getpid()))
    if ended:
        teller(Warned("children-left", f"{ended} child processes still ran and were ended"))


def _failure(error: BaseException, folder: Folder, *, asked: bool) -> Failed:
    detail = "".join(traceback.format_exception(error))
    if asked and not isinstance(error, Cancelled):
        # A library may turn the Cancelled that interrupts it into an error of its own.
        error = cancelled()
    if isinstance(error, MentatError):
        return Failed(error.code, error.message, error.remedy, error.exit_code, detail)
    if isinstance(error, MemoryError):
        return Failed(
            "no-memory", "the machine ran out of memory", "Free some and start it again.", 1, detail
        )
    text = str(error).strip().splitlines()
    return Failed(
        "unexpected",
        f"{type(error).__name__}: {text[0][:500]}" if text else type(error).__name__,
        f"This is a defect of mentat-dr. Report it with {folder.journal}; it may help to start "
        "the operation again.",
        1,
        detail,
    )


def _clean(folder: Folder) -> None:
    """Spare readers the journal, and make room for jobs to come. The job has ended well or badly;
    this changes nothing of it."""
    try:
        folds.fold_of(folder)
        folders.remove_old(folder.path.parent.parent, journal.utc_now())
    except (OSError, MentatError) as error:
        print(f"old jobs could not be removed: {error}", file=sys.stderr)


def entry(argv: Sequence[str], runner: Runner | None = None) -> int:
    parser = argparse.ArgumentParser(prog="engine.jobs.worker")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lock-fd", type=int)
    parser.add_argument("--secrets-fd", type=int)
    given = parser.parse_args(argv)
    code = main(given.folder, runner=runner, lock_fd=given.lock_fd, secrets_fd=given.secrets_fd)
    # The end is written; a thread stuck in a network call must not keep the process.
    stuck = threading.Timer(_EXIT_PATIENCE, os._exit, (code,))
    stuck.daemon = True
    stuck.start()
    return code


if __name__ == "__main__":
    # Threads that pump streams meet one that walks a tree: let it not keep them waiting 5 ms for
    # each of their system calls.
    sys.setswitchinterval(0.0005)
    sys.exit(entry(sys.argv[1:]))
