"""Making damage in a real repository, and verifying it in this process."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from engine import wiring
from engine.core.errors import MentatError
from engine.core.events import Event
from engine.core.report import Check, Report
from engine.core.snapshot import Artifact, Manifest, Part, SnapshotId
from engine.operations import reports
from engine.operations.context import Context
from engine.operations.verify import Asked, What, verify
from engine.ports import ObjectStore
from engine.repository import Repository, manifest_codec
from tests.site import Site


def context(site: Site, job: str = "test-job", now: datetime | None = None) -> Context:
    """What a job of this site works with; what it tells is dropped."""

    def drop(_event: Event) -> None:
        return None

    around = wiring.Surroundings(
        lease=lambda _source: contextlib.nullcontext(),
        quiesced=lambda _names, _how: contextlib.nullcontext(),
        emit=drop,
        job_id=job,
    )
    made = wiring.context(site.engine.settings, around)
    return made if now is None else replace(made, clock=lambda: now)


def run_verify(
    site: Site,
    what: What = "offsite",
    *,
    now: datetime | None = None,
    store: ObjectStore | None = None,
    everything: bool = True,
    passphrase: str | None = None,
) -> Report:
    """Verify and return the report; whatever ended the job, it must have left one."""
    job = f"test-{secrets.token_hex(6)}"
    ctx = context(site, job, now)
    if store is not None:
        repository = Repository(store, ctx.repository.cipher, ctx.repository.local)
        ctx = replace(ctx, repository=repository)
    asked = Asked(what, site.engine.settings.sources, passphrase, everything)
    with contextlib.suppress(MentatError):
        verify(ctx, asked)
    return reports.find(site.state, job)


def bad(report: Report) -> list[Check]:
    return [check for check in report.checks if check.outcome != "passed"]


def said(report: Report) -> str:
    """What is not in order, for a failing assertion."""
    return "\n".join(f"{c.source} {c.name} {c.outcome}: {c.message}" for c in bad(report))


def named(report: Report, name: str, outcome: str = "failed") -> Check:
    """The check of this name that ended so."""
    found = [c for c in report.checks if c.name == name and c.outcome == outcome]
    assert found, f"no {outcome} {name} in:\n{said(report)}"
    return found[0]


def until(look: Callable[[], Check], seconds: float = 30) -> Check:
    """What `look` gives once it no longer raises AssertionError."""
    end = time.monotonic() + seconds
    while True:
        try:
            return look()
        except AssertionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


@contextlib.contextmanager
def changed(store: ObjectStore, key: str, how: Callable[[bytes], bytes | None]) -> Iterator[None]:
    """Another content under a key (None: nothing) for the length of the block."""
    before = store.get(key)
    after = how(before)
    try:
        if after is None:
            store.delete(key)
        else:
            store.put(key, after)
        yield
    finally:
        store.put(key, before)


def flipped(bit: int) -> Callable[[bytes], bytes]:
    def flip(content: bytes) -> bytes:
        turned = bytearray(content)
        turned[bit // 8] ^= 1 << bit % 8
        return bytes(turned)

    return flip


def _store_plain(ctx: Context, snapshot: SnapshotId, name: str, plain: bytes) -> Artifact:
    """Write an artifact as a backup would."""
    packed = subprocess.run(["zstd", "-q", "-c"], input=plain, check=True, capture_output=True)
    command = ctx.repository.cipher.encrypt_command()
    stored = ctx.processes.run(command, stdin=packed.stdout, timeout=60).stdout
    ctx.repository.store.put(snapshot.artifact_key(name), stored)
    digest = hashlib.sha256(stored).hexdigest()
    return Artifact(
        name,
        len(plain),
        hashlib.sha256(plain).hexdigest(),
        len(stored),
        digest,
        (Part(len(stored), digest),),
    )


def plain(ctx: Context, snapshot: SnapshotId, name: str, passphrase: str | None = None) -> bytes:
    """An artifact's plain bytes."""
    stored = ctx.repository.store.get(snapshot.artifact_key(name))
    command = ctx.repository.cipher.decrypt_command(passphrase)
    packed = ctx.processes.run(command, stdin=stored, timeout=60).stdout
    return subprocess.run(
        ["zstd", "-d", "-q", "-c"], input=packed, check=True, capture_output=True
    ).stdout


@contextlib.contextmanager
def forged(
    ctx: Context,
    manifest: Manifest,
    contents: Mapping[str, bytes],
    change: Callable[[Manifest], Manifest] = lambda manifest: manifest,
) -> Iterator[Manifest]:
    """A snapshot whose artifacts hold other plain bytes, its manifest true to their hashes and
    signed by the host's key: what a producer that went wrong leaves behind. Undone after."""
    store, snapshot = ctx.repository.store, manifest.id
    keys = [snapshot.artifact_key(name) for name in contents]
    before = {k: store.get(k) for k in (*keys, snapshot.manifest_key, snapshot.signature_key)}
    try:
        made = {name: _store_plain(ctx, snapshot, name, body) for name, body in contents.items()}
        artifacts = tuple(made.get(a.name, a) for a in manifest.artifacts)
        wrong = change(replace(manifest, artifacts=artifacts))
        document = manifest_codec.encode(wrong)
        store.put(snapshot.manifest_key, document)
        store.put(snapshot.signature_key, ctx.repository.cipher.sign(document))
        yield wrong
    finally:
        for key, content in before.items():
            store.put(key, content)


def tree_of(folder: Path, files: int = 6) -> None:
    """A few files to back up."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        (folder / f"file-{number}").write_bytes(hashlib.sha256(bytes([number])).digest() * 500)
    (folder / "link").symlink_to("file-0")
