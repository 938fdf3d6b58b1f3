"""After a job: its metrics are published and people are told. None of it can fail the job; what
fails here stands in its journal as a warning, and in `mentat-dr status`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine import wiring
from engine.core.errors import Cancelled, MentatError
from engine.core.events import Emit, Failed, Record, Result, Warned
from engine.core.job import Job, fold
from engine.jobs import board
from engine.operations import forecasts, notify, publish
from engine.operations.publish import Gathering, Published
from engine.operations.telling_state import Memory
from engine.settings import Settings

_LOOKED_AT = 60  # jobs; older runs are remembered


@dataclass(frozen=True, slots=True)
class Swept:
    """What was published and told."""

    published: Published
    told: notify.Telling

    @property
    def problems(self) -> tuple[str, ...]:
        return (*self.told.problems, *self.published.problems)


def wanted(settings: Settings) -> bool:
    """Somebody is configured to be told, or to take metrics."""
    monitoring = settings.monitoring
    return bool(settings.notify or monitoring.pushgateway or monitoring.textfile_directory)


def sweep(settings: Settings, jobs: Sequence[Job], *, refresh: bool | None = None) -> Swept:
    """Tell what is news of these jobs (newest first), then publish. OSError when the state
    directory cannot be written; nothing else but Cancelled."""
    memory = Memory(settings.state)
    history = memory.learn(jobs)
    now = wiring.utc_now()
    told = notify.tell(memory, history, wiring.notifiers(settings), settings.host, now)
    places = wiring.publishers(settings)
    return Swept(publish.publish(gathering(settings, jobs), places, refresh=refresh), told)


def gathering(settings: Settings, jobs: Sequence[Job]) -> Gathering:
    """What this host's metrics are made from."""
    return Gathering(
        settings=settings,
        repository=lambda: wiring.repository(settings),
        jobs=jobs,
        clock=wiring.utc_now,
        forecast=lambda posture: forecasts.seconds(settings, posture),
    )


def tell(settings: Settings, job_id: str, emit: Emit, end: Result | Exception) -> None:
    """Tell of this job, whose last event is still to be written. What goes wrong is emitted as a
    warning; only Cancelled passes."""
    cancelled = isinstance(end, MentatError) and end.exit_code == Cancelled.exit_code
    if cancelled or not wanted(settings):
        return
    try:
        jobs = [_ended(settings, job_id, end), *_others(settings, job_id)]
        # A store that just failed the job is not waited for again.
        away = isinstance(end, MentatError) and end.exit_code == 4
        problems: Sequence[str] = sweep(settings, jobs, refresh=False if away else None).problems
    except Cancelled:
        raise
    except Exception as error:  # noqa: BLE001 - a defect here, too, must not cost the job its end
        problems = [f"{type(error).__name__}: {error}"]
    for problem in problems:
        emit(Warned("monitoring", f"not published or told: {problem}"))


def _ended(settings: Settings, job_id: str, end: Result | Exception) -> Job:
    """The job as it will be once its end is written."""
    now = wiring.utc_now()
    job = board.find(settings.state, job_id)
    if isinstance(end, Result):
        return fold(job, [Record(0, now, end)])
    if isinstance(end, MentatError):
        failed = Failed(end.code, end.message, end.remedy, end.exit_code)
    else:
        failed = Failed("unexpected", f"{type(end).__name__}: {end}", "See the job's journal.", 1)
    return fold(replace(job, state="running"), [Record(0, now, failed)])


def _others(settings: Settings, job_id: str) -> list[Job]:
    return [job for job in board.jobs(settings.state, _LOOKED_AT) if job.id != job_id]
