"""Steps of an incident: begun, finished, failed, skipped, reversed; and jobs brought up to date.

Every function is one act of a person, refused with reasons when it may not be. The pen is held from
the line that says a job begins to the line that names it: nobody ever meets a half of that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from engine.api.incident_actions import JOBS, LOOKS, Asked, Ready
from engine.core import incident_events as said
from engine.core.errors import HeldError, MentatError, UsageError
from engine.core.incident import Incident, refusal
from engine.core.incident_events import EvidenceKept, IncidentEvent
from engine.core.runbook import PLACE, Deed, Move, Step, fill

if TYPE_CHECKING:
    from engine.api import Engine
    from engine.core.job import Job
    from engine.jobs.incident_desk import Pen

_SLACK = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Steps:
    """`engine.steps`."""

    engine: Engine

    # ------------------------------------------------------------ acts

    def prepare(self, step: str, incident_id: str = "") -> Ready | None:
        """What a step's job will do, before it is begun; None when it starts none."""
        incident = self.engine.incidents.get(incident_id)
        wanted = self.engine.incidents.step(incident, step)
        if wanted.action is None or wanted.action.name not in JOBS:
            return None
        return self._ready(incident, wanted.action, Asked(incident.id))

    def begin(
        self, step: str, incident_id: str = "", *, confirm: str = "", passphrase: str | None = None
    ) -> Incident:
        """Begin a step: its check is made and its answer written, or its job started. A step
        without an action only starts its clock. UsageError when it may not, with why."""
        with self._writing(incident_id) as (pen, incident):
            wanted = self._allowed(pen, incident, step, "begin")
            attempt = incident.of(wanted).attempts + 1
            asked = Asked(incident.id, confirm, passphrase)
            if wanted.action is None:
                return pen.write(said.StepBegan(wanted.id, attempt))
            if wanted.action.name in LOOKS:
                return self._look(pen, wanted, attempt, asked)
            ready = self._ready(incident, wanted.action, asked)
            need_confirmation(ready, confirm)
            pen.write(said.StepBegan(wanted.id, attempt, ready.does, ready.facts))
            return self._launch(pen, wanted, ready)

    def finish(
        self, step: str, incident_id: str = "", *, note: str = "", answer: str = ""
    ) -> Incident:
        """Acknowledge a step as done; a decision needs its answer."""
        with self._writing(incident_id) as (pen, incident):
            wanted = self._allowed(pen, incident, step, "finish")
            given = checked_answer(wanted, answer)
            return pen.write(said.StepFinished(wanted.id, note, given))

    def fail(self, step: str, why: str, incident_id: str = "") -> Incident:
        """Say that a step did not work."""
        with self._writing(incident_id) as (pen, incident):
            wanted = self._allowed(pen, incident, step, "fail")
            return pen.write(said.StepFailed(wanted.id, needed(why, "why it failed")))

    def skip(self, step: str, reason: str, incident_id: str = "") -> Incident:
        with self._writing(incident_id) as (pen, incident):
            wanted = self._allowed(pen, incident, step, "skip")
            return pen.write(said.StepSkipped(wanted.id, needed(reason, "why it is skipped")))

    def reverse(self, step: str, reason: str, incident_id: str = "") -> Incident:
        """Take a step back: by its own action, or by hand, which `undone` then acknowledges."""
        with self._writing(incident_id) as (pen, incident):
            wanted = self._allowed(pen, incident, step, "reverse")
            if wanted.kind == "decision":  # an answer is taken back by taking it back
                why = needed(reason, "why it is reversed")
                return pen.write(
                    said.StepReversing(wanted.id, why), said.StepReversed(wanted.id, why)
                )
            if wanted.reverse is None:
                raise UsageError(
                    f"{wanted.title} has no way back in this runbook", "Write down what you do."
                )
            began = said.StepReversing(wanted.id, needed(reason, "why it is reversed"))
            if wanted.reverse.action is None:
                return pen.write(began)
            ready = self._ready(incident, wanted.reverse.action, Asked(incident.id))
            pen.write(began)
            return self._launch(pen, wanted, ready)

    def undone(self, step: str, note: str = "", incident_id: str = "") -> Incident:
        """Acknowledge that a step was taken back by hand."""
        with self._writing(incident_id) as (pen, incident):
            wanted = self._allowed(pen, incident, step, "undone")
            return pen.write(said.StepReversed(wanted.id, note))

    # ------------------------------------------------------------ jobs that ended

    def settle(self, incident_id: str = "") -> Incident:
        """Bring steps whose jobs have ended up to date, and find what a dead console left: a job
        that was started and not yet named is named; a check that was not answered has failed."""
        incidents = self.engine.incidents
        incident = incidents.get(incident_id)
        if incident.closed is not None or not self._stale(incident):
            return incident
        with incidents.pen(incident.id) as pen:
            for step in pen.incident.running:
                for event in self._ended(pen.incident, step):
                    pen.write(event)
            return pen.incident

    def _stale(self, incident: Incident) -> bool:
        for step in incident.running:
            progress = incident.of(step)
            if progress.job and progress.job_host == self.engine.incidents.who.host:
                if self.engine.job(progress.job).final:
                    return True
            elif not progress.job and self._automatic(incident, step):
                return True
        return False

    @staticmethod
    def _automatic(incident: Incident, step: Step) -> bool:
        if incident.of(step).state == "reversing":
            return step.reverse is not None and step.reverse.action is not None
        return step.action is not None

    def _ended(self, incident: Incident, step: Step) -> list[IncidentEvent]:
        progress = incident.of(step)
        here = self.engine.incidents.who.host
        if not progress.job and self._automatic(incident, step):
            return self._orphan(incident, step, here)
        if not progress.job or progress.job_host != here:
            return []
        job = self.engine.job(progress.job)
        return _outcome(step, job, reversing=progress.state == "reversing") if job.final else []

    def _orphan(self, incident: Incident, step: Step, here: str) -> list[IncidentEvent]:
        """The pen is ours, so nobody is about to name a job: look for one that was started."""
        progress = incident.of(step)
        reverse = progress.state == "reversing"
        deed = step.reverse.action if reverse and step.reverse else step.action
        taken = {p.job for p in incident.steps.values()}
        for job in self.engine.jobs():
            since = progress.began is not None and job.accepted_at is not None
            if since and job.accepted_at < progress.began - _SLACK:  # type: ignore[operator]
                break
            if deed and job.operation == deed.name and job.id not in taken:
                return [said.StepJob(step.id, job.id, here)]
        why = "it was interrupted before it began: nothing was started"
        if deed and deed.name in LOOKS:
            why = "the look was interrupted"
        return [said.StepFailed(step.id, why, "Begin it again.")]

    # ------------------------------------------------------------ inside

    def _writing(self, incident_id: str) -> _Writing:
        return _Writing(self.engine, incident_id)

    def _allowed(self, pen: Pen, incident: Incident, step: str, move: Move) -> Step:
        wanted = self.engine.incidents.step(incident, step)
        refused = refusal(incident, wanted, move)
        if not refused:
            return wanted
        progress = incident.of(wanted)
        waiting = wanted.approval and progress.approved is None and "approve" in refused
        if waiting:
            if progress.asked is None:
                pen.write(said.ApprovalAsked(wanted.id))
            raise HeldError(
                f"{wanted.title}: {refused}",
                f"Another person, logged in by themselves: mentat-dr incident approve {wanted.id}",
            )
        number = incident.runbook.number(wanted.id)
        raise UsageError(f"step {number}, {wanted.title}: {refused}", "mentat-dr incident status")

    def _ready(self, incident: Incident, deed: Deed, asked: Asked) -> Ready:
        starter = JOBS.get(deed.name)
        if starter is None:
            raise UsageError(
                f"the action {deed.name!r} cannot be run by this engine",
                "Do it by hand and acknowledge the step; `mentat-dr runbook lint` tells of it.",
            )
        return starter(self.engine, self._filled(incident, deed), asked)

    def _filled(self, incident: Incident, deed: Deed) -> dict[str, str]:
        return filled(deed, self.engine.incidents.values(incident))

    def _launch(self, pen: Pen, step: Step, ready: Ready) -> Incident:
        try:
            job = ready.start()
        except MentatError as error:
            pen.write(said.StepFailed(step.id, error.message, error.remedy))
            raise
        return pen.write(said.StepJob(step.id, job, self.engine.incidents.who.host))

    def _look(self, pen: Pen, step: Step, attempt: int, asked: Asked) -> Incident:
        assert step.action is not None
        given = self._filled(pen.incident, step.action)
        pen.write(said.StepBegan(step.id, attempt))
        try:
            seen = LOOKS[step.action.name](self.engine, given, asked)
        except MentatError as error:
            return pen.write(said.StepFailed(step.id, error.message, error.remedy))
        if seen.ok:
            return pen.write(said.StepFinished(step.id, seen.words, facts=seen.facts))
        return pen.write(said.StepFailed(step.id, seen.words, seen.remedy))


class _Writing:
    """The pen of an open incident, for its lead only."""

    def __init__(self, engine: Engine, incident_id: str) -> None:
        self._engine = engine
        self._context = engine.incidents.pen(incident_id)

    def __enter__(self) -> tuple[Pen, Incident]:
        pen = self._context.__enter__()
        try:
            self._engine.incidents.need_lead(pen.incident)
        except BaseException as error:
            self._context.__exit__(type(error), error, error.__traceback__)
            raise
        return pen, pen.incident

    def __exit__(self, *args: object) -> None:
        self._context.__exit__(*args)  # type: ignore[arg-type]


def _outcome(step: Step, job: Job, *, reversing: bool) -> list[IncidentEvent]:
    if job.failure or job.result is None:
        why = job.failure.message if job.failure else f"the job is {job.state}"
        remedy = job.failure.remedy if job.failure else ""
        return [said.StepFailed(step.id, why, remedy, job.ended_at)]
    if reversing:
        return [said.StepReversed(step.id, job.result.summary)]
    made: list[IncidentEvent] = []
    pieces = job.result.facts.get("evidence")
    for piece in pieces if isinstance(pieces, list | tuple) else ():
        if isinstance(piece, Mapping):
            made.append(
                EvidenceKept(
                    str(piece.get("name", "")),
                    str(piece.get("sha256", "")),
                    int(piece.get("size", 0)),
                    str(piece.get("where", "")),
                    step.id,
                )
            )
    facts = {k: v for k, v in job.result.facts.items() if k != "evidence"}
    made.append(said.StepFinished(step.id, job.result.summary, "", facts, job.ended_at))
    return made


def filled(deed: Deed, values: Mapping[str, str]) -> dict[str, str]:
    """The action's parameters. UsageError naming what nobody has told yet."""
    missing = [
        place
        for text in deed.parameters.values()
        for place in PLACE.findall(text)
        if not values.get(place)
    ]
    if missing:
        name = missing[0]
        raise UsageError(
            f"nobody has said what {name} is",
            f"mentat-dr incident set {name}=VALUE, or do it by hand and acknowledge the step.",
        )
    return {name: fill(text, values) for name, text in deed.parameters.items()}


def need_confirmation(ready: Ready, confirm: str) -> None:
    """UsageError unless what the plan wants typed was typed."""
    wanted = ready.plan.confirm_name if ready.plan else ""
    if wanted and confirm != wanted:
        raise UsageError(
            f"this touches {wanted!r}; nothing was changed",
            f"Read the plan, then type its name: --confirm {wanted}",
        )


def checked_answer(step: Step, answer: str) -> str:
    """The answer of a decision, by key or number; nothing for other steps. UsageError."""
    if step.kind != "decision":
        return ""
    keys: Sequence[str] = [option.key for option in step.options]
    if answer.isdigit() and keys and 1 <= int(answer) <= len(keys):
        return keys[int(answer) - 1]
    if not answer.strip():
        raise UsageError("a decision needs an answer", f"One of: {', '.join(keys) or step.ask}")
    if keys and answer not in keys:
        raise UsageError(f"{answer!r} is no answer", f"One of: {', '.join(keys)}")
    if step.ask == "time":
        from engine.api.incident_actions import at_moment

        return at_moment(answer)
    return answer.strip()


def needed(text: str, what: str) -> str:
    """UsageError for an empty text."""
    if not text.strip():
        raise UsageError(f"say {what}", "In a few words; it stands in the report.")
    return text.strip()
