"""A whole incident as numbered prompts: for a serial console, a screen reader, the worst link."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from engine.cli import incident_text, live
from engine.cli.incident import copied
from engine.cli.output import Output, ask
from engine.core.errors import Cancelled, HeldError, MentatError, UsageError
from engine.core.incident import Incident
from engine.core.runbook import Step

if TYPE_CHECKING:
    from engine.api import Engine

PROGRESS = 5.0  # seconds between lines about a running job


class Left(Exception):
    """The operator leaves; the incident goes on."""


def play(
    engine: Engine,
    output: Output,
    runbook: str,
    drill: bool,
    values: dict[str, str],
    passphrase_file: str,
) -> int:
    """Work through an incident until it is closed or left; the exit code."""
    current = engine.incidents.current()
    if runbook:
        book = engine.runbooks.book(runbook)
        if current is not None and current.runbook.id != book.id:
            raise UsageError(f"{current.id} is open", "Go on with it: mentat-dr runbook run")
        if current is None:
            for parameter in book.parameters:
                if parameter.required and not values.get(parameter.name):
                    values[parameter.name] = ask(f"{parameter.title}: ")
            mode = "DRILL" if drill else "LIVE"
            current = engine.incidents.declare(book.id, mode=mode, values=values)  # type: ignore[arg-type]
    if current is None:
        raise UsageError("no incident is open on this host", "Name a runbook to begin one.")
    player = _Player(engine, output, current.id, passphrase_file)
    try:
        while player.turn():
            continue
    except (Left, KeyboardInterrupt, Cancelled):
        output.note("The incident goes on. Come back with: mentat-dr runbook run")
    return 0


class _Player:
    def __init__(self, engine: Engine, output: Output, incident_id: str, file: str) -> None:
        self.engine, self.output, self.id, self.file = engine, output, incident_id, file

    def turn(self) -> bool:
        """One prompt; False when the incident is closed."""
        incident = self.engine.steps.settle(self.id)
        if incident.closed is not None:
            return False
        copied(self.engine, self.output, self.id)
        step = incident.next_step
        self._head(incident)
        if step is None:
            return self._all_settled(incident)
        progress = incident.of(step)
        if progress.state in ("running", "reversing") and progress.job:
            self._watch(progress.job)
            return True
        incident_text.step_details(self.engine, self.output, incident, step)
        self._choose(incident, step)
        return True

    def _head(self, incident: Incident) -> None:
        line, style = incident_text.clock_line(
            self.engine.incidents.clock(incident), datetime.now(UTC)
        )
        self.output.line()
        self.output.line(
            f"{incident.mode} {incident.runbook.title} on {incident.host}: {line}", style
        )

    def _all_settled(self, incident: Incident) -> bool:
        self.output.line("Every step is settled.")
        choice = self._menu(("close the incident", "show all steps", "write a note"))
        if choice == 1:
            summary = ask("In one sentence, what happened: ")
            self.engine.incidents.close("recovered", summary, incident.id)
            copied(self.engine, self.output, incident.id)
            self.output.line("closed; its report: mentat-dr incident report")
            return False
        if choice == 2:
            incident_text.show(self.engine, self.output, incident)
        else:
            self.engine.incidents.note(ask("Note: "), "", incident.id)
        return True

    def _menu(self, words: tuple[str, ...]) -> int:
        """The number chosen, from 1. Left for q."""
        for number, what in enumerate(words, 1):
            self.output.line(f"  {number}) {what}")
        while True:
            answer = ask(f"1-{len(words)}, or q to leave: ").strip().lower()
            if answer in ("q", "quit"):
                raise Left
            if answer.isdigit() and 1 <= int(answer) <= len(words):
                return int(answer)

    def _choose(self, incident: Incident, step: Step) -> None:
        acts = self._acts(incident, step)
        number = self._menu(tuple(words for words, _ in acts))
        try:
            acts[number - 1][1]()
        except (UsageError, HeldError) as error:
            self.output.line(error.message, "critical")
            self.output.line(error.remedy)
        except MentatError as error:
            self.output.line(f"failed: {error.message}", "critical")
            self.output.line(error.remedy)

    def _acts(self, incident: Incident, step: Step) -> list[tuple[str, Callable[[], object]]]:
        """What may be done with this step now, in words."""
        steps, state = self.engine.steps, incident.of(step).state
        acts: list[tuple[str, Callable[[], object]]] = []
        if step.kind == "decision":
            acts.append(("decide", lambda: self._decide(incident, step)))
        elif step.action is not None and state != "running":
            word = "do it again" if state == "failed" else "do it"
            acts.append((word, lambda: self._begin(incident, step)))
        if state == "reversing":
            acts.append(("it is taken back", lambda: steps.undone(step.id, ask("Note: "), self.id)))
        elif step.kind != "decision":
            words = "it was done by hand" if step.action else "done"
            acts.append((words, lambda: steps.finish(step.id, self.id, note=ask("Note: "))))
        if state == "running":
            acts.append(("it failed", lambda: steps.fail(step.id, ask("Why: "), self.id)))
        else:
            acts.append(("skip it", lambda: steps.skip(step.id, ask("Why: "), self.id)))
        acts.append(
            ("write a note", lambda: self.engine.incidents.note(ask("Note: "), step.id, self.id))
        )
        acts.append(("take a step back", self._reverse))
        acts.append(
            ("show all steps", lambda: incident_text.show(self.engine, self.output, incident))
        )
        acts.append(("set a value", self._set))
        return acts

    def _decide(self, incident: Incident, step: Step) -> None:
        answer = ask("Answer: ")
        self.engine.steps.finish(step.id, self.id, answer=answer)

    def _begin(self, incident: Incident, step: Step) -> None:
        ready = self.engine.steps.prepare(step.id, self.id)
        confirm = ""
        if ready is not None and ready.plan is not None:
            from engine.cli import plan_text

            plan_text.show(self.output, ready.plan)
            if ready.plan.confirm_name:
                confirm = ask(f"To go on, type {ready.plan.confirm_name}: ")
        elif ready is not None:
            self.output.line(f"$ {ready.does}")
        passphrase = incident_text.passphrase(self.engine, step.id, self.id, self.file, None)
        self.engine.steps.begin(step.id, self.id, confirm=confirm, passphrase=passphrase)

    def _reverse(self) -> None:
        step = ask("Which step (number): ")
        self.engine.steps.reverse(step, ask("Why: "), self.id)

    def _set(self) -> None:
        name, _, value = ask("NAME=VALUE: ").partition("=")
        self.engine.incidents.set_value(name.strip(), value.strip(), self.id)

    def _watch(self, job_id: str) -> None:
        """Follow the job to its end, a line now and then."""
        told = 0.0
        while not (job := self.engine.job(job_id)).final:
            if time.monotonic() - told > PROGRESS:
                told = time.monotonic()
                self.output.line(live.status_line(job, datetime.now(UTC)))
            time.sleep(0.2)
        words = job.result.summary if job.result else ""
        if job.failure:
            self.output.line(f"failed: {job.failure.message}", "critical")
            self.output.line(job.failure.remedy)
        else:
            self.output.line(f"done: {words}", "ok")
