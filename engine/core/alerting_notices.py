"""Who is told what: on a failure, again after a day, and once when it works again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from engine.core.metrics_runs import History, Run, failures_in_a_row

REMIND = timedelta(hours=24)
FORGET = timedelta(days=7)  # runs older than this are no news

NoticeLevel = Literal["ok", "critical"]


@dataclass(frozen=True, slots=True)
class Told:
    """A failure that somebody was told of. since: when it first failed; at: when it was told."""

    since: datetime
    at: datetime
    code: str


Remembered = Mapping[str, Told]
"""By subject: `backup shop-db`."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One message, about one job. subjects: what it is about."""

    level: NoticeLevel
    title: str
    body: str
    subjects: tuple[str, ...]


def decide(
    history: History, told: Remembered, host: str, now: datetime
) -> tuple[tuple[Notice, ...], Remembered]:
    """What is to be told now, and what will have been told then.

    A failure is told once; again when it fails for another reason, and once a day while it lasts.
    The first success after a failure that was told is told. Cancelling is no failure: somebody
    chose it.
    """
    failing: dict[str, list[Run]] = {}
    mended: dict[str, list[Run]] = {}
    next_told = {subject: known for subject, known in told.items() if subject in history}
    for subject, runs in sorted(history.items()):
        last, known = runs[0], told.get(subject)
        if last.ok:
            if known is not None:
                mended.setdefault(last.job, []).append(last)
                del next_told[subject]
        elif last.reason != "cancelled" and _is_news(last, known, now):
            failing.setdefault(last.job, []).append(last)
            first = runs[failures_in_a_row(runs) - 1]
            next_told[subject] = Told(known.since if known else first.at, now, last.code)
    notices = [
        *(_failed(host, runs, history, next_told) for runs in failing.values()),
        *(_mended(host, runs, told) for runs in mended.values()),
    ]
    return tuple(notices), next_told


def _is_news(last: Run, known: Told | None, now: datetime) -> bool:
    if known is None:
        return now - last.at <= FORGET
    return known.code != last.code or now - known.at >= REMIND


def _failed(host: str, runs: Sequence[Run], history: History, told: Remembered) -> Notice:
    what = _subjects(runs)
    lines = []
    for run in runs:
        lines.append(f"{run.subject}: {run.message}")
        if run.remedy and run.remedy not in lines[-1]:
            lines.append(f"-> {run.remedy}")
        row = failures_in_a_row(history[run.subject])
        if row > 1:
            since = told[run.subject].since
            lines.append(f"It failed {row} times in a row, since {since:%Y-%m-%d %H:%M} UTC.")
    lines += ["", f"Journal: mentat-dr job log {runs[0].job}", "Posture: mentat-dr status"]
    return Notice("critical", f"{host}: {what} FAILED", "\n".join(lines), _named(runs))


def _mended(host: str, runs: Sequence[Run], told: Remembered) -> Notice:
    lines = []
    for run in runs:
        since = told[run.subject].since
        lines.append(f"{run.subject}: works again; it had failed since {since:%Y-%m-%d %H:%M} UTC.")
    lines += ["", f"Journal: mentat-dr job log {runs[0].job}"]
    return Notice("ok", f"{host}: {_subjects(runs)} works again", "\n".join(lines), _named(runs))


def _subjects(runs: Sequence[Run]) -> str:
    sources = ", ".join(run.source for run in runs if run.source)
    return f"{runs[0].operation} {sources}".strip()


def _named(runs: Sequence[Run]) -> tuple[str, ...]:
    return tuple(run.subject for run in runs)
