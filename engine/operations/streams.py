"""The two pipelines: plain stream to artifact, and artifact to plain stream."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.core.commands import Command, Ended
from engine.core.errors import (
    MentatError,
    NoSpace,
    ObjectDamaged,
)
from engine.core.events import CommandStarted, Output
from engine.core.snapshot import Artifact, SnapshotId
from engine.operations.context import Context
from engine.operations.progress import Phase
from engine.ports import ObjectStore, RunningPipeline, StreamTap
from engine.repository.writing import ArtifactWriter

ZSTD_LEVEL = 3


def compress_command() -> Command:
    threads = min(4, os.cpu_count() or 1)
    return Command(("zstd", f"-{ZSTD_LEVEL}", f"-T{threads}", "-q", "-c"), label="zstd")


def decompress_command() -> Command:
    # --long=31 lets streams of any window be read; the memory is bounded by what was written.
    return Command(("zstd", "-d", "-q", "-c", "--long=31"), label="zstd")


Explain = Callable[[Sequence[str]], Exception]
"""Turns the last lines of a program's stderr into the error they mean."""


@dataclass(frozen=True, slots=True)
class Packed:
    """An artifact whose bytes are stored but not yet visible: judge the stream, then complete."""

    artifact: Artifact
    ended: Sequence[Ended]
    tail: bytes


def announce(ctx: Context, command: Command) -> None:
    ctx.emit(CommandStarted(command.argv, command.where))


def pack(
    ctx: Context,
    writer: ArtifactWriter,
    name: str,
    producer: Command | bytes,
    phase: Phase,
    on_start: Callable[[RunningPipeline], None] = lambda _pipeline: None,
    explain: Explain | None = None,
) -> Packed:
    """Run producer | zstd | gpg into the writer. Every exit status is judged here.

    `on_start` is told of the pipeline once it runs; `explain` turns the producer's last words into
    an error. Nothing is completed: that is the caller's,
    after its own checks."""
    tap = ctx.processes.tap()
    cipher = ctx.repository.cipher.encrypt_command()
    head: list[Command | StreamTap] = [] if isinstance(producer, bytes) else [producer]
    stages: list[Command | StreamTap] = [*head, tap, compress_command(), cipher]
    for stage in stages:
        if isinstance(stage, Command):
            announce(ctx, stage)
    feed = isinstance(producer, bytes)
    with ctx.processes.pipeline(stages, feed=feed, collect=True) as pipeline:
        phase.watch(lambda: tap.count)
        on_start(pipeline)
        if isinstance(producer, bytes):
            threading.Thread(target=_feed, args=(pipeline, producer), daemon=True).start()
        facts = writer.write_from(pipeline.output)
        ended = pipeline.wait()
        if pipeline.failed is not None:
            raise _meaning(ctx, pipeline.failed, producer, explain)
        if tap.error is not None:
            raise MentatError(f"the stream of {name} broke: {tap.error}", "Run the backup again.")
    artifact = Artifact(
        name=name,
        raw_bytes=tap.count,
        raw_sha256=tap.sha256,
        stored_bytes=facts.size,
        stored_sha256=facts.sha256,
        parts=facts.parts,
    )
    return Packed(artifact, ended, tap.tail)


def _meaning(ctx: Context, failed: Ended, explained: object, explain: Explain | None) -> Exception:
    if explain is not None and failed.command is explained:
        return explain(failed.stderr)
    return ctx.processes.failure(failed)


def _feed(pipeline: RunningPipeline, content: bytes) -> None:
    pipeline.write(content)
    pipeline.close_input()


def unpack(
    ctx: Context,
    snapshot: SnapshotId,
    artifact: Artifact,
    consumer: Command | None,
    passphrase: str | None,
    phase: Phase,
    explain: Explain | None = None,
) -> Sequence[Ended]:
    """Run store | gpg | zstd | consumer and prove every byte of it.

    Stored parts are hashed before gpg sees them, gpg must report an intact message, and the plain
    stream's hash must be the manifest's. With no consumer the stream is proven and dropped. On
    any error the consumer's work is to be thrown away."""
    tap = ctx.processes.tap()
    decrypt = ctx.repository.cipher.decrypt_command(passphrase)
    # A tap needs a reader behind it: cat where nobody wants the bytes.
    sink = consumer or Command(("cat",), label="cat")
    stages: list[Command | StreamTap] = [decrypt, decompress_command(), tap, sink]
    for stage in stages:
        if isinstance(stage, Command):
            announce(ctx, stage)

    def fallback(store: ObjectStore, error: MentatError) -> None:
        ctx.warn("store-fallback", f"{error.message}; going on from another store")

    with (
        contextlib.closing(ctx.repository.read(snapshot, artifact, fallback)) as chunks,
        ctx.processes.pipeline(stages, feed=True, on_line=lambda line: _say(ctx, line)) as pipeline,
    ):
        phase.watch(lambda: tap.count)
        for chunk in chunks:
            if not pipeline.write(chunk):
                break
        ended = pipeline.wait()
        _judge(ctx, artifact, ended, tap, pipeline.failed, explain)
    return ended


def _say(ctx: Context, line: str) -> None:
    if not line.startswith("[GNUPG:]"):
        ctx.emit(Output(line))


def _judge(
    ctx: Context,
    artifact: Artifact,
    ended: Sequence[Ended],
    tap: StreamTap,
    failed: Ended | None,
    explain: Explain | None,
) -> None:
    gpg = ended[0]
    cipher_error = ctx.repository.cipher.decrypt_error(gpg.ok, gpg.stderr)
    if failed is not None and failed is not gpg:
        space = [line for line in failed.stderr if "No space left on device" in line]
        if space:
            raise NoSpace(
                f"the disk is full: {space[-1]}",
                "Free space or choose another target; nothing live was changed.",
            )
        if cipher_error is None or _stopped_reading(gpg):
            raise _meaning(ctx, failed, ended[-1].command, explain)
    if cipher_error is not None:
        raise cipher_error
    if failed is not None:
        raise ctx.processes.failure(failed)
    if tap.count != artifact.raw_bytes or tap.sha256 != artifact.raw_sha256:
        raise ObjectDamaged(
            f"{artifact.name} decrypts to other bytes than were backed up",
            "Restore another snapshot; `mentat-dr snapshots` lists them.",
        )


def _stopped_reading(gpg: Ended) -> bool:
    """gpg failed only because the program behind it had gone."""
    return gpg.exit_status == -13 or any("roken pipe" in line for line in gpg.stderr)
