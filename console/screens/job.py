"""One job, live: phases, bytes, rate, time left, the age of the last output, and how it ended."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget

from console.acts import BACK, Act
from console.formatting import age, duration, size
from console.ink import STATE_ROLE, Ink
from console.messages import JobAdvanced
from console.screens.base import MentatScreen
from console.screens.log import follow, journal_table
from console.widgets.facts import Fact, Facts, Row
from console.widgets.panels import phase_progress
from console.widgets.table import VirtualTable
from engine.api import STATE_WORDS, Job, Phase, Record

TALL = 32  # lines from which the journal stands below
QUIET_AFTER = 30.0  # seconds without a sign of life before that is said in colour


def result_rows(ink: Ink, job: Job) -> list[Row]:
    """How a job ended: the proven facts, or what is wrong and the way on."""
    rows: list[Row] = []
    if job.result:
        role = "ok" if job.result.outcome == "done" else "warning"
        rows.append(Fact(ink.glyphs.done, ink.say((job.result.summary, role)), role, 2))
        rows += [
            Fact(str(name).replace("_", " "), ink.say(_fact(value)), cells=18)
            for name, value in job.result.facts.items()
            if _simple(value)
        ]
    if job.failure:
        rows.append(
            Fact(ink.glyphs.failed, ink.say((job.failure.message, "critical")), "critical", 2)
        )
        if job.failure.remedy:
            arrow = ink.glyphs.arrow
            rows.append(Fact(arrow, ink.say(job.failure.remedy), "key", len(arrow) + 1))
    elif job.state == "interrupted":
        rows.append(ink.say(("interrupted: it ended without a word", "critical")))
        rows.append(ink.say("What it had not finished does not count. Start it again."))
    for warned in job.warnings[:20]:
        rows.append(Fact(ink.glyphs.warning, ink.say(warned.message), "warning", 2))
    return rows


def _simple(value: object) -> bool:
    return isinstance(value, str | int | float | bool) and value != ""


def _fact(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def job_rows(ink: Ink, job: Job, now: datetime, cells: int) -> list[Row]:
    """The whole job, top to bottom."""
    rows: list[Row] = [_head(ink, job, now), ink.say("")]
    rows += [row for phase in job.phases[-12:] for row in _phase(ink, job, phase, cells, now)]
    if job.phases:
        rows.append(ink.say(""))
    if job.snapshots:
        rows += [
            Fact(
                "snapshot",
                ink.say(f"{made.source} {made.ref}", (f"  {size(made.stored_bytes)}", "muted")),
                "ok",
            )
            for made in job.snapshots
        ]
    if job.final:
        return [*rows, *result_rows(ink, job)]
    if job.command:
        where = f"in {job.command.where}: " if job.command.where != "host" else ""
        rows.append(
            Fact("$", ink.say((where, "muted"), (shlex.join(job.command.argv), "command")), cells=2)
        )
    rows.append(_sign_of_life(ink, job, now))
    for warned in job.warnings[-3:]:
        rows.append(Fact(ink.glyphs.warning, ink.say(warned.message), "warning", 2))
    return rows


def _head(ink: Ink, job: Job, now: datetime) -> Row:
    began = job.started_at or job.accepted_at
    took = ""
    if began:
        end = (job.ended_at or job.last_at or now) if job.final else now
        took = f" {duration((end - began).total_seconds())}"
    word = STATE_WORDS[job.state]
    preposition = {"running": " for", "accepted": " for"}.get(job.state, " after")
    return ink.say(
        (f"{ink.state(job.state)} {word}", STATE_ROLE[job.state]),
        preposition + took if took else "",
        (f"  by {job.user} on {job.host}" if job.user else "", "muted"),
        (f"  pid {job.pid}" if job.pid and not job.final else "", "muted"),
    )


def _phase(ink: Ink, job: Job, phase: Phase, cells: int, now: datetime) -> list[Row]:
    if phase.seconds is not None:
        sign, role = ink.glyphs.done, "ok"
    elif job.final:
        sign, role = ink.state(job.state), STATE_ROLE[job.state]
    else:
        sign, role = ink.glyphs.running, "progress"
    title = phase.title or phase.name
    if phase.seconds is not None:
        done = f" {size(phase.done)}" if phase.done and phase.unit == "bytes" else ""
        said = ink.say(title, (f"  {duration(phase.seconds)}{done and ','}{done}", "muted"))
        return [Fact(sign, said, role, 2)]
    if job.final:
        return [Fact(sign, ink.say(title, (f"  {STATE_WORDS[job.state]} here", role)), role, 2)]
    return [
        Fact(sign, ink.say((title, "strong")), role, 2),
        Fact("", phase_progress(ink, phase, cells, now), cells=2),
    ]


def _sign_of_life(ink: Ink, job: Job, now: datetime) -> Row:
    if job.last_at is None:
        return ink.say(("no output yet", "muted"))
    silent = (now - job.last_at).total_seconds()
    role = "warning" if silent > QUIET_AFTER else "muted"
    return ink.say(
        (f"last output {age(job.last_at, now)}", role),
        f": {job.last_output}" if job.last_output else "",
    )


class JobScreen(MentatScreen[None]):
    """Follows one job from its first record. Leaving it does nothing to the job."""

    acts: ClassVar[tuple[Act, ...]] = (
        Act("l", "log", "screen.log", "Its journal, line by line."),
        Act("c", "cancel", "screen.cancel", "Stop it and let it clean up."),
        Act("x", "release kept data", "screen.release", "Old data this restore put aside."),
        BACK,
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "log", show=False),
        Binding("c", "cancel", show=False),
        Binding("x", "release", show=False),
    ]
    AUTO_FOCUS = "#job"

    def __init__(self, job_id: str) -> None:
        super().__init__()
        self.job_id = job_id
        self._records: list[Record] = []

    @property
    def heading(self) -> str:  # type: ignore[override]
        job = self.model.job(self.job_id)
        return (job.title or job.operation) if job else "job"

    @property
    def job(self) -> Job | None:
        return self.model.job(self.job_id)

    def body(self) -> Iterable[Widget]:
        with VerticalScroll(id="job"):
            yield Facts(self.ink, id="job-facts", label=10)
        yield journal_table(self.ink, "JOURNAL", "job-journal")
        yield Facts(self.ink, id="job-foot", label=2)

    def on_mount(self) -> None:
        super().on_mount()
        self.desk.feed.watch(self.job_id)

    def on_unmount(self) -> None:
        self.desk.feed.unwatch(self.job_id)

    def paint(self) -> None:
        job = self.job
        facts = self.query_one("#job-facts", Facts)
        if job is None or not (job.operation or job.failure):
            facts.show([self.ink.say(("waiting for its first line", "muted"))])
            return
        cells = 32 if self.size.width >= 100 else 20
        rows = job_rows(self.ink, job, self.now, cells)
        rows += self._kept(job)
        facts.show(rows)
        self.query_one("#job-foot", Facts).show(self._foot(job))
        self.query_one("#job-journal").display = self.size.height >= TALL

    def _foot(self, job: Job) -> list[Row]:
        ink = self.ink
        verb = "log" if job.final else "attach"
        command = shlex.join(["mentat-dr", "job", verb, job.id])
        shell = ink.say(("Same from the shell: ", "label"), (command, "command"))
        if job.final:
            return [shell]
        safe = ink.say("Leaving is safe: it runs by itself, and you find it again under j.")
        return [safe, shell]

    def _kept(self, job: Job) -> list[Row]:
        posture = self.model.posture
        if not job.final or job.operation != "restore" or not posture:
            return []
        rows: list[Row] = []
        for kept in posture.kept:
            if kept.source in job.sources or not job.sources:
                said = f"the data that was live before is kept as {kept.what} until you release it"
                rows.append(Fact("KEPT", self.ink.say(said, (" (x releases it)", "muted"))))
        return [self.ink.say(""), *rows] if rows else []

    def current_acts(self) -> tuple[Act, ...]:
        job = self.job
        final = job is None or job.final
        kept = bool(self.model.posture and self.model.posture.kept)
        return tuple(
            act
            for act in self.acts
            if (act.key != "c" or not final) and (act.key != "x" or (final and kept))
        )

    def tick(self, now: datetime) -> None:
        super().tick(now)
        if self.job and not self.job.final:
            self.paint()

    def job_advanced(self, message: JobAdvanced) -> None:
        """A new state of this job came."""
        if message.job.id != self.job_id:
            return
        if message.first:
            self._records = []
        self._records += message.records
        follow(self.query_one("#job-journal", VirtualTable), self._records)

    def action_log(self) -> None:
        self.desk.show_log(self.job_id)

    def action_cancel(self) -> None:
        if self.job:
            self.desk.asking.cancel(self.job)

    def action_release(self) -> None:
        self.desk.asking.release()
