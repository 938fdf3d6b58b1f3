"""`mentat-dr job`: jobs on this host, seen through their journals."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from engine.api import Engine, Job, Record
from engine.cli import live, text
from engine.cli.completion import job_ids
from engine.cli.invocation import Invocation, finish, shared
from engine.cli.output import Output
from engine.cli.watch import POLL, watch
from engine.core.job import STATE_WORDS

_STATE_LEVEL = {
    "done": "ok",
    "warnings": "warning",
    "failed": "critical",
    "interrupted": "critical",
}
_NEXT = {
    "interrupted": "start it again; nothing half-written counts",
    "running": "mentat-dr job attach {id}",
}


@click.group("job")
def command() -> None:
    """List, attach to, read and cancel jobs."""


@command.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@shared
@click.pass_obj
def list_jobs(invocation: Invocation, limit: int) -> None:
    """List jobs, newest first."""
    jobs = invocation.engine().jobs(limit=limit)
    output = invocation.output
    if output.json:
        output.document(jobs)
    else:
        _table(output, jobs)


def _table(output: Output, jobs: Sequence[Job]) -> None:
    now = datetime.now(UTC)
    rows = [_row(job, now) for job in jobs]
    if not rows:
        output.line("no jobs on this host")
        return
    output.table(
        ("", "JOB", "WHAT", "STATE", "BEGAN", "TOOK"), rows, right=("TOOK",), spare=("TOOK", "")
    )
    for job in jobs:
        if job.state in _NEXT:
            output.line(f"{job.id} {STATE_WORDS[job.state]}: {_NEXT[job.state].format(id=job.id)}")


def _row(job: Job, now: datetime) -> tuple[str, ...]:
    begun = job.started_at or job.accepted_at
    until = job.ended_at or (now if not job.final else job.last_at)
    took = (until - begun).total_seconds() if begun and until else None
    return (
        _STATE_LEVEL.get(job.state, "-"),
        job.id,
        job.title or job.operation,
        STATE_WORDS[job.state],
        text.moment(begun, now),
        text.span(took),
    )


@command.command("attach")
@click.argument("job_id", metavar="JOB", shell_complete=job_ids)
@shared
@click.pass_obj
def attach(invocation: Invocation, job_id: str) -> None:
    """Watch a job from its beginning to its end. The exit code is the job's."""
    engine = invocation.engine()
    finish(watch(engine, engine.job(job_id).id, invocation.output))


@command.command("log")
@click.argument("job_id", metavar="JOB", shell_complete=job_ids)
@click.option("--follow", "-f", is_flag=True, help="Go on until the job ends.")
@shared
@click.pass_obj
def log(invocation: Invocation, job_id: str, follow: bool) -> None:
    """Print a job's journal."""
    engine = invocation.engine()
    job = engine.job(job_id)
    output = invocation.output
    if output.json:
        records, _ = engine.records(job.id)
        output.document([_record_document(record) for record in records])
        return
    _print_log(engine, job, output, follow)


def _record_document(record: Record) -> dict[str, object]:
    from engine.core.events import EVENT_NAMES

    name = EVENT_NAMES[type(record.event)]
    return {"seq": record.seq, "at": record.at, "event": name, "body": record.event}


def _print_log(engine: Engine, job: Job, output: Output, follow: bool) -> None:
    offset = 0
    while True:
        final = engine.job(job.id).final
        records, offset = engine.records(job.id, offset)
        for record in records:
            said, style = live.event_line(record)
            if said:
                output.line(f"{text.utc(record.at)}  {said}", style)
            remedy = getattr(record.event, "remedy", "")
            if remedy:
                output.line(f"{'':25}-> {remedy}")
        if final or not follow:
            break
        time.sleep(POLL)
    if job.state == "interrupted":
        output.line(f"interrupted: no end was written; {_NEXT['interrupted']}", "critical")


@command.command("cancel")
@click.argument("job_id", metavar="JOB", shell_complete=job_ids)
@click.option("--wait/--no-wait", default=True, help="Wait until it has cleaned up.")
@shared
@click.pass_obj
def cancel(invocation: Invocation, job_id: str, wait: bool) -> None:
    """Ask a job to stop; what it wrote so far is cleaned up."""
    engine = invocation.engine()
    job = engine.job(job_id)
    output = invocation.output
    asked = engine.cancel(job.id)
    if asked and wait:
        while not engine.job(job.id).final:
            time.sleep(POLL)
    job = engine.job(job.id)
    if output.json:
        output.document({"job": job.id, "asked": asked, "state": job.state})
    elif asked:
        output.line(f"{job.id}: {STATE_WORDS[job.state]}")
    else:
        output.line(f"{job.id} has ended already: {STATE_WORDS[job.state]}")
