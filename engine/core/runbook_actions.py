"""The actions a runbook may name: their parameters, and what they are.

What an action calls stands in `engine.api.incident_actions`; an action that is named here and not
there, or the other way round, is a lint error and never a step that passes in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from engine.core.runbook import Deed


@dataclass(frozen=True, slots=True)
class Action:
    """how: `job` starts a detached job; `look` asks and answers at once, passing or not.

    secret: the passphrase of the private key may be asked for before it starts."""

    title: str
    how: Literal["job", "look"]
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    secret: bool = False


ACTIONS: Mapping[str, Action] = {
    "doctor": Action("look at everything a recovery needs", "look", (), ("checks",)),
    "health": Action("run the health checks", "look", (), ("checks",)),
    "recovery-point": Action("look for the newest recovery point", "look", ("source",), ("host",)),
    "posture": Action("look whether sources are recoverable", "look", (), ("source",)),
    "key": Action("prove that backups can be decrypted here", "look", (), (), secret=True),
    "contacts": Action("look whether there is anybody to call", "look"),
    "backup": Action("back up", "job", (), ("source", "kind")),
    "ship-binlogs": Action("ship binlogs", "job", (), ("source",)),
    "restore": Action(
        "restore", "job", ("source", "to"), ("snapshot", "at", "host", "name"), secret=True
    ),
    "verify": Action("verify backups", "job", ("how",), ("source",), secret=True),
    "drill": Action("rehearse a recovery", "job", ("what",), secret=True),
    "replicate": Action("copy the repository to its replica", "job"),
    "stop-containers": Action("stop containers", "job", ("containers",)),
    "start-containers": Action("start containers", "job", ("containers",)),
    "evidence": Action("keep evidence, hashed, in the bucket", "job", (), ("paths", "containers")),
}


def problems(deed: Deed, available: Iterable[str]) -> tuple[str, ...]:
    """What is wrong with naming this action, in words; empty when it can run."""
    action = ACTIONS.get(deed.name)
    if action is None:
        return (f"there is no action {deed.name!r}; known: {', '.join(ACTIONS)}",)
    found = []
    if deed.name not in set(available):
        found.append(f"the action {deed.name!r} cannot be run by this engine")
    for name in action.required:
        if not deed.parameters.get(name):
            found.append(f"the action {deed.name!r} needs {name!r}")
    for name in deed.parameters:
        if name not in (*action.required, *action.optional):
            found.append(f"the action {deed.name!r} knows no {name!r}")
    return tuple(found)
