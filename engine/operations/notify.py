"""Telling people: what is news goes to every configured notifier, and what fails is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.core.alerting_notices import Notice, decide
from engine.core.errors import MentatError
from engine.core.metrics_runs import History
from engine.operations.telling_state import Memory, Notified
from engine.ports import Notifier


@dataclass(frozen=True, slots=True)
class Telling:
    """What was told, and one line for each notifier that failed."""

    notices: tuple[Notice, ...] = ()
    problems: tuple[str, ...] = ()


def tell(
    memory: Memory, history: History, notifiers: Sequence[Notifier], host: str, now: datetime
) -> Telling:
    """Tell what is news. A notice counts as told when one notifier has sent it; else it is tried
    again the next time. OSError when what was told cannot be remembered."""
    if not notifiers:
        return Telling()
    with memory.held():
        known = memory.notified()
        notices, told = decide(history, known.told, host, now)
        if not notices:
            if told != known.told:
                memory.keep_notified(Notified(dict(told), known.at, known.problems))
            return Telling()
        sent, problems = _send(notices, notifiers)
        kept = dict(told) if sent else known.told
        memory.keep_notified(Notified(kept, now, problems))
    return Telling(notices if sent else (), problems)


def _send(notices: Sequence[Notice], notifiers: Sequence[Notifier]) -> tuple[bool, tuple[str, ...]]:
    """Whether one notifier sent all of them; what went wrong with the others."""
    sent = False
    problems: list[str] = []
    for notifier in notifiers:
        try:
            for notice in notices:
                notifier.notify(notice.title, notice.body, notice.level)
            sent = True
        except MentatError as error:
            problems.append(error.message)
    return sent, tuple(problems)
