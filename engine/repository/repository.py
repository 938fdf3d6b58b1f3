"""The repository: snapshots over one object store and one cipher."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from engine.core.errors import (
    DamageError,
    ManifestAltered,
    MentatError,
    ObjectExists,
    ObjectMissing,
    StoreError,
    UsageError,
)
from engine.core.snapshot import (
    ROOT,
    Artifact,
    Manifest,
    Method,
    SnapshotEntry,
    SnapshotId,
)
from engine.ports import Cipher, ObjectStore, SignatureCheck, StoredObject
from engine.repository import inventory, manifest_codec
from engine.repository.reading import read_artifact
from engine.repository.writing import ArtifactWriter


@dataclass(frozen=True, slots=True)
class Opened:
    """A manifest as it was fetched, and what its signature proves."""

    manifest: Manifest
    document: bytes
    signature: SignatureCheck


def new_id(host: str, source: str, at: datetime, method: Method) -> SnapshotId:
    """A fresh snapshot id; the random part keeps two of one second apart."""
    return SnapshotId(host, source, at.replace(microsecond=0), method, secrets.token_hex(4))


class Repository:
    """Snapshots in `store`, copied to and read from `local` (the local tier) where there is one."""

    def __init__(
        self, store: ObjectStore, cipher: Cipher, local: ObjectStore | None = None
    ) -> None:
        self.store = store
        self.cipher = cipher
        self.local = local

    # writing

    def write_artifact(self, snapshot: SnapshotId, name: str) -> ArtifactWriter:
        return ArtifactWriter(self.store, snapshot.artifact_key(name), self.local)

    def commit(self, manifest: Manifest) -> list[MentatError]:
        """Make the snapshot exist: signature, then the manifest, written last and only once.

        Returns what kept the local tier from having it too."""
        document = manifest_codec.encode(manifest)
        signature = self.cipher.sign(document)
        snapshot = manifest.id
        _put_once(self.store, snapshot.signature_key, signature)
        _put_once(self.store, snapshot.manifest_key, document)
        if self.local is None:
            return []
        try:
            for artifact in manifest.artifacts:
                self.local.size(snapshot.artifact_key(artifact.name))
            self.local.put(snapshot.signature_key, signature, if_absent=True)
            self.local.put(snapshot.manifest_key, document, if_absent=True)
        except MentatError as error:
            return [error]
        return []

    def set_aside(self, snapshot: SnapshotId) -> None:
        """Mark a snapshot, before its commit, as data that a restore is about to replace."""
        for store in self._stores():
            try:
                store.put(snapshot.aside_key, b"{}\n")
            except MentatError:
                if store is self.store:
                    raise

    def discard(self, snapshot: SnapshotId) -> None:
        """Remove the debris of a snapshot that was not committed; what fails is left to prune."""
        for store in self._stores():
            try:
                keys = [item.key for item in store.list(snapshot.prefix)]
                if snapshot.manifest_key in keys:
                    continue
                for key in keys:
                    store.delete(key)
            except StoreError:
                continue

    def write_recovery_text(self, text: str) -> None:
        self.store.put("RECOVERY.md", text.encode())
        if self.local is not None:
            with contextlib.suppress(StoreError):  # a broken local tier was told with its snapshot
                self.local.put("RECOVERY.md", text.encode())

    def record_proof(
        self, snapshot: SnapshotId, at: datetime, how: str, facts: dict[str, Any]
    ) -> None:
        """Keep in the store that this snapshot was proven (`restored`, `verified`)."""
        body = msgspec.json.encode({"snapshot": snapshot.ref, "at": at, "how": how, **facts})
        self.store.put(inventory.proof_key(snapshot, at, how), body)

    # reading

    def entries(self, host: str = "", source: str = "") -> list[SnapshotEntry]:
        """Snapshots and debris of a host's source, of a host or of all, newest first."""
        return inventory.entries(self._listed(self.store, host, source))

    def restorable(self, host: str, source: str) -> list[SnapshotEntry]:
        """`entries` for a restore: the local tier's when the store does not answer and the local
        tier has any."""
        try:
            return self.entries(host, source)
        except StoreError:
            if self.local is None:
                raise
            rows = []
            with contextlib.suppress(StoreError):
                rows = inventory.entries(self._listed(self.local, host, source))
            if not rows:
                raise
            return rows

    @staticmethod
    def _listed(store: ObjectStore, host: str, source: str) -> Iterator[StoredObject]:
        if host and source:
            yield from store.list(f"{ROOT}/{host}/{source}/")
            yield from store.list(f"{ROOT}/{host}/journal/proofs/{source}/")
        else:
            yield from store.list(f"{ROOT}/{host}/" if host else f"{ROOT}/")

    def open(self, snapshot: SnapshotId) -> Opened:
        """Fetch the manifest and check its signature; what to make of it is the caller's.

        UsageError when there is no such snapshot; DamageError for a document that is none."""
        document, signature = self._fetch(snapshot)
        if signature is None:
            check = SignatureCheck(False, problem="it is not signed")
        else:
            check = self.cipher.verify(document, signature)
        manifest = manifest_codec.decode(document)
        if manifest.id != snapshot:
            raise ManifestAltered(
                f"the manifest at {snapshot.manifest_key} is of another snapshot "
                f"({manifest.id.ref})",
                "Someone moved or copied objects in the bucket. Choose another snapshot.",
            )
        return Opened(manifest, document, check)

    def _fetch(self, snapshot: SnapshotId) -> tuple[bytes, bytes | None]:
        failure: StoreError | None = None
        for store in self._stores(local_first=False):
            try:
                document = store.get(snapshot.manifest_key)
                try:
                    return document, store.get(snapshot.signature_key)
                except ObjectMissing:
                    return document, None
            except StoreError as error:
                failure = failure or error
        assert failure is not None
        if isinstance(failure, ObjectMissing):
            raise UsageError(
                f"there is no snapshot {snapshot.ref} of {snapshot.source}",
                "`mentat-dr snapshots` lists those there are.",
            ) from failure
        raise failure

    def trusted(self, snapshot: SnapshotId, accept_unsigned: str = "") -> Manifest:
        """The manifest, only if its signature is good or the operator typed the snapshot's ref."""
        opened = self.open(snapshot)
        if not opened.signature.good and accept_unsigned != snapshot.ref:
            raise ManifestAltered(
                f"the manifest of {snapshot.ref} cannot be trusted: {opened.signature.problem}",
                "Restore another snapshot, or, if you know why, add "
                f"--accept-unsigned {snapshot.ref}",
            )
        return opened.manifest

    def read(
        self,
        snapshot: SnapshotId,
        artifact: Artifact,
        on_fallback: Callable[[ObjectStore, MentatError], None],
    ) -> Generator[bytes, None, None]:
        """The artifact's stored bytes, proven part by part; the local tier is tried first."""
        return read_artifact(
            self._stores(local_first=True),
            snapshot.artifact_key(artifact.name),
            artifact,
            on_fallback,
        )

    def holds(self, snapshot: SnapshotId, artifact: Artifact) -> None:
        """Prove by size that the store has the artifact: called after an upload."""
        size = self.store.size(snapshot.artifact_key(artifact.name))
        if size != artifact.stored_bytes:
            raise DamageError(
                f"{self.store.name} holds {size} bytes of {artifact.name}, "
                f"{artifact.stored_bytes} were sent",
                "Run the backup again; if it happens again, the store is at fault.",
            )

    def _stores(self, *, local_first: bool = True) -> Sequence[ObjectStore]:
        if self.local is None:
            return (self.store,)
        return (self.local, self.store) if local_first else (self.store, self.local)


def _put_once(store: ObjectStore, key: str, body: bytes) -> None:
    """Put what must not be there. An answer that was lost makes the store refuse the second
    attempt, though the first has done it."""
    try:
        store.put(key, body, if_absent=True)
    except ObjectExists:
        if store.get(key) != body:
            raise


def choose(rows: Sequence[SnapshotEntry], wanted: str, source: str) -> SnapshotEntry:
    """The committed snapshot behind `latest`, a ref or a unique start of a ref or an id.

    `rows` are of one source, newest first. `latest` passes over what was saved before a restore
    replaced it, since that may be what was ruined. UsageError, with candidates, when none or
    several fit.
    """
    usable = [row for row in rows if row.committed]
    if not usable:
        raise UsageError(
            f"there is no snapshot of {source}", "`mentat-dr snapshots` lists all there are."
        )
    if wanted == "latest":
        return next((row for row in usable if not row.aside), usable[0])
    fits = [
        r for r in usable if wanted and (r.id.ref.startswith(wanted) or r.id.id.startswith(wanted))
    ]
    if len(fits) == 1:
        return fits[0]
    near = ", ".join(row.id.ref for row in (fits or usable)[:3])
    problem = f"{len(fits)} snapshots" if fits else "no snapshot"
    raise UsageError(
        f"{problem} of {source} match {wanted!r}", f"Give one of them in full, such as: {near}"
    )


def without_uncommitted(rows: Sequence[SnapshotEntry]) -> list[SnapshotEntry]:
    return [row for row in rows if row.committed]
