"""From an action of a runbook to a call of the engine. The names are those of
`engine.core.runbook_actions`; one that cannot be called here is told by `available`."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.core.errors import UsageError
from engine.core.objectives import Level
from engine.core.recovery import RestorePlan, RestoreRequest, Target, Until
from engine.core.runbook_actions import ACTIONS

if TYPE_CHECKING:
    from engine.api import Engine

Parameters = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Looked:
    """What an automated check saw: one line, and facts for the report."""

    ok: bool
    words: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Ready:
    """A job that can be started. does: the command line that does the same; plan: what a restore
    will touch; confirm: the name that must be typed first."""

    start: Callable[[], str]
    does: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    plan: RestorePlan | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What comes with an action beside its parameters."""

    incident: str
    confirm: str = ""
    passphrase: str | None = None


def _list(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


# ------------------------------------------------------------ looks


def _doctor(engine: Engine, given: Parameters, _asked: Asked) -> Looked:
    wanted = _list(given.get("checks", ""))
    found = [f for f in engine.doctor() if not wanted or any(w in f.check for w in wanted)]
    bad = [f for f in found if f.level in ("critical", "unknown")]
    words = (
        "; ".join(f"{f.check}: {f.message}" for f in bad[:3]) or f"{len(found)} findings, all ok"
    )
    facts = {"findings": [f"{f.level} {f.check}: {f.message}" for f in found if f.level != "ok"]}
    return Looked(not bad, words, facts, bad[0].remedy if bad else "")


def _health(engine: Engine, given: Parameters, _asked: Asked) -> Looked:
    answers = engine.health.examine(_list(given.get("checks", "")))
    if not answers:
        return Looked(
            False,
            "no health check is configured: look by hand",
            remedy=f"Add [[health]] to {engine.settings.file}, or acknowledge the step by hand.",
        )
    bad = [answer for answer in answers if not answer.ok]
    words = "; ".join(f"{a.check.name}: {a.said}" for a in bad) or f"{len(answers)} checks passed"
    facts = {"checks": {a.check.name: a.said for a in answers}}
    return Looked(not bad, words, facts, "Mend what fails, then begin the step again.")


def _recovery_point(engine: Engine, given: Parameters, _asked: Asked) -> Looked:
    entry = engine.find(given["source"], "latest", given.get("host", ""))
    proven = f"proven {entry.proven_at:%Y-%m-%d %H:%MZ}" if entry.proven_at else "NEVER proven"
    words = f"{entry.id.ref}, of {entry.id.at:%Y-%m-%d %H:%M:%SZ}, {proven}"
    return Looked(True, words, {"snapshot": entry.id.ref})


def _posture(engine: Engine, given: Parameters, _asked: Asked) -> Looked:
    posture = engine.posture()
    wanted = given.get("source", "")
    sources = [s for s in posture.sources if not wanted or s.source == wanted]
    bad: list[Level] = ["critical", "unknown"]
    late = [s for s in sources if s.level in bad]
    words = "; ".join(f"{s.source} {', '.join(s.reasons)}" for s in late)
    if not posture.store.reachable:
        return Looked(False, f"the store: {posture.store.problem}", remedy=posture.store.remedy)
    return Looked(not late, words or f"{len(sources)} sources are recoverable")


def _key(engine: Engine, _given: Parameters, asked: Asked) -> Looked:
    key = engine.check_key(asked.passphrase)
    name = key.user_ids[0] if key and key.user_ids else "the passphrase"
    fingerprint = key.fingerprint if key else ""
    return Looked(True, f"{name} opens backups here", {"fingerprint": fingerprint})


def _contacts(engine: Engine, _given: Parameters, _asked: Asked) -> Looked:
    people = engine.settings.contacts
    listed = "; ".join(f"{p.name} ({', '.join(p.reach)})" for p in people)
    remedy = f"Add [[contact]] to {engine.settings.file}."
    return Looked(bool(people), listed or "no contact is configured", remedy=remedy)


LOOKS: Mapping[str, Callable[[Engine, Parameters, Asked], Looked]] = {
    "doctor": _doctor,
    "health": _health,
    "recovery-point": _recovery_point,
    "posture": _posture,
    "key": _key,
    "contacts": _contacts,
}


# ------------------------------------------------------------ jobs


def _backup(engine: Engine, given: Parameters, _asked: Asked) -> Ready:
    names, kind = _list(given.get("source", "")), given.get("kind", "")
    for name in names:
        engine.settings.source(name)
    command = ["mentat-dr", "backup", *names, *(["--kind", kind] if kind else [])]
    return Ready(lambda: engine.start_backup(names, kind=kind), shlex.join(command))


def _restore(engine: Engine, given: Parameters, asked: Asked) -> Ready:
    to = given["to"]
    if to == "container":
        target = Target("container", name=given.get("name", ""))
    elif to == "in-place":
        target = Target("in-place")
    elif to.startswith("/"):
        target = Target("directory", path=to)
    else:
        raise UsageError(f"a restore goes to container, in-place or /a/path, not {to!r}", "")
    request = RestoreRequest(
        source=given["source"],
        snapshot=given.get("snapshot") or "latest",
        target=target,
        host=given.get("host", ""),
        confirm=asked.confirm,
    )
    request = at_time(engine, request, given.get("at", ""))
    plan = engine.plan(request)
    if plan.blockers:
        raise UsageError("; ".join(plan.blockers), "Nothing was changed. Mend this and try again.")
    ready = replace(plan.request, confirm=asked.confirm)
    return Ready(
        lambda: engine.start_restore(ready, asked.passphrase),
        plan.command,
        {"recoverable_to": plan.recoverable_to.isoformat(), "snapshot": plan.snapshot.ref},
        plan,
    )


def at_time(engine: Engine, request: RestoreRequest, text: str) -> RestoreRequest:
    """The request for a moment: by binlogs for a database, by the newest snapshot before it for
    files. `latest` and nothing leave it as it is, `end` is all that was shipped. UsageError."""
    if text in ("", "latest"):
        return request
    if text == "end":
        return replace(request, until=Until(last=True))
    at = datetime.fromisoformat(at_moment(text).replace("Z", "+00:00"))
    host = request.host or engine.settings.host
    rows = [r for r in engine.door.repo().restorable(host, request.source) if r.committed]
    if any(row.id.method in ("logical", "physical") for row in rows):
        return replace(request, until=Until(at=at))
    before = next((row for row in rows if row.id.at <= at), None)
    if before is None:
        raise UsageError(
            f"{request.source} has no snapshot from before {at:%Y-%m-%d %H:%M:%S} UTC",
            "`mentat-dr snapshots` lists those there are.",
        )
    return replace(request, snapshot=before.id.ref)


def at_moment(text: str) -> str:
    """`latest`, `end`, or a time as ISO 8601 in UTC. UsageError."""
    if text.strip() in ("latest", "end"):
        return text.strip()
    try:
        at = datetime.fromisoformat(text.strip().replace("Z", "+00:00").replace(" UTC", "+00:00"))
    except ValueError:
        raise UsageError(
            f"{text!r} is no time", "Write it like 2026-11-22T01:52:07Z, or latest, or end."
        ) from None
    at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    return at.isoformat().replace("+00:00", "Z")


def _stop(engine: Engine, given: Parameters, _asked: Asked) -> Ready:
    names = _list(given["containers"])
    start = engine.incidents.launcher("stop-containers", {"containers": names}, names)
    return Ready(start, shlex.join(["docker", "stop", *names]))


def _start(engine: Engine, given: Parameters, _asked: Asked) -> Ready:
    names = _list(given["containers"])
    start = engine.incidents.launcher("start-containers", {"containers": names}, names)
    return Ready(start, shlex.join(["docker", "start", *names]))


def _evidence(engine: Engine, given: Parameters, asked: Asked) -> Ready:
    paths, containers = _list(given.get("paths", "")), _list(given.get("containers", ""))
    request = {"incident": asked.incident, "paths": paths, "containers": containers}
    return Ready(
        engine.incidents.launcher("evidence", request, [*paths, *containers]),
        shlex.join(["mentat-dr", "incident", "evidence", *paths]),
    )


def _verify(engine: Engine, given: Parameters, asked: Asked) -> Ready:
    how, names = given["how"], _list(given.get("source", ""))
    if how not in ("local", "offsite", "restore", "all"):
        raise UsageError(f"{how!r} cannot be verified", "Give local, offsite, restore or all.")
    command = ["mentat-dr", "verify", how, *(w for n in names for w in ("--source", n))]

    def start() -> str:
        return engine.proofs.start_verify(how, names, passphrase=asked.passphrase)  # type: ignore[arg-type]

    return Ready(start, shlex.join(command))


def _ship(engine: Engine, given: Parameters, _asked: Asked) -> Ready:
    names = _list(given.get("source", ""))
    command = ["mentat-dr", "ship-binlogs", *names]
    return Ready(lambda: engine.binlogs.start_ship(names), shlex.join(command))


def _drill(engine: Engine, given: Parameters, asked: Asked) -> Ready:
    def start() -> str:
        return engine.proofs.start_drill(given["what"], passphrase=asked.passphrase)  # type: ignore[arg-type]

    return Ready(start, shlex.join(["mentat-dr", "drill", given["what"]]))


def _replicate(engine: Engine, _given: Parameters, _asked: Asked) -> Ready:
    return Ready(engine.replicas.start, "mentat-dr replicate")


JOBS: dict[str, Callable[[Engine, Parameters, Asked], Ready]] = {
    "backup": _backup,
    "ship-binlogs": _ship,
    "restore": _restore,
    "verify": _verify,
    "drill": _drill,
    "replicate": _replicate,
    "stop-containers": _stop,
    "start-containers": _start,
    "evidence": _evidence,
}


def available() -> tuple[str, ...]:
    """The actions that this engine can run."""
    return tuple(name for name in ACTIONS if name in JOBS or name in LOOKS)
