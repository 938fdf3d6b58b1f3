"""One quiescence from the first pause to the last put-back: record, guard, containers."""

from __future__ import annotations

import contextlib
import errno
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.core.errors import (
    ConfigurationError,
    ContainersError,
    MentatError,
    NoSpace,
    SourceMissing,
)
from engine.core.events import CommandStarted, Emit, Warned
from engine.jobs import quiesce_record
from engine.jobs.guarding import Guards
from engine.jobs.locks import Lock
from engine.jobs.quiesce_record import STOP_SECONDS, Quiescence, Quieted
from engine.ports import Container, Containers


@contextlib.contextmanager
def quiet(
    containers: Containers,
    chosen: Sequence[Container],
    how: str,
    state: Path,
    job_id: str,
    emit: Emit,
    owned: Sequence[Lock],
) -> Iterator[None]:
    """Quiet the chosen ones, in their order, for the block. `owned` are the containers' locks:
    freed at the end, by the guard's end where that has to finish."""
    name = f"{job_id}-{secrets.token_hex(4)}.json"
    record = Quiescence(
        job=job_id,
        how=how,
        docker=str(getattr(containers, "host", "")),
        containers=tuple(Quieted(c.id, c.name) for c in chosen),
        file=str((quiesce_record.folder(state) / name).absolute()),
    )
    locks = [Lock.take(record.lock), *owned]
    quieting = _Quieting(containers, record, Guards(record, locks, emit), emit)
    try:
        with quieting.at_work():
            yield
        for lock in locks:
            lock.release()
    finally:
        for lock in locks:
            lock.leave()  # not freed where a guard still works


class _Quieting:
    def __init__(
        self, containers: Containers, record: Quiescence, guards: Guards, emit: Emit
    ) -> None:
        self._containers = containers
        self._record = record
        self._guards = guards
        self._emit = emit
        self._written = True

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        try:
            guarded = self._guards.start()
            self._write(guarded)
            try:
                for quieted in self._record.containers:
                    self._quiet(quieted)
                yield
            finally:
                failed = self._put_back()
            if failed:
                raise failed
        finally:
            self._guards.abandon()

    def _write(self, guarded: bool) -> None:
        """The record stands before anything is touched; on a full disk the guard has to do."""
        try:
            quiesce_record.write(self._record)
        except OSError as error:
            if not guarded:
                raise unwritable(Path(self._record.file), error) from error
            self._written = False
            said = error.strerror or str(error)
            self._emit(
                Warned("no-record", f"a quiesced container could not be written down: {said}")
            )

    def _quiet(self, quieted: Quieted) -> None:
        self._emit(CommandStarted(("docker", self._record.how, quieted.name)))
        self._advance(quieted, "begun")
        try:
            if self._record.how == "pause":
                self._containers.pause(quieted.id)
            else:
                self._containers.stop(quieted.id, STOP_SECONDS)
        except SourceMissing:
            self._emit(Warned("container-gone", f"{quieted.name} was removed, not quieted"))
        self._advance(quieted, "done")

    def _advance(self, quieted: Quieted, stage: quiesce_record.Stage) -> None:
        self._record = self._record.at(quieted.id, stage)
        self._guards.update(self._record)
        if self._written:
            self._write(guarded=True)

    def _put_back(self) -> ContainersError | None:
        """The first error, with all others told; the guard and the record stay for it then."""
        verb = {"pause": "unpause", "stop": "start"}[self._record.how]
        for quieted in reversed(self._record.containers):
            if quieted.stage != "planned":
                self._emit(CommandStarted(("docker", verb, quieted.name)))
        first: ContainersError | None = None
        told: list[str] = []
        for name, error in quiesce_record.put_back(self._containers, self._record, told.append):
            first = first or error
            self._emit(Warned("not-put-back", f"{name} could not be put back yet: {error.message}"))
        for sentence in told:
            if "is started again" not in sentence and "goes on" not in sentence:
                self._emit(Warned("not-put-back", sentence))
        if first is None:
            try:
                quiesce_record.erase(self._record)
            except OSError as error:
                self._emit(Warned("record-left", f"{self._record.file}: {error.strerror}"))
            self._guards.release()
        return first


def unwritable(path: Path, error: OSError) -> MentatError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(f"no space for {path}", "Free space; no container was touched.")
    return ConfigurationError(
        f"{path} cannot be written: {error.strerror}",
        "Let the state directory be writable by this user; no container was touched.",
    )
