"""Runbooks: a scenario's procedure as values, and the life of a step as a table.

A runbook is plain values, read from TOML elsewhere. What a step may do next is decided by LIFE and
nothing else; whether it may do so *now* (its needs, a second person's approval) is decided by
`engine.core.incident`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import product
from typing import Literal

Phase = Literal["assess", "contain", "recover", "verify", "close"]
PHASES: tuple[Phase, ...] = ("assess", "contain", "recover", "verify", "close")
StepKind = Literal["manual", "check", "action", "decision"]
STEP_KINDS: tuple[StepKind, ...] = ("manual", "check", "action", "decision")
Risk = Literal["reads", "changes", "destroys"]
RISKS: tuple[Risk, ...] = ("reads", "changes", "destroys")
RunbookKind = Literal["scenario", "procedure", "checklist"]
RUNBOOK_KINDS: tuple[RunbookKind, ...] = ("scenario", "procedure", "checklist")
Ask = Literal["", "time", "text", "name"]
ASKS: tuple[Ask, ...] = ("", "time", "text", "name")

ID = re.compile(r"[a-z0-9][a-z0-9-]{0,47}\Z")
PLACE = re.compile(r"\{([a-z][a-z0-9_.-]*)\}")


@dataclass(frozen=True, slots=True)
class Option:
    """One answer of a decision."""

    key: str
    title: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Deed:
    """What the engine does: the name of an action and its parameters, places not yet filled."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reverse:
    """How a step is taken back: in words, as a bare command, as an action where there is one."""

    instructions: str
    command: str = ""
    action: Deed | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a runbook.

    command   the same by hand, with standard tools, for when this product is gone
    needs     ids of steps that must be settled first
    when      (decision, answers): the step is needed only if that decision has one of them
    ask       for a decision without options: what is to be typed (`time` is UTC or `latest`)
    approval  a second person must approve before it begins
    tell      whom to tell what, once it is done
    """

    id: str
    title: str
    phase: Phase
    kind: StepKind
    instructions: str
    why: str = ""
    command: str = ""
    action: Deed | None = None
    expected: timedelta | None = None
    needs: tuple[str, ...] = ()
    when: tuple[str, tuple[str, ...]] | None = None
    role: str = "operator"
    risk: Risk = "reads"
    reverse: Reverse | None = None
    evidence: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    ask: Ask = ""
    approval: bool = False
    tell: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value the runbook needs to be told. `required` ones are asked for at declaration."""

    name: str
    title: str
    usual: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Telling:
    """Whom to tell what, and when."""

    whom: str
    when: str
    what: str


@dataclass(frozen=True, slots=True)
class Runbook:
    """One scenario, procedure or checklist. rto_most: the far end where the target is a range."""

    id: str
    title: str
    kind: RunbookKind
    summary: str
    owner: str
    reviewed: date
    review_every: timedelta
    steps: tuple[Step, ...]
    rto: timedelta | None = None
    rto_most: timedelta | None = None
    rto_note: str = ""
    rpo: timedelta | None = None
    signs: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    tellings: tuple[Telling, ...] = ()
    origin: str = ""  # the file it was read from

    def step(self, step_id: str) -> Step | None:
        return next((step for step in self.steps if step.id == step_id), None)

    def number(self, step_id: str) -> int:
        """Its place, from 1; 0 when there is none."""
        return next((n for n, step in enumerate(self.steps, 1) if step.id == step_id), 0)

    @property
    def expected(self) -> timedelta:
        """The expected durations before the close, added up along the longest way through its
        decisions."""
        decisions = [step for step in self.steps if step.kind == "decision" and step.options]
        ways = product(*([(step.id, option.key) for option in step.options] for step in decisions))
        return max(self._along(dict(way)) for way in ways)

    def _along(self, answers: Mapping[str, str]) -> timedelta:
        def needed(step: Step) -> bool:
            return step.when is None or answers.get(step.when[0], step.when[1][0]) in step.when[1]

        spans = (s.expected for s in self.steps if s.phase != "close" and needed(s))
        return sum((span for span in spans if span), timedelta())

    def due(self) -> date:
        """When it is to be reviewed again."""
        return self.reviewed + self.review_every


# ------------------------------------------------------------ the life of a step

StepState = Literal["open", "running", "done", "failed", "skipped", "reversing", "reversed"]
Move = Literal["begin", "finish", "fail", "skip", "reverse", "undone"]

LIFE: Mapping[tuple[StepState, Move], StepState] = {
    ("open", "begin"): "running",
    ("open", "finish"): "done",
    ("open", "skip"): "skipped",
    ("running", "finish"): "done",
    ("running", "fail"): "failed",
    ("failed", "begin"): "running",
    ("failed", "finish"): "done",
    ("failed", "skip"): "skipped",
    ("failed", "reverse"): "reversing",
    ("skipped", "begin"): "running",
    ("skipped", "finish"): "done",
    ("done", "reverse"): "reversing",
    ("reversing", "undone"): "reversed",
    ("reversing", "fail"): "failed",
    ("reversed", "begin"): "running",
    ("reversed", "finish"): "done",
    ("reversed", "skip"): "skipped",
}
SETTLED: frozenset[StepState] = frozenset({"done", "skipped"})


def after(state: StepState, move: Move) -> StepState | None:
    """The state that follows; None when the table knows no such move."""
    return LIFE.get((state, move))


def moves(state: StepState) -> tuple[Move, ...]:
    """What a step in this state may do."""
    return tuple(move for (there, move) in LIFE if there == state)


# ------------------------------------------------------------ places in texts


def places(text: str) -> tuple[str, ...]:
    """The `{names}` that stand in a text, each once, in order."""
    return tuple(dict.fromkeys(PLACE.findall(text)))


def fill(text: str, values: Mapping[str, str], quote: Callable[[str], str] = str) -> str:
    """The text with its places filled; one without a value shows as `<name>`.

    Values come from people: give `quote_shell` where the text is a command line."""

    def put(match: re.Match[str]) -> str:
        value = values.get(match[1], "")
        return quote(value) if value else f"<{match[1]}>"

    return PLACE.sub(put, text)


def quote_shell(value: str) -> str:
    """One word for a POSIX shell; a list of words (separated by commas) stays several."""
    return " ".join(shlex.quote(word) for word in value.split(",") if word) or "''"


def fill_command(text: str, values: Mapping[str, str]) -> str:
    """A command line with its places filled and quoted."""
    return fill(text, values, quote_shell)
