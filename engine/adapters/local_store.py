"""An object store in a directory: the local tier, and the store of those without a bucket.

Every object is one file, mode 0600. It is written under a hidden temporary name beside its
place, made durable, and only then linked to its name, so a reader sees all of it or nothing.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from engine.adapters.local_errors import translated
from engine.adapters.local_upload import (
    LocalUpload,
    parse_temporary,
    sync_folder,
    temporary_name,
)
from engine.core.errors import BucketMissing, ObjectMissing, ObjectTruncated, StoreError
from engine.core.object_key import checked_key
from engine.ports import PendingUpload, StoredObject, Upload

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW


class LocalStore:
    """ObjectStore over `root`/`prefix`. `root` must exist: a mount that is missing is an error,
    never an empty store. A key cannot be both an object and the folder of another one."""

    offsite = False

    def __init__(self, root: Path, name: str = "", prefix: str = "") -> None:
        self._root = root
        self._base = root / checked_key(prefix.strip("/")) if prefix.strip("/") else root
        self._name = name or f"directory:{self._base}"
        self._folders = threading.Lock()

    @property
    def name(self) -> str:
        return self._name

    def put(self, key: str, body: bytes, *, if_absent: bool = False) -> None:
        upload = self._begin(key)
        try:
            upload.put_part(1, body, b"")
            upload.complete(replace=not if_absent)
        finally:
            upload.abort()

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        path = self._path(key)
        with translated(path, f"reading {key}"):
            try:
                fd = os.open(path, _READ)
            except (FileNotFoundError, NotADirectoryError) as error:
                raise self._missing(key) from error
            try:
                status = os.fstat(fd)
                if not stat.S_ISREG(status.st_mode):
                    raise self._missing(key)
                size = status.st_size
                wanted = max(size - start, 0) if length is None else length
                if start + wanted > size or start > size:
                    raise ObjectTruncated(
                        f"{key} in {self.name} has {size} bytes where {start + wanted} are needed",
                        "Verify this snapshot, and use another copy or an earlier one.",
                    )
                return _read(fd, start, wanted, key)
            finally:
                os.close(fd)

    def size(self, key: str) -> int:
        path = self._path(key)
        with translated(path, f"reading {key}"):
            try:
                status = path.lstat()
            except (FileNotFoundError, NotADirectoryError) as error:
                raise self._missing(key) from error
        if not stat.S_ISREG(status.st_mode):
            raise self._missing(key)
        return status.st_size

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        for key, entry in self._walk(prefix):
            if parse_temporary(entry.name) is None and _valid(key):
                with contextlib.suppress(FileNotFoundError):  # deleted while we look
                    status = entry.stat(follow_symlinks=False)
                    modified = datetime.fromtimestamp(status.st_mtime, UTC)
                    yield StoredObject(key, status.st_size, modified)

    def begin_upload(self, key: str) -> Upload:
        return self._begin(key)

    def delete(self, key: str) -> None:
        path = self._path(key)
        self._check_root()
        with translated(path, f"deleting {key}"):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                path.unlink()
            self._drop_empty_folders(path.parent)

    def pending_uploads(self, prefix: str = "") -> Sequence[PendingUpload]:
        found = []
        for key, entry in self._walk(prefix, partial=False):
            parsed = parse_temporary(entry.name)
            if parsed:
                folder = key.rpartition("/")[0]
                whole = f"{folder}/{parsed.name}" if folder else parsed.name
                if whole.startswith(prefix):
                    found.append(PendingUpload(whole, parsed.upload_id, parsed.started))
        return found

    def abort_upload(self, upload: PendingUpload) -> None:
        path = self._path(upload.key)
        temporary = path.with_name(temporary_name(path.name, upload.upload_id))
        with translated(path, f"dropping the unfinished {upload.key}"):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                temporary.unlink()
            self._drop_empty_folders(path.parent)

    # ------------------------------------------------------------ within

    def _path(self, key: str) -> Path:
        return self._base / checked_key(key)

    def _check_root(self) -> None:
        if not self._root.is_dir():
            raise BucketMissing(
                f"the store's directory {self._root} does not exist",
                f"Mount it if it is a disk of its own, or create it: mkdir -m 700 {self._root}",
            )

    def _missing(self, key: str) -> StoreError:
        self._check_root()
        return ObjectMissing(
            f"there is no {key} in {self.name}",
            "List the snapshots again; it may have been pruned.",
        )

    def _begin(self, key: str) -> LocalUpload:
        path = self._path(key)
        self._check_root()
        started = datetime.now(UTC)
        upload_id = f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(6)}"
        temporary = path.with_name(temporary_name(path.name, upload_id))
        with translated(path, f"writing {key}"), self._folders:
            for _ in range(5):  # another program's prune may drop the folder as we make it
                self._make_folders(path.parent)
                with contextlib.suppress(FileNotFoundError):
                    return LocalUpload(temporary, path, key)
            raise StoreError(f"the folder of {key} keeps vanishing", "Try again.")

    def _make_folders(self, folder: Path) -> None:
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for path in reversed(missing):
            with contextlib.suppress(FileExistsError):
                path.mkdir(mode=0o700)
            sync_folder(path.parent)

    def _drop_empty_folders(self, folder: Path) -> None:
        with self._folders, contextlib.suppress(OSError):  # not empty: the usual end
            while folder not in (self._base, self._root):
                folder.rmdir()
                folder = folder.parent

    def _walk(self, prefix: str, *, partial: bool = True) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """Files below the base whose key starts with prefix; with partial off, all files of the
        folder that prefix ends in. Folders that vanish meanwhile are passed over."""
        self._check_root()
        folders = [prefix.rpartition("/")[0]]
        while folders:
            folder = folders.pop()
            if folder and not _valid(folder):
                continue
            path = self._base / folder
            with translated(path, f"listing {self.name}"):
                try:
                    entries = list(os.scandir(path))
                except (FileNotFoundError, NotADirectoryError):
                    continue
            for entry in entries:
                key = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    if f"{key}/".startswith(prefix) or prefix.startswith(f"{key}/"):
                        folders.append(key)
                elif entry.is_file(follow_symlinks=False) and (
                    not partial or key.startswith(prefix)
                ):
                    yield key, entry


def _read(fd: int, start: int, length: int, key: str) -> bytes:
    first = os.pread(fd, length, start)
    if len(first) == length:
        return first
    pieces, got = [first], len(first)
    while got < length:
        piece = os.pread(fd, length - got, start + got)
        if not piece:
            raise ObjectTruncated(
                f"{key} was cut short while it was read", "Verify this snapshot, then try again."
            )
        pieces.append(piece)
        got += len(piece)
    return b"".join(pieces)


def _valid(key: str) -> bool:
    try:
        checked_key(key)
    except StoreError:
        return False
    return True
