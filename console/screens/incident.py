"""The incident: where am I, how long do I have, what is next?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widget import Widget

from console.acts import BACK, Act
from console.formatting import duration
from console.screens.base import MentatScreen
from console.screens.incident_acts import IncidentActs
from console.screens.incident_rows import (
    ROLE,
    clock_line,
    people_line,
    sign,
    step_rows,
)
from console.screens.text import TextScreen, TimelineScreen
from console.widgets.columns import Cell, Column
from console.widgets.facts import Facts
from console.widgets.say import Say
from console.widgets.table import VirtualTable
from engine.api import Situation
from engine.api import incident_words as words


class IncidentScreen(MentatScreen[None]):
    acts: ClassVar[tuple[Act, ...]] = (
        Act("enter", "do it", "screen.act", "Begin, decide, acknowledge, or watch its job."),
        Act("n", "note", "screen.note", "A line for the timeline."),
        Act("s", "skip", "screen.skip", "With a reason."),
        Act("x", "reverse", "screen.reverse", "Take this step back."),
        Act("b", "by hand", "screen.by_hand", "It was done without mentat-dr."),
        Act("f", "failed", "screen.failed", "It did not work."),
        Act("h", "hand over", "screen.hand_over", "Offer the lead, with a summary."),
        Act("t", "timeline", "screen.timeline", "Who did what, when."),
        Act("c", "card", "screen.card", "The quick reference of this scenario."),
        Act("v", "value", "screen.value", "Tell it what its steps need to know."),
        Act("y", "approve", "screen.approve", "As the second person; or accept a hand-over."),
        Act("l", "lead", "screen.lead", "Take the lead without a hand-over."),
        Act("e", "end", "screen.end", "Close the incident and see its report."),
        BACK,
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "act", show=False),
        *(
            Binding(act.key, act.action.removeprefix("screen."), show=False)
            for act in acts
            if len(act.key) == 1
        ),
    ]
    AUTO_FOCUS = "#steps"

    def __init__(self) -> None:
        super().__init__()
        self._at = ""  # the step that the cursor was put on by itself

    @property
    def heading(self) -> str:  # type: ignore[override]
        situation = self.model.incident
        return situation.incident.runbook.title.lower() if situation else "incident"

    @property
    def doing(self) -> IncidentActs:
        return IncidentActs(self.desk)

    def body(self) -> Iterable[Widget]:
        yield Say(id="incident-clock")
        yield Say(id="incident-people")
        with Horizontal(id="columns"):
            with Vertical(id="main"):
                yield VirtualTable[words.Step](
                    self._columns(),
                    identity=lambda step: step.id,
                    search=lambda step: f"{step.id} {step.title}",
                    ink=self.ink,
                    empty="no incident is open",
                    id="steps",
                )
                with VerticalScroll(id="below", can_focus=False):
                    yield Facts(self.ink, id="facts", label=2)
            with VerticalScroll(id="side", can_focus=False):
                yield Facts(self.ink, id="side-facts", label=2)

    def _columns(self) -> list[Column[words.Step]]:
        return [
            Column("state", "STEP", self._state, 4),
            Column("title", "", self._title, 34, 46),
            Column("kind", "KIND", lambda s: Cell(s.kind, "muted"), 8, drop=2),
            Column("took", "TOOK", self._took, 6, align="right"),
            Column("of", "OF", self._expected, 6, align="right"),
            Column("said", "", self._said, 12, 60, drop=1),
        ]

    def _standing(self, step: words.Step) -> words.Standing:
        situation = self.model.incident
        return situation.incident.standing(step) if situation else "waiting"

    def _state(self, step: words.Step) -> Cell:
        situation = self.model.incident
        number = situation.incident.runbook.number(step.id) if situation else 0
        standing = self._standing(step)
        return Cell(f"{sign(self.ink, standing)} {number}", ROLE[standing])

    def _title(self, step: words.Step) -> Cell:
        return Cell(step.title, ROLE[self._standing(step)])

    def _took(self, step: words.Step) -> Cell:
        situation = self.model.incident
        if situation is None:
            return Cell("")
        spent = words.took(situation.incident, step, self.now)
        late = words.overdue(situation.incident, step, self.now, situation.measured)
        text = duration(spent.total_seconds()) if spent is not None else ""
        return Cell(text, "warning" if late else "")

    def _expected(self, step: words.Step) -> Cell:
        situation = self.model.incident
        span = words.duration(step, situation.measured) if situation else None
        return Cell(duration(span.total_seconds()) if span else "", "muted")

    def _said(self, step: words.Step) -> Cell:
        situation = self.model.incident
        if situation is None:
            return Cell("")
        progress, standing = situation.incident.of(step), self._standing(step)
        said = progress.answer or progress.note or words.STANDING_WORDS[standing]
        return Cell(said, ROLE[standing])

    # ------------------------------------------------------------ drawing

    @property
    def table(self) -> VirtualTable[words.Step]:
        return self.query_one("#steps", VirtualTable)

    @property
    def step(self) -> words.Step | None:
        return self.table.row

    def paint(self) -> None:
        situation = self.model.incident
        table = self.table
        if situation is None:
            table.set_rows(())
            said = "no incident is open; R shows the runbooks"
            self.query_one("#incident-clock", Say).show(self.ink.say((said, "muted")))
            self.query_one("#incident-people", Say).show(self.ink.say(""))
            self.query_one("#facts", Facts).show(())
            return
        needed = situation.incident.runbook.steps
        table.set_rows(needed)
        self._follow(situation)
        self._clock(situation, self.now)
        room = max(6, self.size.height - 8)
        table.styles.height = max(3, min(len(needed) + 1, room // 2 if not self.wide else room))
        self._details(situation)

    def _follow(self, situation: Situation) -> None:
        """Put the cursor on what is next, each time that changes; else it stays the operator's."""
        following = situation.incident.next_step
        if following is None or following.id == self._at:
            return
        self._at = following.id
        self.table.select(lambda step: step.id == following.id)

    def _clock(self, situation: Situation, now: datetime) -> None:
        cells = 20 if self.size.width < 100 else 40
        line = clock_line(self.ink, situation, now, cells)
        self.query_one("#incident-clock", Say).show(line)
        self.query_one("#incident-people", Say).show(people_line(self.ink, situation))

    def _details(self, situation: Situation) -> None:
        step = self.step
        rows = step_rows(self.ink, situation, step, self.now) if step else []
        if situation.incident.closed is not None:
            closed = situation.incident.closed
            rows.insert(0, self.ink.say((f"closed: {closed.outcome}. {closed.summary}", "strong")))
        self.query_one("#side").display = self.wide
        self.query_one("#below").display = not self.wide
        self.query_one("#side-facts" if self.wide else "#facts", Facts).show(rows)

    def tick(self, now: datetime) -> None:
        super().tick(now)
        situation = self.model.incident
        if situation is not None and situation.incident.ended_at is None:
            self._clock(situation, now)

    @on(VirtualTable.Moved)
    def _moved(self) -> None:
        if self.model.incident is not None:
            self._details(self.model.incident)

    def current_acts(self) -> tuple[Act, ...]:
        """What may be done with the step under the cursor."""
        situation, step = self.model.incident, self.step if self.is_mounted else None
        if situation is None:
            return (BACK,)
        hidden = set()
        incident = situation.incident
        standing = incident.standing(step) if step else "waiting"
        if situation.leads:
            hidden.add("l")
        else:
            hidden |= {"enter", "s", "x", "b", "f", "h", "v", "e"}
        if step is None or words.refusal(incident, step, "skip"):
            hidden.add("s")
        if step is None or words.refusal(incident, step, "reverse"):
            hidden.add("x")
        if standing != "running" or (step and incident.of(step).job):
            hidden.add("f")
        if step is None or step.action is None or words.refusal(incident, step, "finish"):
            hidden.add("b")
        asked = step is not None and incident.of(step).asked is not None
        approved = step is not None and incident.of(step).approved is not None
        if not incident.offered and (not asked or approved):
            hidden.add("y")
        return tuple(act for act in self.acts if act.key not in hidden)

    # ------------------------------------------------------------ acts

    @on(VirtualTable.Chosen)
    def _chosen(self) -> None:
        self.action_act()

    def action_act(self) -> None:
        if self.step is not None:
            self.doing.act(self.step)

    def action_note(self) -> None:
        self.doing.note(self.step)

    def action_skip(self) -> None:
        if self.step is not None:
            self.doing.skip(self.step)

    def action_reverse(self) -> None:
        if self.step is not None:
            self.doing.reverse(self.step)

    def action_by_hand(self) -> None:
        if self.step is not None:
            self.doing.by_hand(self.step)

    def action_failed(self) -> None:
        if self.step is not None:
            self.doing.failed(self.step)

    def action_hand_over(self) -> None:
        self.doing.hand_over()

    def action_value(self) -> None:
        self.doing.value()

    def action_approve(self) -> None:
        self.doing.approve(self.step)

    def action_lead(self) -> None:
        self.doing.lead()

    def action_end(self) -> None:
        self.doing.end()

    def action_timeline(self) -> None:
        self.desk.push_screen(TimelineScreen())

    def action_card(self) -> None:
        situation = self.model.incident
        if situation is not None:
            book = situation.incident.runbook.id
            engine = self.desk.engine
            self.desk.push_screen(TextScreen("card", lambda: engine.cards.card(book)))
