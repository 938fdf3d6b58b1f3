"""Page 5: what exactly will happen. Cancel has the focus; live data wants its name typed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import Input

from console.acts import BACK, Act
from console.door import Trouble
from console.formatting import age
from console.screens.restore.draft import Draft
from console.screens.restore.page import Page
from console.widgets.controls import Line, Press
from console.widgets.facts import Fact, Facts, Row
from console.widgets.panels import plan_rows, shell_rows, time_rows, trouble_rows
from console.widgets.say import Say
from engine.api import RestorePlan


class PlanPage(Page):
    number = 5
    acts: ClassVar[tuple[Act, ...]] = (
        Act("tab", "next field"),
        Act("enter", "press"),
        Act("pgdn", "scroll"),
        BACK,
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup,up", "read(-1)", show=False),
        Binding("pagedown,down", "read(1)", show=False),
    ]

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self.plan: RestorePlan | None = None
        self._trouble: Trouble | None = None
        self._unsigned = ""  # why the manifest is not proven, while that blocks
        self._starting = False

    def body(self) -> Iterable[Widget]:
        with VerticalScroll(id="plan", can_focus=False):
            yield Facts(self.ink, id="plan-facts", label=11)
        with Vertical(id="decision"):
            with Horizontal(id="confirm-line", classes="field"):
                yield Say(id="confirm-label", classes="field-label")
                yield Line(id="confirm")
            with Horizontal(id="buttons"):
                yield Press("Cancel", self.ink, id="cancel")
                yield Say(id="why")
                yield Press("Restore", self.ink, id="restore")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#cancel", Press).focus()
        self.run_worker(self._ask(), exit_on_error=False)

    def settle(self) -> None:
        """Keys typed ahead wait for the plan."""
        if self.plan or self._trouble:
            self.ready.set()

    async def _ask(self) -> None:
        self.ready.clear()
        door, request = self.desk.door, self.draft.request()
        self.plan, self._trouble, self._unsigned = None, None, ""
        self.repaint()
        answer = await door.ask_within(60.0, "plan", lambda: door.engine.plan(request))
        self.plan, self._trouble = answer.value, answer.trouble
        if self.plan and self.plan.blockers and not self.draft.accept_unsigned:
            snapshot = self.plan.snapshot
            detail = await door.ask("manifest", door.engine.detail, snapshot)
            if detail.value and not detail.value.signature.good:
                self._unsigned = detail.value.signature.problem or "it is not signed"
        if self.is_mounted:
            self.repaint()
            self.call_after_refresh(self.ready.set)

    # ------------------------------------------------------------ drawing

    @property
    def _word(self) -> str:
        """What must be typed now; empty when nothing."""
        if self.plan is None:
            return ""
        return self.plan.snapshot.ref if self._unsigned else self.plan.confirm_name

    def paint(self) -> None:
        self.query_one("#plan-facts", Facts).show(self._rows())
        self.query_one("#confirm-line").display = bool(self._word)
        what = "the snapshot's id" if self._unsigned else "the name"
        self.query_one("#confirm-label", Say).show(
            self.ink.say(f"To go on, type {what} ", (self._word, "strong"), ": ")
        )
        self._arm()
        self.call_after_refresh(self._say_more)

    def _say_more(self) -> None:
        """Say in words that the plan goes on below; not every terminal shows a scroll bar."""
        box = self.query_one("#plan", VerticalScroll)
        more = box.max_scroll_y > 0 and box.scroll_offset.y < box.max_scroll_y
        self.query_one("#decision").border_title = "pgdn: the plan goes on" if more else ""

    def _rows(self) -> list[Row]:
        ink = self.ink
        if self._trouble:
            return [ink.say(("There is no plan:", "strong")), *trouble_rows(ink, self._trouble)]
        if self.plan is None:
            return [ink.say(("Working out what this will touch.", "muted"))]
        plan = self.plan
        dot = f" {ink.glyphs.dot} "
        settings = self.desk.engine.settings
        rows: list[Row] = [
            ink.say((plan.title, "strong")),
            ink.say(
                (f"{settings.host}{dot}{settings.environment}{dot}", "muted"),
                ("LIVE", "live"),
                (dot, "muted"),
                f"{age(plan.recoverable_to, self.now)}{dot}",
                self._proof(plan),
            ),
            *self._blockers(plan),
            ink.say(""),
            *plan_rows(ink, plan),
            *(Fact(ink.glyphs.warning, ink.say(w), "warning", 2) for w in plan.warnings),
            ink.say(""),
            Fact("KEY", ink.say((f"{ink.glyphs.done} ", "ok"), self.draft.key_words)),
            *time_rows(ink, plan),
            ink.say(""),
            *shell_rows(ink, plan.command),
        ]
        return rows

    def _proof(self, plan: RestorePlan) -> tuple[str, str]:
        if plan.proven_at:
            words = f"verified {age(plan.proven_at, self.now)}"
            return f"{self.ink.glyphs.done} {words}", "ok"
        return f"{self.ink.glyphs.warning} unverified: never proven", "warning"

    def _blockers(self, plan: RestorePlan) -> list[Row]:
        ink = self.ink
        rows: list[Row] = [
            Fact(ink.glyphs.failed, ink.say((words, "critical")), "critical", 2)
            for words in plan.blockers
        ]
        if self._unsigned:
            rows.append(ink.say("It may have been altered. Type its id only if you know why."))
        elif rows:
            rows.append(ink.say("It cannot start like this. Cancel, mend it, and come back."))
        return rows

    def _arm(self) -> None:
        """Enable Restore only when all that it needs is there, and say what is missing."""
        typed = self.query_one("#confirm", Line).value
        why = ""
        if self.plan is None or self._trouble:
            why = "no plan yet" if not self._trouble else "no plan"
        elif self.plan.blockers and not self._unsigned:
            why = "blocked, see above"
        elif self._word and typed != self._word:
            why = "type the name first" if not typed else "not the same yet"
        elif self._starting:
            why = "starting"
        restore = self.query_one("#restore", Press)
        restore.disabled = bool(why)
        self.query_one("#why", Say).show(self.ink.say((why, "muted")))

    # ------------------------------------------------------------ acts

    def action_read(self, by: int) -> None:
        """Scroll the plan, whatever has the focus."""
        box = self.query_one("#plan", VerticalScroll)
        box.scroll_relative(y=by * max(1, box.size.height - 2), animate=False)
        self.call_after_refresh(self._say_more)

    @on(Input.Changed, "#confirm")
    def _typed(self) -> None:
        self._arm()

    @on(Input.Submitted, "#confirm")
    def _submitted(self) -> None:
        restore = self.query_one("#restore", Press)
        if not restore.disabled:
            restore.focus()

    @on(Press.Pressed, "#cancel")
    def _cancelled(self) -> None:
        self.action_back()

    @on(Press.Pressed, "#restore")
    def _pressed(self) -> None:
        if self._unsigned:
            self.draft.accept_unsigned = self.query_one("#confirm", Line).take()
            self.query_one("#cancel", Press).focus()
            self.run_worker(self._ask(), exit_on_error=False)
            return
        if not self._starting:
            self._starting = True
            self._arm()
            self.run_worker(self._start(), exit_on_error=False)

    async def _start(self) -> None:
        door, draft = self.desk.door, self.draft
        request = draft.request(self.query_one("#confirm", Line).value)
        passphrase = draft.passphrase
        answer = await door.ask(
            "start of the restore", door.engine.start_restore, request, passphrase
        )
        self._starting = False
        if answer.value is None:
            self._trouble = answer.trouble
            self.query_one("#cancel", Press).focus()
            self.repaint()
            return
        draft.forget()
        self.desk.watch_job(answer.value)
