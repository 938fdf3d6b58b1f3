"""What is wrong with a book of runbooks. Pure; nothing here ever keeps one from being run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from engine.core import runbook_actions
from engine.core.runbook import Deed, Runbook, Step, places

Weight = Literal["error", "warning"]

# What an incident always knows, beside its parameters and its answers.
KNOWN_PLACES: frozenset[str] = frozenset(
    {"incident", "host", "environment", "source", "container", "volume", "store", "bucket"}
    | {"endpoint", "prefix", "state", "config", "recipients", "signing_key", "began"}
)


@dataclass(frozen=True, slots=True)
class Remark:
    """One finding: in which runbook, at which step (or none), and what."""

    runbook: str
    step: str
    weight: Weight
    what: str


def lint(
    books: Iterable[Runbook],
    *,
    today: date,
    actions: Collection[str],
    checks: Collection[str],
) -> tuple[Remark, ...]:
    """Every finding, runbook by runbook. `actions` are those the engine can run, `checks` the
    configured health checks."""
    found: list[Remark] = []
    seen: dict[str, Runbook] = {}
    for book in books:
        if book.id in seen:
            found.append(Remark(book.id, "", "error", "the id is taken by another runbook"))
        seen[book.id] = book
        found += _book(book, today)
        for step in book.steps:
            found += [Remark(book.id, step.id, w, what) for w, what in _step(book, step)]
            found += [
                Remark(book.id, step.id, "error", what) for what in _deeds(step, actions, checks)
            ]
    return tuple(found)


def _book(book: Runbook, today: date) -> list[Remark]:
    found = []
    if not book.steps:
        found.append(Remark(book.id, "", "error", "it has no steps"))
    if book.kind == "scenario" and book.rto is None:
        found.append(Remark(book.id, "", "error", "a scenario needs an RTO"))
    if book.kind == "scenario" and not book.tellings:
        found.append(Remark(book.id, "", "error", "a scenario needs to say whom to tell what"))
    if book.reviewed > today:
        found.append(Remark(book.id, "", "warning", f"its review of {book.reviewed} is to come"))
    if book.due() < today:
        days = (today - book.due()).days
        said = f"its review is overdue by {days} days (owner: {book.owner})"
        found.append(Remark(book.id, "", "warning", said))
    if book.rto is not None and book.expected > (book.rto_most or book.rto):
        found.append(
            Remark(book.id, "", "warning", "its steps are expected to take longer than its RTO")
        )
    ids = [step.id for step in book.steps]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    found += [Remark(book.id, i, "error", "two steps have this id") for i in twice]
    for cycle in cycles({step.id: _before(step) for step in book.steps}):
        said = f"its needs go in a circle: {' -> '.join(cycle)}"
        found.append(Remark(book.id, cycle[0], "error", said))
    return found


def _before(step: Step) -> tuple[str, ...]:
    return (*step.needs, step.when[0]) if step.when else step.needs


def _step(book: Runbook, step: Step) -> list[tuple[Weight, str]]:
    found: list[tuple[Weight, str]] = []
    for need in step.needs:
        if book.step(need) is None:
            found.append(("error", f"it needs {need!r}, which is no step"))
    found += _when(book, step)
    found += [("error", what) for what in _kind(step)]
    if step.expected is None and step.kind != "decision" and step.phase != "close":
        found.append(("warning", "no expected duration: the projected finish leaves it out"))
    if step.risk == "destroys" and not step.approval:
        found.append(("warning", "it destroys without a second person's approval"))
    if step.risk != "reads" and step.reverse is None:
        found.append(("warning", f"it {step.risk} and says nothing of how it is taken back"))
    known = known_places(book)
    for text in (step.instructions, step.command, *_reverse_texts(step), *_values(step)):
        for place in places(text):
            if place not in known:
                found.append(("error", f"nothing fills {{{place}}}"))
    return found


def _kind(step: Step) -> list[str]:
    """What does not go with the step's kind."""
    wrong = {
        "it is an action without one": step.kind == "action" and step.action is None,
        f"a {step.kind} step runs no action": step.kind in ("manual", "decision")
        and step.action is not None,
        "a decision has either options or something to ask": step.kind == "decision"
        and bool(step.options) == bool(step.ask),
        "only a decision has answers": step.kind != "decision" and bool(step.options or step.ask),
        "no bare command for when this product is gone": step.kind in ("action", "check")
        and not step.command,
    }
    return [what for what, so in wrong.items() if so]


def known_places(book: Runbook) -> frozenset[str]:
    """Everything that can be filled in while this runbook runs."""
    answers = {f"answer.{step.id}" for step in book.steps if step.kind == "decision"}
    return KNOWN_PLACES | {p.name for p in book.parameters} | answers


def _when(book: Runbook, step: Step) -> list[tuple[Weight, str]]:
    if step.when is None:
        return []
    decision = book.step(step.when[0])
    if decision is None or decision.kind != "decision":
        return [("error", f"it depends on {step.when[0]!r}, which is no decision")]
    keys = {option.key for option in decision.options}
    return [
        ("error", f"{decision.id!r} has no answer {answer!r}")
        for answer in step.when[1]
        if keys and answer not in keys
    ]


def _reverse_texts(step: Step) -> tuple[str, ...]:
    return (step.reverse.instructions, step.reverse.command) if step.reverse else ()


def _values(step: Step) -> tuple[str, ...]:
    return tuple(value for deed in _all_deeds(step) for value in deed.parameters.values())


def _all_deeds(step: Step) -> tuple[Deed, ...]:
    reverse = step.reverse.action if step.reverse else None
    return tuple(deed for deed in (step.action, reverse) if deed is not None)


def _deeds(step: Step, actions: Collection[str], checks: Collection[str]) -> list[str]:
    found: list[str] = []
    for deed in _all_deeds(step):
        found += runbook_actions.problems(deed, actions)
        if deed.name == "health":
            named = [n for n in deed.parameters.get("checks", "").split(",") if n]
            found += [f"no health check is called {n!r}" for n in named if n not in checks]
    return found


def cycles(needs: Mapping[str, tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Circles among these needs, each from its first step back to it; none found twice."""
    found: list[tuple[str, ...]] = []
    settled: set[str] = set()
    for start in needs:
        path: list[str] = []
        _walk(start, needs, path, settled, found)
    return found


def _walk(
    step: str,
    needs: Mapping[str, tuple[str, ...]],
    path: list[str],
    settled: set[str],
    found: list[tuple[str, ...]],
) -> None:
    if step in path:
        found.append((*path[path.index(step) :], step))
        return
    if step in settled or step not in needs:
        return
    path.append(step)
    for need in needs[step]:
        _walk(need, needs, path, settled, found)
    path.pop()
    settled.add(step)
