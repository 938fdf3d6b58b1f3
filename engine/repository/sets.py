"""Sets in the repository: recovery points of whole hosts."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import msgspec

from engine.core.errors import (
    DamageError,
    ManifestAltered,
    MentatError,
    ObjectMissing,
    StoreError,
    UsageError,
)
from engine.core.host_set import (
    DOCUMENT,
    SET_FORMAT,
    SETS,
    SIGNATURE,
    HostSet,
    SetEntry,
    SetId,
    newest_before,
    parse_set_key,
)
from engine.core.snapshot import ROOT, Artifact
from engine.ports import ObjectStore, SignatureCheck, StoredObject
from engine.repository.reading import read_artifact
from engine.repository.repository import Repository
from engine.repository.writing import ArtifactWriter

_COMPUTED = ("spread_seconds", "recoverable_to")


@dataclass(frozen=True, slots=True)
class OpenedSet:
    """A set as it was fetched, and what its signature proves."""

    host_set: HostSet
    signature: SignatureCheck


def new_set_id(host: str, at: datetime) -> SetId:
    return SetId(host, at.replace(microsecond=0), secrets.token_hex(4))


def entries(objects: Iterable[StoredObject]) -> list[SetEntry]:
    """Sets behind a listing, newest first; those without their document are uncommitted."""
    found: dict[SetId, SetEntry] = {}
    for item in objects:
        parsed = parse_set_key(item.key)
        if parsed is None:
            continue
        set_id, name = parsed
        known = found.get(set_id) or SetEntry(set_id, 0, False, False)
        found[set_id] = SetEntry(
            set_id,
            known.stored_bytes + item.size,
            known.committed or name == DOCUMENT,
            known.signed or name == SIGNATURE,
        )
    return sorted(found.values(), key=lambda entry: (entry.id.at, entry.id.id), reverse=True)


def encode(host_set: HostSet) -> bytes:
    """Readable JSON; the spread and the oldest member stand in it for people."""
    document: dict[str, Any] = {"format": host_set.format}
    document.update({name: getattr(host_set.id, name) for name in ("host", "at", "id")})
    document["spread_seconds"] = host_set.spread.total_seconds()
    document["recoverable_to"] = host_set.recoverable_to
    for name in (item.name for item in fields(HostSet)):
        if name not in ("format", "id"):
            document[name] = getattr(host_set, name)
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def decode(document: bytes) -> HostSet:
    """The set in a document; DamageError for text that is none, or of an unknown format."""
    try:
        content = msgspec.json.decode(document, type=dict[str, Any])
        version = str(content["format"])
        if version.split(".")[0] != SET_FORMAT.split(".")[0]:
            raise DamageError(
                f"this set is of format {version}; this mentat-dr reads {SET_FORMAT}",
                "Use a newer mentat-dr, or restore each source by itself.",
            )
        identity = {name: content.pop(name) for name in ("host", "at", "id")}
        for computed in _COMPUTED:
            content.pop(computed, None)
        return msgspec.convert({**content, "id": identity}, HostSet)
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise DamageError(
            f"the set cannot be read: {error}", "Choose another: mentat-dr hosts --sets HOST"
        ) from error


class HostSets:
    """The sets of one repository."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def write_artifact(self, set_id: SetId, name: str) -> ArtifactWriter:
        local = self._repository.local
        return ArtifactWriter(self._repository.store, set_id.artifact_key(name), local)

    def commit(self, host_set: HostSet) -> list[MentatError]:
        """Make the set exist: its signature, then its document, written last and only once.
        Returns what kept the local tier from having it too."""
        document = encode(host_set)
        signature = self._repository.cipher.sign(document)
        _put(self._repository.store, host_set.id, document, signature)
        if self._repository.local is None:
            return []
        try:
            _put(self._repository.local, host_set.id, document, signature)
        except MentatError as error:
            return [error]
        return []

    def read(
        self,
        set_id: SetId,
        artifact: Artifact,
        on_fallback: Callable[[ObjectStore, MentatError], None],
    ) -> Generator[bytes, None, None]:
        """The stored bytes of one of the set's artifacts, proven part by part."""
        return read_artifact(
            self._stores(), set_id.artifact_key(artifact.name), artifact, on_fallback
        )

    def discard(self, set_id: SetId) -> None:
        """Remove the debris of a set that was not committed; what fails is left to prune."""
        written = (self._repository.store, self._repository.local)
        for store in (store for store in written if store is not None):
            with contextlib.suppress(StoreError):
                for item in list(store.list(f"{ROOT}/{set_id.host}/{SETS}/{set_id.ref}.")):
                    store.delete(item.key)

    def entries(self, host: str) -> list[SetEntry]:
        """Newest first; from the local tier when the store does not answer."""
        failure: StoreError | None = None
        for store in self._stores():
            try:
                return entries(store.list(f"{ROOT}/{host}/{SETS}/"))
            except StoreError as error:
                failure = failure or error
        assert failure is not None
        raise failure

    def find(self, host: str, ref: str = "", at: datetime | None = None) -> SetEntry:
        """The newest set, the newest at or before a time, or the one whose ref or id begins so.
        UsageError when there is none or the start is not unique."""
        found = [entry for entry in self.entries(host) if entry.committed]
        if ref:
            fits = [e for e in found if e.id.ref.startswith(ref) or e.id.id.startswith(ref)]
            chosen = fits[0] if len(fits) == 1 else None
        else:
            chosen = newest_before(found, at)
        if chosen is not None:
            return chosen
        if not found:
            raise UsageError(
                f"there is no recovery point of the whole host {host}",
                "A backup of all its sources writes one: mentat-dr backup. Single sources: "
                "mentat-dr snapshots.",
            )
        wanted = ref or f"{at:%Y-%m-%d %H:%M:%S} UTC or before"
        near = ", ".join(entry.id.ref for entry in (found[:2] + found[-1:]))
        raise UsageError(f"{host} has no one set for {wanted}", f"There are: {near}")

    def open(self, set_id: SetId) -> OpenedSet:
        """Fetch the set and check its signature."""
        failure: StoreError | None = None
        for store in self._stores():
            try:
                document = store.get(set_id.key)
            except StoreError as error:
                failure = failure or error
                continue
            return OpenedSet(
                self._decoded(set_id, document), self._checked(store, set_id, document)
            )
        assert failure is not None
        raise failure

    @staticmethod
    def _decoded(set_id: SetId, document: bytes) -> HostSet:
        host_set = decode(document)
        if host_set.id != set_id:
            raise ManifestAltered(
                f"the set at {set_id.key} is another one ({host_set.id.ref})",
                "Someone moved or copied objects in the bucket. Choose another set.",
            )
        return host_set

    def _checked(self, store: ObjectStore, set_id: SetId, document: bytes) -> SignatureCheck:
        try:
            signature = store.get(set_id.signature_key)
        except ObjectMissing:
            return SignatureCheck(False, problem="it is not signed")
        return self._repository.cipher.verify(document, signature)

    def trusted(self, set_id: SetId, accept_unsigned: str = "") -> HostSet:
        """The set, only if its signature is good or the operator typed its ref."""
        opened = self.open(set_id)
        if not opened.signature.good and accept_unsigned != set_id.ref:
            raise ManifestAltered(
                f"the set {set_id.ref} cannot be trusted: {opened.signature.problem}",
                f"Take another, or, if you know why, add --accept-unsigned {set_id.ref}",
            )
        return opened.host_set

    def _stores(self) -> Sequence[ObjectStore]:
        repository = self._repository
        behind = (repository.local,) if repository.local else ()
        return (*repository.mirrors, *behind)


def _put(store: ObjectStore, set_id: SetId, document: bytes, signature: bytes) -> None:
    store.put(set_id.signature_key, signature, if_absent=True)
    store.put(set_id.key, document, if_absent=True)
