"""Jobs: what runs and what ran on this host."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widget import Widget

from console.acts import BACK, Act
from console.formatting import age, duration
from console.ink import STATE_ROLE
from console.screens.base import MentatScreen
from console.screens.job import job_rows, result_rows
from console.widgets.columns import Cell, Column
from console.widgets.facts import Fact, Facts
from console.widgets.panels import moment, trouble_rows
from console.widgets.table import VirtualTable
from engine.api import STATE_WORDS, Job


class JobsScreen(MentatScreen[None]):
    heading = "jobs"
    acts: ClassVar[tuple[Act, ...]] = (
        Act("enter", "attach", "screen.open", "Watch it live, or see how it ended."),
        Act("l", "log", "screen.log", "Its journal, line by line."),
        Act("c", "cancel", "screen.cancel", "Stop it and let it clean up."),
        BACK,
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "log", show=False),
        Binding("c", "cancel", show=False),
        Binding("enter", "open", show=False),
    ]
    AUTO_FOCUS = "#jobs"

    def body(self) -> Iterable[Widget]:
        with Horizontal(id="columns"):
            with Vertical(id="main"):
                yield VirtualTable[Job](
                    self._columns(),
                    identity=lambda job: job.id,
                    search=lambda job: f"{job.id} {job.title} {job.state}",
                    ink=self.ink,
                    empty="reading the journals",
                    id="jobs",
                )
                with VerticalScroll(id="below", can_focus=False):
                    yield Facts(self.ink, id="facts")
            with VerticalScroll(id="side", can_focus=False):
                yield Facts(self.ink, id="side-facts")

    def _columns(self) -> list[Column[Job]]:
        return [
            Column("state", "STATE", self._state, 13, 20),
            Column(
                "title", "JOB", lambda j: Cell(j.title or j.operation or j.id, "strong"), 16, 48
            ),
            Column("when", "BEGAN", lambda j: Cell(age(j.accepted_at, self.now), "muted"), 14),
            Column("took", "TOOK", self._took, 7, align="right"),
            Column("user", "BY", lambda j: Cell(j.user, "muted"), 6, 10, drop=2),
            Column("id", "ID", lambda j: Cell(j.id, "muted"), 24, 40, drop=3),
        ]

    def _state(self, job: Job) -> Cell:
        return Cell(f"{self.ink.state(job.state)} {STATE_WORDS[job.state]}", STATE_ROLE[job.state])

    def _took(self, job: Job) -> Cell:
        if job.started_at is None:
            return Cell("")
        end = job.ended_at or (job.last_at if job.final else self.now)
        return Cell(duration((end - job.started_at).total_seconds()) if end else "")

    @property
    def table(self) -> VirtualTable[Job]:
        return self.query_one("#jobs", VirtualTable)

    def paint(self) -> None:
        model = self.model
        self.table.empty = "no job has run on this host yet"
        if model.jobs is None:
            self.table.empty = "the journals cannot be read" if model.jobs_trouble else "reading"
        else:
            self.table.set_rows(model.jobs)
        self.query_one("#side").display = self.wide
        self.query_one("#below").display = not self.wide
        self._paint_facts()

    @on(VirtualTable.Moved)
    def _paint_facts(self) -> None:
        rows = trouble_rows(self.ink, self.model.jobs_trouble) if self.model.jobs_trouble else []
        job = self.table.row
        if job is not None:
            rows.append(self.ink.say((job.title or job.operation, "title")))
            if self.wide:
                rows.append(Fact("began", moment(self.ink, job.accepted_at, self.now)))
                rows.append(Fact("id", self.ink.say(job.id)))
            if job.final:
                rows += result_rows(self.ink, job)
            else:
                rows += job_rows(self.ink, job, self.now, 16)
        self.query_one("#side-facts" if self.wide else "#facts", Facts).show(rows)

    def current_acts(self) -> tuple[Act, ...]:
        running = bool(self.model.running)
        return tuple(act for act in self.acts if act.key != "c" or running)

    @on(VirtualTable.Chosen)
    def _chosen(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        if self.table.row is not None:
            self.desk.watch_job(self.table.row.id)

    def action_log(self) -> None:
        if self.table.row is not None:
            self.desk.show_log(self.table.row.id)

    def action_cancel(self) -> None:
        if self.table.row is not None:
            self.desk.asking.cancel(self.table.row)
