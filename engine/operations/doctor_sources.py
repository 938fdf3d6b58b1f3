"""Doctor's look at what is protected: Docker, and every source where it is said to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.findings import Finding
from engine.operations.doctor_host import needs_docker
from engine.ports import Containers
from engine.settings import Settings, SourceSettings

if TYPE_CHECKING:
    from engine.operations.doctor import Patient

DUMPS = ("mysqldump", "mariadb-dump")


def docker(settings: Settings, open_containers: Callable[[], Containers]) -> Iterator[Finding]:
    """Docker answers, where any source needs it."""
    if needs_docker(settings):
        yield Finding("docker", "ok", f"Docker {open_containers().ping()} answers")


def source(patient: Patient, looked_at: SourceSettings, docker_answers: bool) -> Iterator[Finding]:
    """The source is there and can be read."""
    check = f"source {looked_at.name}"
    if (looked_at.container or looked_at.volume) and not docker_answers:
        yield Finding(check, "unknown", "Docker does not answer", "Mend Docker first.")
    elif looked_at.kind == "database":
        yield from _database(patient, looked_at, check)
    elif looked_at.volume:
        yield from _volume(patient, looked_at, check)
    else:
        yield from _paths(looked_at, check)


def _database(patient: Patient, looked_at: SourceSettings, check: str) -> Iterator[Finding]:
    if looked_at.container:
        container = patient.containers().container(looked_at.container)
        if container.state == "paused":
            yield _paused(patient, check, container.name)
            return
        if container.state != "running":
            yield Finding(
                check,
                "critical",
                f"the container {container.name} is {container.state}",
                f"docker start {container.name}",
            )
            return
    facts = patient.database(looked_at, looked_at.container).identify()
    if looked_at.engine and facts.flavor != looked_at.engine:
        yield Finding(
            check,
            "warning",
            f"the server is {facts.flavor}, the configuration says {looked_at.engine}",
            f'Set engine = "{facts.flavor}", or leave it out.',
        )
    yield Finding(check, "ok", f"{facts.flavor} {facts.version} lets us in")
    if looked_at.container:
        yield _dump_program(patient, looked_at, check)


def _dump_program(patient: Patient, looked_at: SourceSettings, check: str) -> Finding:
    wanted = " || ".join(f"command -v {name}" for name in DUMPS)
    command = patient.containers().exec_command(
        looked_at.container, ["sh", "-c", wanted], label="sh"
    )
    ended = patient.processes.run(command, timeout=30, check=False)
    found = ended.stdout.decode("utf-8", "replace").strip()
    if ended.ok and found:
        return Finding(check, "ok", f"{found} is in the container")
    return Finding(
        check,
        "critical",
        f"neither {' nor '.join(DUMPS)} is in the container {looked_at.container}",
        "Use the server's full image, which brings its client programs.",
    )


def _volume(patient: Patient, looked_at: SourceSettings, check: str) -> Iterator[Finding]:
    containers = patient.containers()
    volume = containers.volume(looked_at.volume)
    users = containers.using(looked_at.volume)
    for container in users:
        if container.state == "paused":
            yield _paused(patient, check, container.name)
    if not volume.mountpoint.is_dir():
        yield Finding(
            check,
            "critical",
            f"the volume {volume.name} is not on this machine ({volume.mountpoint})",
            "Run mentat-dr on the machine that runs Docker, as root.",
        )
        return
    names = ", ".join(container.name for container in users) or "no container"
    yield Finding(check, "ok", f"volume {volume.name} is here, mounted by {names}")


def _paused(patient: Patient, check: str, name: str) -> Finding:
    running = [job.id for job in patient.jobs if not job.final]
    if running:
        return Finding(check, "ok", f"the container {name} is paused while {running[0]} runs")
    return Finding(
        check,
        "critical",
        f"the container {name} is paused, and no job of ours runs",
        f"docker unpause {name}",
    )


def _paths(looked_at: SourceSettings, check: str) -> Iterator[Finding]:
    missing = [path for path in looked_at.paths if not Path(path).exists()]
    for path in missing:
        yield Finding(check, "critical", f"{path} does not exist", "Correct `paths`, or create it.")
    if not missing:
        yield Finding(check, "ok", f"{len(looked_at.paths)} paths are here")
