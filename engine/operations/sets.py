"""The recovery point of the whole host: written last by a backup of all its sources."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from engine.core.errors import MentatError, ObjectDamaged, StoreError
from engine.core.host_facts import (
    FACTS_FORMAT,
    ComposeProject,
    EngineFacts,
    HostFacts,
    candidate_names,
    compose_places,
)
from engine.core.host_set import FACTS, SET_FORMAT, HostSet, Member, SetId, member_of
from engine.core.snapshot import Artifact, Manifest
from engine.operations import discovery
from engine.operations.context import Context
from engine.operations.progress import Phase
from engine.operations.streams import FALLBACK, decompress_command, pack
from engine.ports import ObjectStore
from engine.repository.sets import HostSets, new_set_id
from engine.settings import SourceSettings


def write(
    ctx: Context,
    sources: Sequence[SourceSettings],
    done: Sequence[Manifest],
    started: datetime,
) -> None:
    """Commit a set of these snapshots and the host's facts, when the run was over every source of
    the configuration. Its failure is a warning: the snapshots are there without it."""
    if not {s.name for s in ctx.settings.sources} <= {s.name for s in sources}:
        return
    newest = {m.id.source: m for m in sorted(done, key=lambda m: (m.recoverable_to, m.id.at))}
    without = [s.name for s in sources if s.name not in newest]
    try:
        host_set = _write(ctx, list(newest.values()), without, started)
    except MentatError as error:
        ctx.warn("host-set", f"no recovery point of the whole host was written: {error.message}")
        return
    for name in host_set.missing:
        ctx.warn("host-set", f"the host's recovery point lacks {name}: it has no snapshot", name)


def _write(
    ctx: Context, done: Sequence[Manifest], without: Sequence[str], started: datetime
) -> HostSet:
    sets = HostSets(ctx.repository)
    older, missing = _older(ctx, without)
    with Phase(ctx.emit, "host", "Look at the host: containers, networks, machine"):
        facts = gather(ctx)
        discovery.cover(ctx.settings, facts.engine, ctx.clock())
    for problem in facts.problems:
        ctx.warn("host-facts", problem)
    set_id = new_set_id(ctx.host, ctx.clock())
    try:
        with Phase(ctx.emit, "set", "Write the recovery point of the whole host"):
            artifact = _store_facts(ctx, sets, set_id, facts)
            host_set = HostSet(
                format=SET_FORMAT,
                id=set_id,
                started=started,
                finished=ctx.clock(),
                members=(*(member_of(manifest) for manifest in done), *older),
                missing=missing,
                facts=artifact,
                recipients=ctx.repository.cipher.recipients(),
                warnings=facts.problems,
                engine_version=_version(),
            )
            for error in sets.commit(host_set):
                ctx.warn("local-tier", f"no local copy of the set: {error.message}")
    except BaseException:
        sets.discard(set_id)
        raise
    return host_set


def _version() -> str:
    from engine.operations.backup import engine_version

    return engine_version()


def _older(ctx: Context, without: Sequence[str]) -> tuple[list[Member], tuple[str, ...]]:
    """For sources that this run made no snapshot of: their newest earlier one, and the names of
    those that have none that can be trusted."""
    found: list[Member] = []
    missing: list[str] = []
    for name in without:
        try:
            rows = ctx.repository.entries(ctx.host, name)
            newest = next(row for row in rows if row.committed and not row.aside)
            found.append(member_of(ctx.repository.trusted(newest.id), fresh=False))
        except (StopIteration, MentatError):
            missing.append(name)
    return found, tuple(missing)


def _store_facts(ctx: Context, sets: HostSets, set_id: SetId, facts: HostFacts) -> Artifact:
    writer = sets.write_artifact(set_id, FACTS)
    try:
        with Phase(ctx.emit, "facts", "Encrypt the host's facts") as phase:
            packed = pack(ctx, writer, FACTS, msgspec.json.encode(facts), phase)
        writer.complete()
    except BaseException:
        writer.abort()
        raise
    size = ctx.repository.store.size(set_id.artifact_key(FACTS))
    if size != packed.artifact.stored_bytes:
        raise StoreError(
            f"{ctx.repository.store.name} holds {size} bytes of {FACTS}, "
            f"{packed.artifact.stored_bytes} were sent",
            "Run the backup again; if it happens again, the store is at fault.",
        )
    return packed.artifact


def gather(ctx: Context) -> HostFacts:
    """The facts of this host now. What cannot be looked at is named in `problems`."""
    problems: list[str] = []
    engine: EngineFacts | None = None
    try:
        engine = ctx.host_engine().facts()
    except MentatError as error:
        if _needs_docker(ctx):
            problems.append(f"Docker's objects are not known: {error.message}")
    machine = ctx.machine()
    containers = engine.containers if engine else ()
    folders = [Path(p) for s in ctx.settings.sources for p in s.paths if Path(p).is_dir()]
    seen = machine.facts(candidate_names(containers), [f for f in folders if str(f) != "/"])
    projects = []
    for name, (directory, files, services) in compose_places(containers).items():
        wanted = [*files, f"{directory}/.env"] if directory else files
        projects.append(ComposeProject(name, directory, services, machine.texts(wanted)))
    return HostFacts(
        format=FACTS_FORMAT,
        host=ctx.host,
        taken=ctx.clock(),
        machine=seen,
        engine=engine,
        compose=tuple(projects),
        problems=(*problems, *seen.problems),
    )


def _needs_docker(ctx: Context) -> bool:
    """A host whose sources are all outside of Docker may well have none."""
    return any(s.container or s.volume for s in ctx.settings.sources)


def read_facts(ctx: Context, host_set: HostSet, passphrase: str | None) -> HostFacts | None:
    """The decrypted facts of a set, proven like any artifact, in memory only; None when it has
    none. CipherError's, StoreError's, DamageError's."""
    if host_set.facts is None:
        return None
    plain = read_small(ctx, host_set.id, host_set.facts, passphrase)
    try:
        return msgspec.json.decode(plain, type=HostFacts)
    except msgspec.MsgspecError as error:
        raise ObjectDamaged(
            f"the facts of {host_set.id.ref} cannot be read: {error}", "Choose another set."
        ) from error


def read_small(ctx: Context, set_id: SetId, artifact: Artifact, passphrase: str | None) -> bytes:
    """The plain bytes of a small artifact of a set: never on a disk, since they hold secrets."""
    cipher = ctx.repository.cipher
    stages = [cipher.decrypt_command(passphrase), decompress_command()]

    def fallback(store: ObjectStore, error: MentatError) -> None:
        ctx.warn(FALLBACK, f"{store.name}: {error.message}; going on from another store")

    with (
        contextlib.closing(HostSets(ctx.repository).read(set_id, artifact, fallback)) as chunks,
        ctx.processes.pipeline(stages, feed=True, collect=True) as pipeline,
    ):
        feeder = _Feeder(pipeline.write, pipeline.close_input, chunks)
        plain = _drain(pipeline.output)
        feeder.finish()
        ended = pipeline.wait()
    error = cipher.decrypt_error(ended[0].ok, ended[0].stderr)
    if error is not None:
        raise error
    if pipeline.failed is not None:
        raise ctx.processes.failure(pipeline.failed)
    if hashlib.sha256(plain).hexdigest() != artifact.raw_sha256:
        raise ObjectDamaged(
            f"{artifact.name} decrypts to other bytes than were stored", "Choose another set."
        )
    return plain


class _Feeder:
    """Writes chunks into a pipeline from a thread of its own; `finish` raises what stopped it."""

    def __init__(
        self,
        write: Callable[[bytes], bool],
        close: Callable[[], None],
        chunks: Iterator[bytes],
    ) -> None:
        self._write, self._close, self._chunks = write, close, chunks
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for chunk in self._chunks:
                if not self._write(chunk):
                    break
        except BaseException as error:  # noqa: BLE001 - raised again by `finish`
            self._error = error
        finally:
            self._close()

    def finish(self) -> None:
        self._thread.join()
        if self._error is not None:
            raise self._error


def _drain(fd: int) -> bytes:
    pieces = []
    while piece := os.read(fd, 1 << 16):
        pieces.append(piece)
    return b"".join(pieces)
