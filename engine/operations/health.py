"""Health checks: every configured question about the service, asked side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from engine.core.commands import Command
from engine.core.errors import CommandFailed, MentatError
from engine.core.health import Health, HealthCheck
from engine.ports import Containers, Processes
from engine.ports.reach import Reach

SHOWN = 160  # characters of an answer that are shown
_AT_ONCE = 8


class Questions(Protocol):
    """One value from a database source by one statement. MentatError."""

    def __call__(self, source: str, sql: str, timeout: float) -> str: ...


@dataclass(frozen=True, slots=True)
class Examined:
    """What the checks need. Ports that may be unreachable are given as calls."""

    reach: Reach
    processes: Processes
    containers: Callable[[], Containers]
    ask: Questions
    clock: Callable[[], datetime]


def examine(on: Examined, checks: Sequence[HealthCheck]) -> tuple[Health, ...]:
    """Every answer, in the order of the checks. Never raises for what it finds."""
    if not checks:
        return ()
    with ThreadPoolExecutor(min(_AT_ONCE, len(checks)), thread_name_prefix="health") as pool:
        return tuple(pool.map(lambda check: _one(on, check), checks))


def _one(on: Examined, check: HealthCheck) -> Health:
    begun = time.monotonic()
    try:
        ok, said = _ASK[check.kind](on, check)
    except MentatError as error:
        ok, said = False, error.message
    seconds = time.monotonic() - begun
    line = " ".join(said.split())[:SHOWN]
    return Health(check, ok, line, seconds, on.clock())


def _url(on: Examined, check: HealthCheck) -> tuple[bool, str]:
    answer = on.reach.fetch(check.target, check.timeout.total_seconds())
    good = answer.status == check.status if check.status else 200 <= answer.status < 400
    if not good:
        return False, f"status {answer.status}"
    if check.expect and check.expect not in answer.body.decode("utf-8", "replace"):
        return False, f"status {answer.status}, but {check.expect!r} is not in the answer"
    return True, f"status {answer.status}"


def _tcp(on: Examined, check: HealthCheck) -> tuple[bool, str]:
    host, _, port = check.target.rpartition(":")
    on.reach.connect(host.strip("[]"), int(port), check.timeout.total_seconds())
    return True, "answers"


def _command(on: Examined, check: HealthCheck) -> tuple[bool, str]:
    ended = on.processes.run(
        Command(check.argv), timeout=check.timeout.total_seconds(), check=False
    )
    printed = ended.stdout.decode("utf-8", "replace").strip()
    first = printed.splitlines()[0] if printed else ""
    if not ended.ok:
        last = ended.stderr[-1] if ended.stderr else first
        return False, f"exit code {ended.exit_status}" + (f": {last}" if last else "")
    if check.expect and check.expect not in printed:
        return False, f"{check.expect!r} is not in what it printed: {first}"
    return True, first or "exit code 0"


def _container(on: Examined, check: HealthCheck) -> tuple[bool, str]:
    container = on.containers().container(check.target)
    if container.state != "running":
        return False, f"it is {container.state}"
    state = container.definition.get("State")
    health = state.get("Health", {}) if isinstance(state, dict) else {}
    word = str(health.get("Status", "")) if isinstance(health, dict) else ""
    return word in ("", "healthy"), f"running{f', {word}' if word else ''}"


def _sql(on: Examined, check: HealthCheck) -> tuple[bool, str]:
    try:
        value = on.ask(check.source, check.sql, check.timeout.total_seconds())
    except CommandFailed as error:
        last = error.stderr_tail[-1] if error.stderr_tail else error.message
        return False, last
    if check.expect:
        return value == check.expect, f"{value!r}, expected {check.expect!r}"
    return value not in ("", "0", "NULL"), value or "no row"


_ASK: dict[str, Callable[[Examined, HealthCheck], tuple[bool, str]]] = {
    "url": _url,
    "tcp": _tcp,
    "command": _command,
    "container": _container,
    "sql": _sql,
}
