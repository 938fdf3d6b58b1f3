"""What dead jobs left behind, put right at the start of the next one."""

from __future__ import annotations

from engine.core.errors import MentatError, UsageError
from engine.jobs import board
from engine.operations import debris, kept
from engine.operations.context import Context


def clear(ctx: Context) -> None:
    """Put back containers a dead job left paused or stopped, end what it left running inside
    containers, bring its half-made switch to an end, and remove its half-made copies. Docker is
    asked only when a note says so."""
    if any((ctx.state / "quiesce").glob("*.json")):
        from engine.jobs.quiesce import recover_quiesced

        try:
            for line in recover_quiesced(ctx.state, ctx.containers()):
                ctx.warn("put-back", line)
        except MentatError as error:
            ctx.warn("put-back", f"containers of a dead job may still be paused: {error.message}")
    _end_marked(ctx)
    kept.settle(ctx, lambda job: _alive(ctx, job))
    debris.clear(ctx, lambda job: _alive(ctx, job))


def _alive(ctx: Context, job: str) -> bool:
    try:
        return not board.find(ctx.state, job).final
    except UsageError:
        return False  # its folder is gone, so it ended long ago


def _end_marked(ctx: Context) -> None:
    """A killed client leaves its program running inside the container."""
    if not any(s.container for s in ctx.settings.sources):
        return
    for job in board.jobs(ctx.state, 20):
        if job.state == "interrupted" and job.id != ctx.job_id:
            try:
                ended = ctx.containers().kill_marked(f"mentat-dr-{job.id}")
            except MentatError:
                return
            if ended:
                ctx.warn("put-back", f"ended {ended} programs left by the dead job {job.id}")
