"""A job's journal as lines for people, and its present state as one line that is redrawn."""

from __future__ import annotations

import shutil
import sys
from datetime import datetime

from engine.api import Job, Phase, Record
from engine.cli import text
from engine.cli.output import Output
from engine.core import events


def event_line(record: Record) -> tuple[str, str]:
    """What a journal record says, and the style that repeats it. Empty for mere progress."""
    match record.event:
        case events.Accepted(job=job, title=title, user=user):
            return f"job {job}: {title} (asked for by {user})", "strong"
        case events.Started(pid=pid, host=host):
            return f"started on {host}, pid {pid}", ""
        case events.PhaseStarted(title=title, source=source, expected_bytes=expected):
            about = f", about {text.size(expected)}" if expected else ""
            return f"{f'{source}: ' if source else ''}{title}{about}", ""
        case events.PhaseEnded(phase=phase, seconds=seconds, done=amount_done):
            amount = f", {text.size(amount_done)}" if amount_done else ""
            return f"{phase} done in {text.span(seconds)}{amount}", ""
        case events.CommandStarted(argv=argv, where=where):
            return f"$ {' '.join(argv)}{'' if where == 'host' else f'  (in {where})'}", ""
        case events.Output(line=line):
            return f"| {line}", ""
        case events.Warned(message=message, source=source):
            return f"warning: {f'{source}: ' if source else ''}{message}", "warning"
        case events.SnapshotCommitted(source=source, ref=ref, stored_bytes=stored, raw_bytes=raw):
            sizes = f"{text.size(raw)}, stored as {text.size(stored)}"
            return f"snapshot of {source}: {ref} ({sizes})", "ok"
        case events.Result(outcome=outcome, summary=summary):
            done = "done" if outcome == "done" else "done with warnings"
            return f"{done}: {summary}", "ok" if outcome == "done" else "warning"
        case events.Failed(code=code, message=message):
            return f"{'cancelled' if code == 'cancelled' else 'failed'}: {message}", "critical"
        case _:
            return "", ""


def progress_line(phase: Phase) -> str:
    """`61% · 1.2 GB of 2.0 GB · 118 MB/s · 2m10s left`; parts that are not known are left out."""

    def count(number: float) -> str:
        return text.size(number) if phase.unit == "bytes" else f"{number:,.0f} {phase.unit}"

    parts = []
    if phase.expected_bytes:
        parts.append(f"{min(100, 100 * phase.done // phase.expected_bytes)}%")
        parts.append(f"{count(phase.done)} of {count(phase.expected_bytes)}")
    elif phase.done:
        parts.append(count(phase.done))
    if phase.rate > 0:
        parts.append(f"{count(phase.rate)}/s")
    if phase.eta is not None:
        parts.append(f"{text.span(phase.eta)} left")
    return " · ".join(parts)


def status_line(job: Job, now: datetime) -> str:
    """Phase, progress, elapsed and the age of the last sign of life."""
    begun = job.started_at or job.accepted_at or now
    parts = [job.title]
    if job.phase and job.phase.seconds is None:
        source = f"{job.phase.source}: " if job.phase.source else ""
        parts = [f"{source}{job.phase.title}", progress_line(job.phase)]
    parts.append(f"elapsed {text.span((now - begun).total_seconds())}")
    if job.last_at:
        parts.append(f"last output {text.age(job.last_at, now)}")
    return " · ".join(text.visible(part) for part in parts if part)


class LiveLine:
    """One line at the bottom of the terminal, redrawn in place; nothing where that cannot be."""

    def __init__(self, output: Output) -> None:
        self.enabled = output.draws()
        self._drawn = ""

    def draw(self, line: str) -> None:
        width = shutil.get_terminal_size((80, 24)).columns
        line = line[: max(1, width - 1)]
        if self.enabled and line != self._drawn:
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
            self._drawn = line

    def clear(self) -> None:
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn = ""
