"""Packing Prometheus' data from a snapshot that it makes: its live files change under tar."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from engine.core.errors import TreeError
from engine.operations import durable
from engine.operations.context import Context
from engine.settings import SourceSettings


@contextlib.contextmanager
def snapshotted(ctx: Context, source: SourceSettings, live: Path) -> Iterator[Path]:
    """The folder to pack: a snapshot of the data in `live`, removed after the block; `live` itself
    for a source that names no Prometheus. What a killed job left is removed first."""
    if not source.prometheus:
        yield live
        return
    note = ctx.state / "snapshots" / f"{source.name}.path"
    _remove_left(note, live)
    folder = live / "snapshots" / ctx.metrics_snapshot(source.prometheus)
    durable.write(note, str(folder).encode())
    try:
        if not folder.is_dir():
            raise TreeError(
                f"Prometheus made a snapshot, but not at {folder}",
                f"Correct the volume or the path of source {source.name}: it is not the data of "
                f"{source.prometheus}.",
            )
        yield folder
    finally:
        _remove_left(note, live)


def _remove_left(note: Path, live: Path) -> None:
    """Only what lies where Prometheus keeps its snapshots."""
    try:
        folder = Path(note.read_bytes().decode())
    except FileNotFoundError:
        return
    if folder.parent == live / "snapshots":
        shutil.rmtree(folder, ignore_errors=True)
    durable.remove(note)
