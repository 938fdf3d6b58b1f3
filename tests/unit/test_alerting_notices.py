"""Who is told what, and when not again."""

from __future__ import annotations

from datetime import timedelta

from engine.core import events
from engine.core.alerting_notices import Notice, Remembered, decide
from engine.core.job import Job
from engine.core.metrics_runs import History, remember
from tests.unit.test_metrics import NOW, backed_up, broken, job

HOUR = timedelta(hours=1)


def told(
    history: History, known: Remembered, hours: float = 0
) -> tuple[tuple[Notice, ...], Remembered]:
    return decide(history, known, "landsraad", NOW + hours * HOUR)


def after(*jobs: Job) -> History:
    return remember({}, jobs)


def test_a_failure_is_told_once_and_its_end_once() -> None:
    failing = after(broken("a"))
    (notice,), known = told(failing, {})
    assert notice.level == "critical"
    assert notice.title == "landsraad: backup shop-db FAILED"
    assert "no answer" in notice.body and "wait" in notice.body
    assert "mentat-dr job log a" in notice.body
    assert told(failing, known) == ((), known)
    again = remember(failing, [broken("b", at=NOW + HOUR)])
    assert told(again, known, 1)[0] == ()
    mended = remember(again, [backed_up("c", at=NOW + 2 * HOUR)])
    (notice,), known = told(mended, known, 2)
    assert (notice.level, known) == ("ok", {})
    assert "works again" in notice.title and "2026-11-22 12:00" in notice.body
    assert told(mended, known, 2) == ((), {})


def test_success_alone_is_no_news() -> None:
    assert told(after(backed_up("a")), {}) == ((), {})


def test_another_reason_is_news() -> None:
    _, known = told(after(broken("a")), {})
    other = job("b", events.Failed("database", "gone", "start it", 1), at=NOW + HOUR)
    (notice,), _ = told(remember(after(broken("a")), [other]), known, 1)
    assert "2 times in a row" in notice.body


def test_a_lasting_failure_is_told_again_after_a_day() -> None:
    history = after(broken("a"))
    _, known = told(history, {})
    assert told(history, known, 23)[0] == ()
    (notice,), known = told(history, known, 25)
    assert known["backup shop-db"].since == NOW
    assert told(history, known, 26)[0] == ()
    assert notice.level == "critical"


def test_cancelling_is_no_failure() -> None:
    cancelled = job("a", events.Failed("cancelled", "by root", "", 130))
    assert told(after(cancelled), {}) == ((), {})


def test_old_failures_are_no_news_to_a_fresh_memory() -> None:
    assert told(after(broken("a")), {}, 24 * 8)[0] == ()


def test_one_job_is_one_message() -> None:
    warned = (events.Warned("database", "no route", "db"), events.Warned("tree", "gone", "etc"))
    end = events.Failed("database", "no snapshot of db, etc", "mend", 1)
    (notice,), _ = told(after(job("j", *warned, end, sources=("db", "etc"))), {})
    assert notice.subjects == ("backup db", "backup etc")
    assert "no route" in notice.body and "gone" in notice.body
