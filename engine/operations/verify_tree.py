"""A volume's or configuration's snapshot restored for a test: unpacked apart from everything live,
counted, compared with the archive file by file, and thrown away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from engine.core.errors import RestoreDiffers
from engine.core.report import Check, passed
from engine.operations import isolation, restore_tree
from engine.operations.progress import Phase
from engine.operations.restore import Restoring
from engine.operations.streams import unpack


def test(
    restoring: Restoring, serves: Callable[[], None], held: ExitStack, home: Path
) -> tuple[Check, ...]:
    """Unpack and compare; the checks. `serves` is called when all of it is there and durable; what
    was made goes with `held`. RestoreDiffers and the like when it cannot be restored."""
    source = restoring.request.source
    folder = held.enter_context(_place(restoring, home))
    facts = restore_tree.fill(restoring, folder)
    serves()
    counted = passed(
        "files",
        source,
        f"{facts['members']} files and directories are there, as packed",
        members=int(str(facts["members"])),
        bytes=restoring.manifest.raw_bytes,
    )
    if restoring.manifest.base:
        return (counted,)  # an archive of changes is no picture of the whole
    _compare(restoring, folder)
    return (
        counted,
        passed("file-contents", source, "each file, read back, is the same as in the archive"),
    )


@contextmanager
def _place(restoring: Restoring, home: Path) -> Iterator[Path]:
    """A volume of its own for a volume, a directory for paths."""
    tree, ctx = restoring.manifest.tree, restoring.ctx
    if tree is None or not tree.volume:
        with isolation.scratch(ctx, home, restoring.request.source) as folder:
            yield folder
        return
    labels = {restore_tree.LABEL: "verify"}
    with isolation.made_here(ctx):
        yield ctx.containers().create_volume(restoring.request.target.name, labels).mountpoint


def _compare(restoring: Restoring, folder: Path) -> None:
    """Read the archive once more, from the store, and every restored file."""
    ctx, source = restoring.ctx, restoring.request.source
    artifact = restoring.manifest.artifacts[0]
    title = "Compare each file with the archive"
    with Phase(ctx.emit, f"compare {source}", title, source, artifact.raw_bytes) as phase:
        unpack(
            ctx,
            restoring.snapshot,
            artifact,
            ctx.trees.compare_command(folder),
            restoring.passphrase,
            phase,
            _differs,
        )


def _differs(lines: Sequence[str]) -> Exception:
    said = [line.removeprefix("tar: ") for line in lines if line.strip()]
    some = "; ".join(said[:3]) or "tar does not say where"
    more = f" and {len(said) - 3} more" if len(said) > 3 else ""
    return RestoreDiffers(
        f"what was restored differs from the archive: {some}{more}",
        "Nothing live was touched. See the disk (dmesg), and try another snapshot.",
    )
