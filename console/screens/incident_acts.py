"""What the operator does to an incident: asked first, done by the engine, shown at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from console.screens.confirm import ConfirmDialog
from console.screens.incident_dialogs import ChoiceDialog, TextDialog
from console.screens.incident_rows import touched_rows
from console.screens.text import TextScreen
from console.widgets.controls import Option
from console.widgets.facts import Row
from console.widgets.panels import time_rows
from engine.api import Situation
from engine.api import incident_words as words

if TYPE_CHECKING:
    from console.app import MentatApp

T = TypeVar("T")
SECRETS = ("restore", "verify", "drill", "key")  # actions that decrypt


class IncidentActs:
    """Each public call begins a worker and returns at once."""

    def __init__(self, desk: MentatApp) -> None:
        self._desk = desk

    @property
    def _situation(self) -> Situation | None:
        return self._desk.model.incident

    def _begin(self, work: Callable[[Situation], Awaitable[None]]) -> None:
        situation = self._situation
        if situation is None:
            return

        async def run() -> None:
            await work(situation)

        self._desk.run_worker(run(), group="incident-act", exit_on_error=False)

    async def _do(self, call: Callable[[], T], seconds: float = 90.0) -> T | None:
        """Ask the engine; say what went wrong; look again. None when it went wrong."""
        answer = await self._desk.door.ask_within(seconds, "incident", call)
        if answer.trouble is not None:
            self._desk.complain(answer.trouble.message, answer.trouble.remedy)
        self._desk.response.wake()
        return answer.value

    async def _text(self, title: str, yes: str, **more: object) -> str | None:
        return await self._desk.push_screen_wait(TextDialog(title, yes=yes, **more))  # type: ignore[arg-type]

    # ------------------------------------------------------------ a step

    def act(self, step: words.Step) -> None:
        """What enter means here: watch, decide, begin or acknowledge."""
        situation = self._situation
        if situation is None:
            return
        if not situation.leads:
            self._desk.complain("You watch this incident.", "l takes the lead, n writes a note.")
            return
        progress = situation.incident.of(step)
        if progress.job and progress.state in ("running", "reversing"):
            self._desk.watch_job(progress.job)
        elif progress.state == "reversing":
            self._begin(lambda s: self._undone(s, step))
        elif progress.state == "done":
            self._desk.notify("It is done; x takes it back.", markup=False)
        elif step.kind == "decision":
            self._begin(lambda s: self._decide(s, step))
        elif step.action is not None:
            self._begin(lambda s: self._start(s, step))
        else:
            self._begin(lambda s: self._acknowledge(s, step))

    async def _decide(self, situation: Situation, step: words.Step) -> None:
        ink, incident = self._desk.ink, situation.incident
        refused = words.refusal(incident, step, "finish")
        if refused:
            self._desk.complain(refused)
            return
        rows: list[Row] = [ink.say(words.fill(step.instructions, situation.values))]
        if step.options:
            options = [Option(o.key, o.title, (o.why,) if o.why else ()) for o in step.options]
            answer: str | None = await self._desk.push_screen_wait(
                ChoiceDialog(step.title, rows, options)
            )
        else:
            usual = "latest" if step.ask == "time" else ""
            answer = await self._text(step.title, "Decide", rows=rows, need=True, value=usual)
        if answer:
            await self._do(
                lambda: self._desk.engine.steps.finish(step.id, incident.id, answer=answer)
            )

    async def _start(self, situation: Situation, step: words.Step) -> None:
        """Begin an action or a check, after its plan was read and its name typed."""
        engine, incident = self._desk.engine, situation.incident
        refused = words.refusal(incident, step, "begin")
        if refused and "approve" not in refused:
            self._desk.complain(refused)
            return
        confirm, does = "", ""
        if not refused:
            prepared = await self._desk.door.ask(
                "plan", lambda: (engine.steps.prepare(step.id, incident.id),)
            )
            if prepared.value is None:
                assert prepared.trouble is not None
                self._desk.complain(prepared.trouble.message, prepared.trouble.remedy)
                return
            ready = prepared.value[0]
            ink = self._desk.ink
            rows: list[Row] = [ink.say(words.fill(step.instructions, situation.values))]
            if ready is not None:
                does = ready.does
                if ready.plan is not None:
                    confirm = ready.plan.confirm_name
                    rows = [*touched_rows(ink, ready.plan), *time_rows(ink, ready.plan)]
            yes = await self._desk.push_screen_wait(
                ConfirmDialog(f"{step.title}?", rows, command=does, yes="Begin", name=confirm)
            )
            if not yes:
                return
        passphrase = await self._passphrase(step) if not refused else None
        if passphrase is False:
            return
        given = passphrase if isinstance(passphrase, str) else None
        await self._do(
            lambda: engine.steps.begin(step.id, incident.id, confirm=confirm, passphrase=given)
        )

    async def _passphrase(self, step: words.Step) -> str | bool | None:
        """What was typed; None when none is needed; False for no."""
        if step.action is None or step.action.name not in SECRETS:
            return None
        needs = await self._desk.door.ask("key", self._desk.engine.needs_passphrase)
        if not needs.value:
            return None
        typed = await self._text(
            "The passphrase of the private key", "Use it", secret=True, need=True
        )
        return typed if typed else False

    async def _acknowledge(self, situation: Situation, step: words.Step) -> None:
        refused = words.refusal(situation.incident, step, "finish")
        ink, incident = self._desk.ink, situation.incident
        if refused and "approve" not in refused:
            self._desk.complain(refused)
            return
        note: str | None = ""
        if not refused:
            rows: list[Row] = [ink.say(words.fill(step.instructions, situation.values))]
            rows.append(ink.say(("What did you see?", "label")))
            note = await self._text(step.title, "Done", rows=rows)
        if note is not None:
            await self._do(
                lambda: self._desk.engine.steps.finish(step.id, incident.id, note=note or "")
            )

    async def _undone(self, situation: Situation, step: words.Step) -> None:
        note = await self._text(f"{step.title}: is it taken back?", "It is")
        if note is not None:
            incident = situation.incident.id
            await self._do(lambda: self._desk.engine.steps.undone(step.id, note, incident))

    def by_hand(self, step: words.Step) -> None:
        self._begin(lambda s: self._acknowledge(s, step))

    def skip(self, step: words.Step) -> None:
        async def work(situation: Situation) -> None:
            reason = await self._text(f"Skip {step.title}: why?", "Skip", need=True)
            if reason:
                incident = situation.incident.id
                await self._do(lambda: self._desk.engine.steps.skip(step.id, reason, incident))

        self._begin(work)

    def failed(self, step: words.Step) -> None:
        async def work(situation: Situation) -> None:
            why = await self._text(f"{step.title} failed: why?", "It failed", need=True)
            if why:
                incident = situation.incident.id
                await self._do(lambda: self._desk.engine.steps.fail(step.id, why, incident))

        self._begin(work)

    def reverse(self, step: words.Step) -> None:
        async def work(situation: Situation) -> None:
            ink = self._desk.ink
            rows: list[Row] = []
            if step.reverse is not None:
                rows.append(ink.say(words.fill(step.reverse.instructions, situation.values)))
                command = words.fill_command(step.reverse.command, situation.values)
                rows.append(ink.say((command, "command")))
            reason = await self._text(
                f"Take back {step.title}: why?", "Reverse", rows=rows, need=True
            )
            if reason:
                incident = situation.incident.id
                await self._do(lambda: self._desk.engine.steps.reverse(step.id, reason, incident))

        self._begin(work)

    # ------------------------------------------------------------ the incident

    def note(self, step: words.Step | None) -> None:
        async def work(situation: Situation) -> None:
            text = await self._text("A note for the timeline", "Write", need=True)
            if text:
                about, incident = step.id if step else "", situation.incident.id
                await self._do(lambda: self._desk.engine.incidents.note(text, about, incident))

        self._begin(work)

    def value(self) -> None:
        async def work(situation: Situation) -> None:
            book, incident = situation.incident.runbook, situation.incident
            known = incident.known()
            options = [
                Option(p.name, f"{p.name} = {known.get(p.name, '')}", (p.title,))
                for p in book.parameters
            ]
            name = await self._desk.push_screen_wait(ChoiceDialog("Set which value?", (), options))
            if not name:
                return
            value = await self._text(f"{name} is", "Set", value=known.get(name, ""), need=True)
            if value:
                engine = self._desk.engine
                await self._do(lambda: engine.incidents.set_value(name, value, incident.id))

        self._begin(work)

    def hand_over(self) -> None:
        async def work(situation: Situation) -> None:
            ink, incident = self._desk.ink, situation.incident
            summary = words.handover(incident, situation.lines, self._desk.clock())
            rows: list[Row] = [ink.say(line) for line in summary.splitlines()[:12]]
            to = await self._text("Hand over to whom?", "Offer", rows=rows, need=True)
            if to:
                engine = self._desk.engine
                await self._do(lambda: engine.incidents.hand_over(to, summary, incident.id))

        self._begin(work)

    def approve(self, step: words.Step | None) -> None:
        async def work(situation: Situation) -> None:
            incident, engine = situation.incident, self._desk.engine
            if incident.offered:
                await self._do(lambda: engine.incidents.accept(incident.id))
            elif step is not None:
                await self._do(lambda: engine.incidents.approve(step.id, "", incident.id))

        self._begin(work)

    def lead(self) -> None:
        async def work(situation: Situation) -> None:
            why = await self._text("Take the lead: why?", "Take it", need=True)
            if why:
                engine, incident = self._desk.engine, situation.incident.id
                await self._do(lambda: engine.incidents.take(incident, reason=why))

        self._begin(work)

    def end(self) -> None:
        async def work(situation: Situation) -> None:
            options = [
                Option("recovered", "recovered", ()),
                Option("partly", "partly recovered", ()),
                Option("false-alarm", "a false alarm", ()),
                Option("abandoned", "abandoned", ()),
            ]
            incident, engine = situation.incident, self._desk.engine
            dialog = ChoiceDialog("Close the incident: how did it end?", (), options)
            outcome = await self._desk.push_screen_wait(dialog)
            if not outcome:
                return
            summary = await self._text("In one sentence: what happened?", "Close", need=True)
            if not summary:
                return
            done = await self._do(
                lambda: engine.incidents.close(outcome, summary, incident.id)  # type: ignore[arg-type]
            )
            if done is not None:
                self.report(incident.id)

        self._begin(work)

    def report(self, incident_id: str) -> None:
        engine = self._desk.engine
        self._desk.push_screen(
            TextScreen("report", lambda: engine.incidents.report(incident_id, "text"))
        )

    # ------------------------------------------------------------ declaring

    def declare(self, book: words.Runbook) -> None:
        """Ask for the mode and what must be known, then begin."""
        self._desk.run_worker(self._declare(book), group="incident-act", exit_on_error=False)

    async def _declare(self, book: words.Runbook) -> None:
        ink, engine = self._desk.ink, self._desk.engine
        rows: list[Row] = [ink.say((words.targets(book), "strong")), ink.say(book.summary)]
        modes = [
            Option("LIVE", "LIVE: it is real", ()),
            Option("DRILL", "DRILL: a rehearsal", ("the same steps on the same host; say so",)),
        ]
        mode = await self._desk.push_screen_wait(ChoiceDialog(book.title, rows, modes))
        if not mode:
            return
        values: dict[str, str] = {}
        for parameter in book.parameters:
            if not parameter.required:
                continue
            value = await self._ask_value(parameter.name, parameter.title)
            if not value:
                return
            values[parameter.name] = value
        made = await self._do(
            lambda: engine.incidents.declare(book.id, mode=mode, values=values)  # type: ignore[arg-type]
        )
        if made is not None:
            await self._desk.response.look()
            self._desk.action_runbooks()

    async def _ask_value(self, name: str, title: str) -> str | None:
        sources = self._desk.engine.settings.sources
        if name == "source" and sources:
            options = [Option(s.name, s.name, (s.kind,)) for s in sources]
            return await self._desk.push_screen_wait(ChoiceDialog(title, (), options))
        return await self._text(title, "Go on", need=True)
