"""One object being written into a directory store: a hidden file that gets its name at the end."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.adapters.local_errors import translated
from engine.core.errors import ObjectExists, StoreError
from engine.core.object_key import TEMPORARY_MARK

HELD_BYTES = 64 << 20  # of parts that came before an earlier one; more than that waits
_WAIT_SECONDS = 600.0
_TEMPORARY = re.compile(
    r"\.(?P<name>.+)" + re.escape(TEMPORARY_MARK) + r"(?P<id>(?P<at>\d{8}T\d{6}Z)-[0-9a-f]{12})\Z"
)
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class Temporary:
    name: str
    upload_id: str
    started: datetime


def temporary_name(name: str, upload_id: str) -> str:
    return f".{name}{TEMPORARY_MARK}{upload_id}"


def parse_temporary(file_name: str) -> Temporary | None:
    """What a temporary file's name says; None for any other name."""
    match = _TEMPORARY.match(file_name)
    if not match:
        return None
    try:
        started = datetime.strptime(match["at"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return Temporary(match["name"], match["id"], started)


class LocalUpload:
    """Upload into a file. A part is written at once when all before it are known, else it is
    held (at most HELD_BYTES together) until they are."""

    def __init__(self, temporary: Path, target: Path, key: str) -> None:
        self._temporary = temporary
        self._target = target
        self._key = key
        self._fd = os.open(temporary, _CREATE, 0o600)
        self._lock = threading.Condition()
        self._placed: dict[int, tuple[int, int]] = {}  # number -> offset, length
        self._held: dict[int, bytes] = {}
        self._next = 1
        self._end = 0
        self._writing = 0
        self._broken = False  # a held part may be among what was not written

    def put_part(self, number: int, body: bytes | memoryview, sha256: bytes) -> None:
        ready = self._place(number, body)
        try:
            with translated(self._target, f"writing {self._key}"):
                for offset, content in ready:
                    _write(self._fd, content, offset)
        except BaseException:
            self._broken = True
            raise
        finally:
            with self._lock:
                self._writing -= 1
                self._lock.notify_all()

    def complete(self, *, replace: bool = False) -> None:
        """Make it durable and visible. With replace, in place of what is there."""
        with self._lock:
            self._check_open()
            if self._held or self._writing:
                raise StoreError(
                    f"{self._key} cannot be completed: part {self._next} is missing",
                    "Start this backup again.",
                )
        with translated(self._target, f"writing {self._key}"):
            os.fsync(self._fd)
            if replace:
                self._temporary.replace(self._target)
            else:
                self._link()
                self._temporary.unlink()
            sync_folder(self._target.parent)
        self._close()

    def abort(self) -> None:
        self._close()
        with (
            translated(self._target, f"dropping the unfinished {self._key}"),
            contextlib.suppress(FileNotFoundError, NotADirectoryError),
        ):
            self._temporary.unlink()

    def _link(self) -> None:
        try:
            os.link(self._temporary, self._target)
        except FileExistsError as error:
            raise ObjectExists(
                f"{self._key} exists already in this store",
                "Nothing was overwritten. Another job may have written it; list again.",
            ) from error
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                raise
            raise StoreError(
                f"the file system of {self._target.parent} has no hard links",
                "Put the store's directory on ext4, xfs, btrfs, zfs or NFS.",
            ) from error

    def _place(self, number: int, body: bytes | memoryview) -> list[tuple[int, bytes | memoryview]]:
        """Give parts their offsets; what is to be written now. Counts this writer in."""
        with self._lock:
            self._check_open()
            if number in self._placed:
                offset, length = self._placed[number]
                if length != len(body):
                    raise StoreError(
                        f"part {number} of {self._key} came twice with different lengths",
                        "This is a defect; please report it.",
                    )
                self._writing += 1
                return [(offset, body)]
            if number != self._next:
                self._hold(number, body)
            self._writing += 1
            return self._arranged(number, body) if number == self._next else []

    def _hold(self, number: int, body: bytes | memoryview) -> None:
        def may_go_on() -> bool:
            held = sum(map(len, self._held.values()))
            return self._fd < 0 or number == self._next or held + len(body) <= HELD_BYTES

        if not self._lock.wait_for(may_go_on, _WAIT_SECONDS):
            raise StoreError(
                f"part {self._next} of {self._key} did not come within {_WAIT_SECONDS:g} s",
                "Start this backup again.",
            )
        self._check_open()
        if number != self._next:
            self._held[number] = bytes(body)

    def _check_open(self) -> None:
        if self._fd < 0 or self._broken:
            raise StoreError(
                f"the write of {self._key} was dropped after a failure",
                "The first error of this job says why; start it again when that is mended.",
            )

    def _arranged(
        self, number: int, body: bytes | memoryview
    ) -> list[tuple[int, bytes | memoryview]]:
        ready: list[tuple[int, bytes | memoryview]] = []
        current: bytes | memoryview | None = body
        while current is not None:
            ready.append((self._end, current))
            self._placed[self._next] = (self._end, len(current))
            self._end += len(current)
            self._next += 1
            current = self._held.pop(self._next, None)
        self._lock.notify_all()
        return ready

    def _close(self) -> None:
        with self._lock:
            fd, self._fd = self._fd, -1
            self._held.clear()
            self._lock.notify_all()
            if fd >= 0:
                self._lock.wait_for(lambda: self._writing == 0, _WAIT_SECONDS)
        if fd >= 0:
            os.close(fd)


def _write(fd: int, content: bytes | memoryview, offset: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(fd, view, offset)
        view = view[written:]
        offset += written


def sync_folder(folder: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
