"""Old data that in-place restores put aside: listed, and removed when it is named."""

from __future__ import annotations

from datetime import UTC, datetime

from engine.api import Engine
from engine.cli import text
from engine.cli.output import Output, ask, interactive
from engine.cli.watch import start_or_watch
from engine.core.errors import UsageError


def run(engine: Engine, output: Output, release: str, confirm: str, detach: bool) -> int:
    """`restore --kept` and `restore --release ID`; the exit code."""
    if not release:
        return _list(engine, output)
    found = [kept for kept in engine.kept() if kept.id == release]
    if not found:
        raise UsageError(f"no old data is kept as {release!r}", "See: mentat-dr restore --kept")
    what = found[0].what
    if not confirm and interactive():
        output.note(f"DESTROYS {what}, the old data of {found[0].source}")
        confirm = ask(f"To remove it for good, type {what}: ")
    if confirm != what:
        raise UsageError(
            f"this removes {what!r} for good; nothing was changed", f"Add: --confirm {what}"
        )
    return start_or_watch(engine, engine.start_release(release, confirm), output, detach)


def _list(engine: Engine, output: Output) -> int:
    kept = engine.kept()
    if output.json:
        output.document(kept)
        return 0
    now = datetime.now(UTC)
    if not kept:
        output.line("no old data is kept")
        return 0
    rows = [
        (item.id, item.source, item.what, text.utc(item.kept_at), text.age(item.kept_at, now))
        for item in kept
    ]
    output.table(("ID", "SOURCE", "WHAT", "KEPT AT", "AGE"), rows)
    output.line("When one is no longer needed: mentat-dr restore --release ID --confirm WHAT")
    return 0
