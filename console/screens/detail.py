"""One snapshot: its manifest, who signed it, what is in it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from textual.containers import VerticalScroll
from textual.widget import Widget

from console.acts import BACK, Act
from console.door import Answer
from console.formatting import count, duration, size
from console.ink import Ink
from console.screens.base import MentatScreen
from console.widgets.facts import Fact, Facts, Row
from console.widgets.panels import moment, shell_rows, trouble_rows
from engine.api import Manifest, SignatureCheck, SnapshotDetail, SnapshotEntry


def detail_rows(
    ink: Ink, entry: SnapshotEntry, answer: Answer[SnapshotDetail] | None, now: datetime
) -> list[Row]:
    """What is known of a snapshot: from the listing at once, from the manifest when it came."""
    proven = (
        moment(ink, entry.proven_at, now)
        if entry.proven_at
        else ink.say(("unverified: never restored or verified", "warning"))
    )
    rows: list[Row] = [
        ink.say((entry.id.source, "title"), (f" on {entry.id.host}", "muted")),
        ink.say(entry.id.ref),
        ink.say(""),
        Fact("taken", moment(ink, entry.id.at, now)),
        Fact("proven", proven),
        Fact("stored", ink.say(size(entry.stored_bytes))),
    ]
    if answer is None:
        return [*rows, ink.say(""), ink.say(("fetching the manifest", "muted"))]
    if answer.trouble:
        return [*rows, ink.say(""), *trouble_rows(ink, answer.trouble)]
    assert answer.value is not None
    manifest = answer.value.manifest
    return [
        *rows,
        Fact("signature", ink.say(*signature_words(ink, answer.value.signature))),
        *_manifest_rows(ink, manifest, now),
        *_content_rows(ink, manifest),
        *_warning_rows(ink, manifest),
    ]


def signature_words(ink: Ink, check: SignatureCheck) -> list[tuple[str, str]]:
    if check.good:
        return [
            (f"{ink.glyphs.done} good", "ok"),
            (f", by {check.signer or check.fingerprint}", "muted"),
        ]
    return [
        (f"{ink.glyphs.failed} NOT PROVEN", "critical"),
        (f": {check.problem or 'unsigned'}", ""),
    ]


def _manifest_rows(ink: Ink, manifest: Manifest, now: datetime) -> list[Row]:
    took = (manifest.finished - manifest.started).total_seconds()
    rows: list[Row] = [
        Fact("brings back", moment(ink, manifest.recoverable_to, now)),
        Fact("kind", ink.say(f"{manifest.kind}, {manifest.id.method}, taken in {duration(took)}")),
        Fact("plain size", ink.say(size(manifest.raw_bytes))),
    ]
    for artifact in manifest.artifacts:
        parts = count(len(artifact.parts), "part")
        rows.append(
            Fact(
                "object",
                ink.say(artifact.name, (f"  {size(artifact.stored_bytes)}, {parts}", "muted")),
            )
        )
    who = ", ".join(manifest.recipients) or "a passphrase"
    rows.append(Fact("encrypted to", ink.say((who, "muted"))))
    return rows


def _content_rows(ink: Ink, manifest: Manifest) -> list[Row]:
    rows: list[Row] = []
    if database := manifest.database:
        held = sum(table.rows for table in database.tables)
        rows.append(Fact("server", ink.say(f"{database.flavor} {database.version}")))
        rows.append(Fact("schemas", ink.say(", ".join(database.schemas) or "none")))
        rows.append(
            Fact("tables", ink.say(f"{count(len(database.tables), 'table')}, {count(held, 'row')}"))
        )
        if database.objects:
            listed = ", ".join(f"{n:,} {what}" for what, n in database.objects.items())
            rows.append(Fact("objects", ink.say(listed)))
        if at := database.position:
            rows.append(Fact("binlog", ink.say(f"{at.file}:{at.position}")))
            if at.gtid_set:
                rows.append(Fact("GTIDs", ink.say((at.gtid_set, "muted"))))
    if tree := manifest.tree:
        where = tree.volume or tree.root
        rows.append(Fact("files", ink.say(f"{count(tree.members, 'member')} of {where}")))
        rows.append(Fact("paths", ink.say(", ".join(tree.paths))))
    return rows


def _warning_rows(ink: Ink, manifest: Manifest) -> list[Row]:
    if not manifest.warnings:
        return []
    head: list[Row] = [ink.say(""), ink.say((count(len(manifest.warnings), "warning"), "warning"))]
    signs = [Fact(ink.glyphs.warning, ink.say(text), "warning", 2) for text in manifest.warnings]
    return [*head, *signs]


class DetailScreen(MentatScreen[None]):
    heading = "snapshot"
    acts: ClassVar[tuple[Act, ...]] = (
        Act("r", "restore this", "app.restore", "Open the wizard on this snapshot."),
        BACK,
    )
    AUTO_FOCUS = "#detail"

    def __init__(self, entry: SnapshotEntry) -> None:
        super().__init__()
        self._entry = entry
        self._answer: Answer[SnapshotDetail] | None = None

    def body(self) -> Iterable[Widget]:
        with VerticalScroll(id="detail"):
            yield Facts(self.ink, id="detail-facts", label=14)

    def on_mount(self) -> None:
        super().on_mount()
        self.run_worker(self._ask(), exit_on_error=False)

    async def _ask(self) -> None:
        door = self.desk.door
        self._answer = await door.ask("manifest", door.engine.detail, self._entry.id)
        if self.is_mounted:
            self.repaint()

    def paint(self) -> None:
        snapshot = self._entry.id
        words = ["mentat-dr", "show", snapshot.ref, "--source", snapshot.source]
        if snapshot.host != self.desk.engine.settings.host:
            words += ["--host", snapshot.host]
        command = shlex.join(words)
        self.query_one("#detail-facts", Facts).show(
            [
                *detail_rows(self.ink, self._entry, self._answer, self.now),
                self.ink.say(""),
                *shell_rows(self.ink, command),
            ]
        )

    def selected(self) -> SnapshotEntry:
        return self._entry
