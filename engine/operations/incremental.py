"""Incremental packs of trees: tar's snapshot files, kept in state, and what they build on.

<state>/incremental/<source>/full.json|full.snar      the last full pack
<state>/incremental/<source>/last.json|last.snar      the last pack, when it was an incremental
<state>/incremental/<source>/next.snar                of the pack under way

Losing them costs a full snapshot; no restore needs them.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from engine.core.durations import parse_duration
from engine.core.errors import MentatError, NoSpace, TreeError
from engine.core.incremental import Choice, Footing, Known, choose
from engine.core.snapshot import ROOT, Manifest, TreeFacts
from engine.operations import durable, reports
from engine.operations.context import Context
from engine.repository.inventory import entries
from engine.settings import SourceSettings

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_Which = Literal["full", "last"]


class Doubtful(TreeError):
    """An incremental pack that may not restore: a full one is to be made in its place."""


@dataclass(slots=True)
class Pack:
    """One pack under way. `snapshot_file` is for tar; empty where the source is packed plainly,
    since nothing may build on it."""

    folder: Path
    choice: Choice
    footing: Footing
    snapshot_file: str = ""

    @property
    def base(self) -> str:
        return self.choice.base.ref if self.choice.base else ""

    def keep(self, manifest: Manifest) -> None:
        """After the commit: let later packs build on this one."""
        if not self.snapshot_file:
            return
        which: _Which = "last" if self.choice.base else "full"
        known = Known(
            ref=manifest.id.ref,
            at=manifest.recoverable_to,
            full=self.choice.base.full if self.choice.base else manifest.id.ref,
            artifacts={
                **(self.choice.base.artifacts if self.choice.base else {}),
                **{manifest.id.artifact_key(a.name): a.stored_bytes for a in manifest.artifacts},
            },
            snapshot_file=_digest(Path(self.snapshot_file)),
            footing=self.footing,
        )
        # The record last: without it, or with another's, the snapshot file counts for nothing.
        durable.remove(self.folder / f"{which}.json")
        Path(self.snapshot_file).replace(self.folder / f"{which}.snar")
        durable.write(self.folder / f"{which}.json", msgspec.json.encode(known))


def prepare(ctx: Context, source: SourceSettings, tree: TreeFacts, *, full: bool) -> Pack | None:
    """How this source is packed now; None where it is not configured for incrementals. `full`
    asks for a full one."""
    spelt = source.incremental.get("full_every", "")
    if not spelt:
        return None
    folder = _folder(ctx.state, source.name)
    footing = _footing(ctx, source, tree)
    plainly = _not_trackable(ctx, tree)
    if plainly:
        forget(ctx.state, source.name)
        return Pack(folder, Choice(None, plainly), footing)
    choice = Choice(None, "it was asked for") if full else _choose(ctx, source, footing, spelt)
    try:
        working = _begin(ctx, folder, choice, Path(tree.root))
    except TreeError as error:
        choice = Choice(None, error.message)
        working = _begin(ctx, folder, choice, Path(tree.root))
    return Pack(folder, choice, footing, str(working))


def forget(state: Path, source: str) -> None:
    """Let the next pack be a full one: the tree was exchanged, or cannot be followed."""
    for name in ("full.json", "last.json"):
        durable.remove(_folder(state, source) / name)


def _choose(ctx: Context, source: SourceSettings, footing: Footing, spelt: str) -> Choice:
    wrong = _failing(ctx, source)
    if wrong:
        return Choice(None, f"verification fails: {wrong}")
    folder = _folder(ctx.state, source.name)
    known = [found for which in ("full", "last") if (found := _load(folder, which)) is not None]
    try:
        objects = list(ctx.repository.store.list(f"{ROOT}/{ctx.host}/{source.name}/"))
    except MentatError as error:
        return Choice(None, f"the chain could not be looked at: {error.message}")
    stored = {item.key: item.size for item in objects}
    every = parse_duration(spelt)
    return choose(known, entries(objects), stored, footing, every, ctx.clock())


def _failing(ctx: Context, source: SourceSettings) -> str:
    from engine.core.pruning import failing
    from engine.core.report import VERIFICATIONS

    found = failing(reports.history(ctx.state, VERIFICATIONS), [source.name])
    return found.get(source.name, "")


def _load(folder: Path, which: str) -> Known | None:
    """What is remembered, if its snapshot file is the very one it was made with."""
    try:
        known = msgspec.json.decode((folder / f"{which}.json").read_bytes(), type=Known)
        if _digest(folder / f"{which}.snar") == known.snapshot_file:
            return known
    except (OSError, msgspec.MsgspecError):
        pass
    return None


def _begin(ctx: Context, folder: Path, choice: Choice, root: Path) -> Path:
    """A snapshot file for tar to read and to write: the base's, or none yet."""
    working = folder / "next.snar"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        working.unlink(missing_ok=True)
        if choice.base is None:
            return working
        which = "full" if choice.base.ref == choice.base.full else "last"
        working.touch(mode=0o600)
        ctx.trees.follow_up(folder / f"{which}.snar", root, working)
    except OSError as error:
        raise NoSpace(
            f"{folder} cannot be written: {error.strerror}",
            "Free space in the state directory.",
        ) from error
    return working


def _footing(ctx: Context, source: SourceSettings, tree: TreeFacts) -> Footing:
    what = msgspec.json.encode([tree.root, tree.paths, source.exclude, tree.volume])
    try:
        boot = _BOOT.read_text().strip()
    except OSError:
        boot = ""
    ahead = ctx.clock().timestamp() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return Footing(hashlib.sha256(what).hexdigest(), boot, ahead)


def _not_trackable(ctx: Context, tree: TreeFacts) -> str:
    """Why tar could miss a change of this tree; empty when it cannot."""
    root = Path(tree.root)
    for path in tree.paths:
        place = root / path
        if place.is_symlink() or not place.is_dir():
            return f"{place} is not a directory, and tar follows the changes of directories only"
        if not ctx.trees.stamped_here(place):
            return f"{place} is on a network file system, whose clock is another"
    return ""


def _folder(state: Path, source: str) -> Path:
    return state / "incremental" / source


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
