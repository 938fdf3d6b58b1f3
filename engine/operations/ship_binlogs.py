"""ship-binlogs: what the database servers logged since the last time goes into the store.

Each run ships log files that grow no more, whole, and what is new of the one in use. With
`follow` it goes on doing so every few seconds. A broken history is told, and begins a new chain:
it is never joined where continuity was not proven.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from engine.core.binlog_shipping import retention_problem
from engine.core.durations import parse_duration
from engine.core.errors import MentatError, StoreError, UsageError
from engine.core.events import Event, Progress, Result, Warned
from engine.operations.binlog_shipper import Shipper, Tally
from engine.operations.context import Context
from engine.operations.progress import Phase
from engine.settings import SourceSettings

EVERY = timedelta(seconds=60)  # where the configuration says nothing
_BEAT = 2.0  # seconds between two looks when following
_TELL = 60.0  # seconds between two signs of life in the journal
_TURN = 24 * 3600.0  # seconds a following job lasts; its journal ends with it
_PATIENCE = 30.0  # most seconds between two attempts while the server or the store is away


def lease_name(source: str) -> str:
    """Shipping and backups of one source do not stand in each other's way."""
    return f"{source}.binlogs"


def chosen(sources: Sequence[SourceSettings], named: bool) -> list[SourceSettings]:
    """The databases among them: those whose configuration asks for binlogs, unless they were
    `named`. UsageError when there is none."""
    databases = [s for s in sources if s.kind == "database" and (named or s.binlogs)]
    if not databases:
        raise UsageError(
            "no database whose binary logs are to be shipped",
            'Name one, or give a database source: binlogs = { every = "60s" }',
        )
    return databases


def ship(ctx: Context, sources: Sequence[SourceSettings], follow: bool = False) -> Result:
    """One run over the sources, or, with `follow`, runs until cancelled, a day at most. A failure
    of one source does not keep the others from being shipped; it is raised in the end."""
    warned: list[Warned] = []
    tell = ctx.emit

    def emit(event: Event) -> None:
        if isinstance(event, Warned):
            warned.append(event)
        tell(event)

    ctx = replace(ctx, emit=emit)
    ctx.repository.cipher.recipients()
    if follow:
        return _follow(ctx, sources, warned)
    done: dict[str, Tally] = {}
    failed: list[tuple[str, MentatError]] = []
    for source in sources:
        try:
            with ctx.lease(lease_name(source.name)):
                done[source.name] = _once(ctx, source)
        except MentatError as error:
            if error.exit_code == 130:
                raise
            failed.append((source.name, error))
            ctx.warn(error.code, error.message, source.name)
    if failed:
        raise _summed(failed, list(done))
    return _result(done, warned)


def _summed(failed: Sequence[tuple[str, MentatError]], done: Sequence[str]) -> MentatError:
    name, error = max(failed, key=lambda pair: pair[1].exit_code)
    if len(failed) > 1 or done:
        names = ", ".join(pair[0] for pair in failed)
        error.message = f"the logs of {names} were not shipped ({name}: {error.message})"
        error.args = (error.message,)
    return error


def _once(ctx: Context, source: SourceSettings) -> Tally:
    name = source.name
    with Phase(ctx.emit, f"ship {name}", "Ship binary logs", name) as phase:
        shipper = Shipper(ctx, source, phase)
        problem = retention_problem(shipper.look(), every(source))
        if problem:
            ctx.warn("binlog-retention", problem, name)
        return shipper.run()


def every(source: SourceSettings) -> timedelta:
    """How often this source's logs are shipped."""
    text = source.binlogs.get("every", "")
    return parse_duration(text) if text else EVERY


def _result(done: dict[str, Tally], warned: Sequence[Warned]) -> Result:
    told = [f"{name} to {tally.place} ({tally.bytes} bytes)" for name, tally in done.items()]
    summary = "shipped: " + "; ".join(told)
    if warned:
        summary += f"; {len(warned)} warnings"
    facts = {
        name: {
            "segments": tally.segments,
            "bytes": tally.bytes,
            "transactions": tally.transactions,
            "place": str(tally.place) if tally.place else "",
            "chain": tally.place.chain if tally.place else "",
            "last_at": tally.last_at.isoformat() if tally.last_at else None,
        }
        for name, tally in done.items()
    }
    return Result("warnings" if warned else "done", summary, facts)


# ---------------------------------------------------------------- following


def _follow(ctx: Context, sources: Sequence[SourceSettings], warned: list[Warned]) -> Result:
    """Sources take turns; one that cannot be shipped is tried again, ever more rarely."""
    import contextlib

    with contextlib.ExitStack() as held:
        followers = []
        for source in sources:
            held.enter_context(ctx.lease(lease_name(source.name)))
            followers.append(_Follower(ctx, source))
        until = time.monotonic() + _TURN
        while time.monotonic() < until:
            began = time.monotonic()
            for follower in followers:
                follower.turn()
            time.sleep(max(0.2, _BEAT - (time.monotonic() - began)))
    return _result({f.source.name: f.tally for f in followers}, warned)


class _Follower:
    """One source, followed. What it ships is told once a minute: journals are kept for long."""

    def __init__(self, ctx: Context, source: SourceSettings) -> None:
        self.source = source
        self.tally = Tally()
        self._ctx = ctx
        quiet = replace(ctx, emit=self._pass_on)
        self._phase = Phase(ctx.emit, f"follow {source.name}", "Follow binary logs", source.name)
        self._shipper = Shipper(quiet, source, self._phase)
        self._told = 0.0
        self._said: set[str] = set()
        self._next = 0.0
        self._pause = _BEAT

    def _pass_on(self, event: Event) -> None:
        """Warnings, each kind once until all was well again."""
        if isinstance(event, Warned) and event.code not in self._said:
            self._said.add(event.code)
            self._ctx.emit(event)

    def turn(self) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        try:
            self._shipper.run()
        except MentatError as error:
            if error.exit_code == 130:
                raise
            self._shipper.forget(store=isinstance(error, StoreError))
            self._pass_on(Warned(error.code, error.message, self.source.name))
            self._pause = min(_PATIENCE, 2 * self._pause)
            self._next = now + self._pause
            return
        self.tally = self._shipper.tally
        if self._pause > _BEAT:
            self._said.clear()
        self._pause, self._next = _BEAT, 0.0
        if now - self._told >= _TELL:
            self._told = now
            name = self._phase.name
            self._ctx.emit(Progress(name, self.tally.bytes, None, 0.0, None))
