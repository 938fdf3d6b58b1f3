"""Doctor: look at everything a backup and a recovery need, before the day it is needed.

Nothing is changed but for probe objects, which are removed again. Every failure becomes a
finding; no check keeps the others from being made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.core.errors import MentatError
from engine.core.findings import Finding, failure
from engine.core.job import Job
from engine.operations import doctor_host, doctor_keys, doctor_sources, doctor_store
from engine.ports import Cipher, Clock, Containers, Database, ObjectStore, Processes, Trees
from engine.settings import Settings, SourceSettings


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at. Ports that may be unreachable are given as calls.

    stores        by name: the repository, its replicas, the local tier
    jobs          newest first
    stale_leases  sources whose lease was left by a holder that died
    root          where /etc and /var/spool are looked for
    """

    settings: Settings
    stores: Sequence[tuple[str, Callable[[], ObjectStore]]]
    cipher: Callable[[], Cipher]
    containers: Callable[[], Containers]
    database: Callable[[SourceSettings, str], Database]
    trees: Trees
    processes: Processes
    clock: Clock
    jobs: Sequence[Job] = ()
    stale_leases: Sequence[str] = ()
    root: Path = field(default_factory=lambda: Path("/"))


def examine(patient: Patient) -> tuple[Finding, ...]:
    """Every finding, in the order a person would mend them."""
    settings = patient.settings
    docker = _guarded("docker", lambda: doctor_sources.docker(settings, patient.containers))
    reachable = all(finding.level == "ok" for finding in docker)
    found = [
        _guarded("configuration", lambda: doctor_host.configuration(settings)),
        _guarded("programs", lambda: doctor_host.programs(settings, patient.processes)),
        _guarded("state", lambda: doctor_host.state(settings, patient.trees)),
        *(
            _guarded(name, lambda n=name, s=store: doctor_store.store(n, s, patient.clock))  # type: ignore[misc]
            for name, store in patient.stores
        ),
        _guarded("keys", lambda: doctor_keys.keys(settings, patient.cipher, patient.clock())),
        docker,
        *(
            _guarded(
                source.name,
                lambda s=source: doctor_sources.source(patient, s, reachable),  # type: ignore[misc]
            )
            for source in settings.sources
        ),
        _guarded("jobs", lambda: doctor_host.jobs(patient.jobs, patient.stale_leases)),
        _guarded("schedule", lambda: doctor_host.schedule(patient.root)),
    ]
    return tuple(finding for group in found for finding in group)


def _guarded(check: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """The findings of a look, also of one that fails half-way."""
    found: list[Finding] = []
    try:
        found.extend(look())
    except MentatError as error:
        found.append(failure(check, error))
    except OSError as error:
        message = f"{error.filename or check}: {error.strerror or error}"
        found.append(Finding(check, "unknown", message, "Run doctor as root."))
    return found
