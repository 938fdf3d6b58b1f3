"""The repository: snapshots over one object store and one cipher."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
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
from engine.repository.copies import (
    Away,
    Passed,
    every_answer,
    first_answer,
    merged,
    worst_of,
)
from engine.repository.reading import read_artifact
from engine.repository.writing import ArtifactWriter


@dataclass(frozen=True, slots=True)
class Opened:
    """A manifest as it was fetched, what its signature proves, which store it came from, and
    which stores were passed over before that one."""

    manifest: Manifest
    document: bytes
    signature: SignatureCheck
    signed: bytes | None = None  # the signature's document; None: there is none
    store: str = ""
    passed: tuple[Passed, ...] = ()


@dataclass(frozen=True, slots=True)
class Inventory:
    """What one store holds; `passed` are those that did not answer before it."""

    store: str
    rows: list[SnapshotEntry]
    passed: tuple[Passed, ...] = ()


def new_id(host: str, source: str, at: datetime, method: Method) -> SnapshotId:
    """A fresh snapshot id; the random part keeps two of one second apart."""
    return SnapshotId(host, source, at.replace(microsecond=0), method, secrets.token_hex(4))


class Repository:
    """Snapshots in `store`, copied to and read from `local` (the local tier) where there is one.

    `replicas` hold copies: what cannot be read whole from one store is read from the next.
    `reading` is the one of them that is asked before `store`, after a failover for reading.
    """

    def __init__(
        self,
        store: ObjectStore,
        cipher: Cipher,
        local: ObjectStore | None = None,
        replicas: Sequence[ObjectStore] = (),
        reading: ObjectStore | None = None,
    ) -> None:
        self.store = store
        self.cipher = cipher
        self.local = local
        self.replicas = tuple(replicas)
        first = (reading,) if reading is not None else ()
        behind = (s for s in (store, *replicas) if s is not reading)
        self.mirrors: tuple[ObjectStore, ...] = (*first, *behind)
        self._away = Away()
        self._served: dict[SnapshotId, set[str]] = {}

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
        for store in self._written():
            try:
                store.put(snapshot.aside_key, b"{}\n")
            except MentatError:
                if store is self.store:
                    raise

    def mark_base(self, snapshot: SnapshotId, base: str) -> None:
        """Let a LIST tell, before the commit, what an incremental builds on; its manifest does,
        too."""
        for store in self._written():
            try:
                store.put(snapshot.base_key(base), b"{}\n")
            except MentatError:
                if store is self.store:
                    raise

    def discard(self, snapshot: SnapshotId) -> None:
        """Remove the debris of a snapshot that was not committed; what fails is left to prune."""
        for store in self._written():
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
    ) -> bool:
        """Keep in the store that this snapshot was proven (`restored`), and from which stores it
        was read. True when all came from this store: what another served proves nothing of the
        copy here, and is kept under a name that does not count as a proof of it."""
        stores = sorted(self._served.get(snapshot, ()))
        here = stores == [self.store.name]
        how = how if here else f"{how}-elsewhere"
        proof = {"snapshot": snapshot.ref, "at": at, "how": how, "stores": stores, **facts}
        self.store.put(inventory.proof_key(snapshot, at, how), msgspec.json.encode(proof))
        return here

    # reading

    def entries(self, host: str = "", source: str = "") -> list[SnapshotEntry]:
        """Snapshots and debris of a host's source, of a host or of all, newest first."""
        return inventory.entries(self._listed(self.store, host, source))

    def inventory(self, host: str = "", source: str = "") -> Inventory:
        """`entries` of the first store that answers and has snapshots: the primary's unless it is
        away, or was emptied while another store has some. The primary's error when none answers."""

        def ask(store: ObjectStore) -> list[SnapshotEntry]:
            rows = inventory.entries(self._listed(store, host, source))
            if any(row.committed for row in rows):
                return rows
            empty.setdefault(store.name, rows)
            raise ObjectMissing(f"{store.name} holds no snapshots of it")

        empty: dict[str, list[SnapshotEntry]] = {}
        stores = self._stores(local_first=False)
        try:
            store, rows, passed = first_answer(stores, self._away, ask)
        except ObjectMissing:
            return Inventory(stores[0].name, empty[stores[0].name])
        return Inventory(store.name, rows, passed)

    def restorable(self, host: str, source: str) -> list[SnapshotEntry]:
        """What can be restored from any store: the primary's, the local tier's and the replicas'
        snapshots in one list. The primary's error when none of them answers or has any."""
        behind = (self.local,) if self.local is not None else ()
        answers = every_answer(
            (*self.mirrors, *behind),
            self._away,
            lambda store: inventory.entries(self._listed(store, host, source)),
        )
        rows = merged(rows for _, rows in answers if not isinstance(rows, StoreError))
        primary = answers[0][1]
        if isinstance(primary, StoreError) and not rows:
            raise primary
        return rows

    def replica_entries(self, host: str) -> list[list[SnapshotEntry] | StoreError]:
        """What each replica holds of a host, in the order of `replicas`, or why it does not say."""
        answers = every_answer(
            self.replicas,
            self._away,
            lambda store: inventory.entries(self._listed(store, host, "")),
        )
        return [answer for _, answer in answers]

    def copies_entries(self) -> list[list[SnapshotEntry] | StoreError]:
        """What each replica and then the local tier holds of all hosts, or why it does not say."""
        stores = (*self.replicas, *((self.local,) if self.local is not None else ()))
        answers = every_answer(
            stores, self._away, lambda store: inventory.entries(self._listed(store, "", ""))
        )
        return [answer for _, answer in answers]

    @staticmethod
    def _listed(store: ObjectStore, host: str, source: str) -> Iterator[StoredObject]:
        if host and source:
            yield from store.list(f"{ROOT}/{host}/{source}/")
            yield from store.list(f"{ROOT}/{host}/journal/proofs/{source}/")
        else:
            yield from store.list(f"{ROOT}/{host}/" if host else f"{ROOT}/")

    def open(self, snapshot: SnapshotId) -> Opened:
        """Fetch the manifest from the first store where its signature proves it; from the first
        that has one when none is proven: what to make of that is the caller's.

        UsageError when there is no such snapshot; DamageError for a document that is none."""
        stores = self._stores(local_first=False)
        passed = self._away.passed(stores)
        failures: list[MentatError] = []
        unproven: Opened | None = None
        for store in self._away.last(stores):
            try:
                opened = self._open_in(store, snapshot)
            except (StoreError, DamageError) as error:
                self._away.note(store, error)
                if store is not self.local or not isinstance(error, ObjectMissing):
                    passed.append(Passed(store.name, error.message))
                failures.append(error)
                continue
            opened = replace(opened, passed=tuple(passed))
            if opened.signature.good:
                return opened
            problem = f"its manifest of {snapshot.ref} is not proven: {opened.signature.problem}"
            passed.append(Passed(store.name, problem))
            unproven = unproven or opened
        if unproven is not None:
            return unproven
        failure = next((e for e in failures if not isinstance(e, StoreError)), None)
        raise failure or self._none_has(snapshot, failures)

    def _open_in(self, store: ObjectStore, snapshot: SnapshotId) -> Opened:
        document = store.get(snapshot.manifest_key)
        signed: bytes | None = None
        check = SignatureCheck(False, problem="it is not signed")
        with contextlib.suppress(ObjectMissing):
            signed = store.get(snapshot.signature_key)
            check = self.cipher.verify(document, signed)
        manifest = manifest_codec.decode(document)
        if manifest.id != snapshot:
            raise ManifestAltered(
                f"the manifest at {snapshot.manifest_key} is of another snapshot "
                f"({manifest.id.ref})",
                "Someone moved or copied objects in the bucket. Choose another snapshot.",
            )
        return Opened(manifest, document, check, signed, store.name)

    @staticmethod
    def _none_has(snapshot: SnapshotId, failures: Sequence[MentatError]) -> MentatError:
        failure = worst_of([e for e in failures if isinstance(e, StoreError)])
        if not isinstance(failure, ObjectMissing):
            return failure
        return UsageError(
            f"there is no snapshot {snapshot.ref} of {snapshot.source}",
            "`mentat-dr snapshots` lists those there are.",
        )

    def trusted(self, snapshot: SnapshotId, accept_unsigned: str = "") -> Manifest:
        """The manifest, only if its signature is good or the operator typed the snapshot's ref."""
        return self.trusted_copy(snapshot, accept_unsigned).manifest

    def trusted_copy(self, snapshot: SnapshotId, accept_unsigned: str = "") -> Opened:
        """As `trusted`, with the store it came from."""
        opened = self.open(snapshot)
        if not opened.signature.good and accept_unsigned != snapshot.ref:
            raise ManifestAltered(
                f"the manifest of {snapshot.ref} cannot be trusted: {opened.signature.problem}",
                "Restore another snapshot, or, if you know why, add "
                f"--accept-unsigned {snapshot.ref}",
            )
        return opened

    def read(
        self,
        snapshot: SnapshotId,
        artifact: Artifact,
        on_fallback: Callable[[ObjectStore, MentatError], None],
    ) -> Generator[bytes, None, None]:
        """The artifact's stored bytes, proven part by part; the local tier is tried first where
        it has the snapshot, and each range from the next store when one has it not whole."""

        def passed_over(store: ObjectStore, error: MentatError) -> None:
            self._away.note(store, error)
            on_fallback(store, error)

        stores = self._holding(snapshot)
        for store in stores:
            why = self._away.why(store)
            if why is not None:
                on_fallback(store, why)
        key = snapshot.artifact_key(artifact.name)
        served = self._served.setdefault(snapshot, set())
        return read_artifact(
            self._away.last(stores),
            key,
            artifact,
            passed_over,
            lambda store: served.add(store.name),
        )

    def _holding(self, snapshot: SnapshotId) -> Sequence[ObjectStore]:
        """The stores to read it from. The local tier keeps fewer days than the others, so that
        a snapshot it has no more is nothing to tell."""
        try:
            if self.local is not None and self.local.size(snapshot.manifest_key):
                return self._stores()
        except StoreError:
            return self.mirrors
        return self.mirrors

    def whereabouts(self, manifest: Manifest) -> tuple[str, tuple[Passed, ...], bool]:
        """By size alone, before a restore: the store that serves it, those that lack some of it,
        and whether any has each artifact. Stores are asked until one has all."""
        stores = self._holding(manifest.id)
        passed = self._away.passed(stores)
        found: set[str] = set()
        for store in self._away.last(stores):
            problem = ""
            for artifact in manifest.artifacts:
                try:
                    size = store.size(manifest.id.artifact_key(artifact.name))
                except StoreError as error:
                    self._away.note(store, error)
                    problem = problem or error.message
                    continue
                if size == artifact.stored_bytes:
                    found.add(artifact.name)
                else:
                    problem = problem or f"{artifact.name} has {size} bytes there"
            if not problem:
                return store.name, tuple(passed), True
            passed.append(Passed(store.name, problem))
        return "", tuple(passed), found == {a.name for a in manifest.artifacts}

    def holds(self, snapshot: SnapshotId, artifact: Artifact) -> None:
        """Prove by size that the store has the artifact: called after an upload."""
        size = self.store.size(snapshot.artifact_key(artifact.name))
        if size != artifact.stored_bytes:
            raise DamageError(
                f"{self.store.name} holds {size} bytes of {artifact.name}, "
                f"{artifact.stored_bytes} were sent",
                "Run the backup again; if it happens again, the store is at fault.",
            )

    def _written(self) -> Sequence[ObjectStore]:
        return (self.store,) if self.local is None else (self.local, self.store)

    def _stores(self, *, local_first: bool = True) -> Sequence[ObjectStore]:
        """All that may have a snapshot, in the order they are read."""
        if self.local is None:
            return self.mirrors
        return (self.local, *self.mirrors) if local_first else (*self.mirrors, self.local)


def _put_once(store: ObjectStore, key: str, body: bytes) -> None:
    """Put what must not be there. An answer that was lost makes the store refuse the second
    attempt, though the first has done it."""
    try:
        store.put(key, body, if_absent=True)
    except ObjectExists:
        if store.get(key) != body:
            raise
