"""A full snapshot of a tree: a Docker volume or configuration paths."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.errors import SourceMissing
from engine.core.snapshot import TreeFacts
from engine.operations.progress import Phase
from engine.operations.streams import pack
from engine.ports import TreeSurvey

if TYPE_CHECKING:
    from engine.operations.backup import Session


FILES = "files.tar.zst.gpg"


def run(session: Session) -> None:
    """Fill the session with the tree's one artifact. Files that vanished or changed while read
    become warnings of the manifest."""
    if session.source.paths:
        _pack(session, _config_tree(session))
        return
    ctx, source = session.ctx, session.source
    containers = ctx.containers()
    volume = containers.volume(source.volume)
    using = containers.using(volume.name)
    tree = TreeFacts(
        root=str(volume.mountpoint),
        paths=(".",),
        members=0,
        volume=volume.name,
        containers=tuple(c.name for c in using),
        images={c.name: c.image for c in using},
        quiesce=source.quiesce,
    )
    with ctx.quiesced([c.name for c in using], source.quiesce):
        _pack(session, tree)


def _config_tree(session: Session) -> TreeFacts:
    paths = []
    for path in session.source.paths:
        if not Path(path).exists() and not Path(path).is_symlink():
            raise SourceMissing(
                f"{path} does not exist",
                f"Correct `paths` of source {session.source.name} in the configuration.",
            )
        if Path(path).is_symlink():
            session.warnings.append(
                f"{path} is a symbolic link: the link is saved, not what it points to"
            )
        paths.append(os.path.normpath(path).lstrip("/") or ".")
    return TreeFacts(root="/", paths=tuple(paths), members=0)


def _pack(session: Session, tree: TreeFacts) -> None:
    ctx, source = session.ctx, session.source
    root = Path(tree.root)
    with (
        session.writer(FILES) as writer,
        ThreadPoolExecutor(1, thread_name_prefix="survey") as pool,
        Phase(ctx.emit, f"pack {source.name}", "Pack", source.name) as phase,
    ):
        survey = pool.submit(ctx.trees.survey, root, tree.paths, source.exclude)
        survey.add_done_callback(lambda _future: _expect(phase, survey))
        session.recoverable_to = ctx.clock()
        with ctx.trees.counting(root, tree.paths) as counter:
            command = ctx.trees.pack_command(root, tree.paths, source.exclude, counter.listing)
            packed = pack(ctx, writer, FILES, command, phase, explain=ctx.trees.pack_error)
        told = [*ctx.trees.pack_warnings(packed.ended[0].stderr, root), *survey.result().warnings]
        session.warnings.extend(dict.fromkeys(told))  # tar and the survey may say the same
        writer.complete()
    session.artifacts.append(packed.artifact)
    session.tree = replace(tree, members=counter.members)


def _expect(phase: Phase, survey: Future[TreeSurvey]) -> None:
    if not survey.cancelled() and survey.exception() is None:
        phase.expected = survey.result().bytes
