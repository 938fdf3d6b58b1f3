"""Whole hosts: their recovery points, what is in them, and their rebuild."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.api.door import Door
from engine.core.discovery import Coverage
from engine.core.errors import UsageError
from engine.core.host_facts import HostFacts
from engine.core.host_rebuild import RebuildRequest
from engine.core.host_set import HostSet, SetEntry
from engine.core.snapshot import SnapshotEntry
from engine.settings import SourceSettings

if TYPE_CHECKING:
    from engine.operations.context import Context
    from engine.operations.host_plan import RebuildPlan


@dataclass(frozen=True, slots=True)
class HostOverview:
    """One host of the fleet as the store tells of it: no host need be alive."""

    host: str
    sources: tuple[str, ...]
    snapshots: int
    stored_bytes: int
    newest: datetime | None
    oldest_source: str  # whose newest snapshot is the oldest
    oldest_newest: datetime | None


class Hosts:
    """`engine.hosts`. Nothing but a rebuild needs the host: a laptop with the bucket's
    credentials and the key will do."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def overview(self) -> Sequence[HostOverview]:
        """Every host of the repository, by name. StoreError."""
        by_host: dict[str, list[SnapshotEntry]] = {}
        for row in self._door.list().rows:
            if row.committed and not row.aside:
                by_host.setdefault(row.id.host, []).append(row)
        return [_overview(host, rows) for host, rows in sorted(by_host.items())]

    def sets(self, host: str = "") -> Sequence[SetEntry]:
        """The recovery points of a host, newest first. StoreError."""
        from engine.repository.sets import HostSets

        found = HostSets(self._door.repo()).entries(host or self._door.settings.host)
        return [entry for entry in found if entry.committed]

    def open(self, host: str = "", ref: str = "", at: datetime | None = None) -> HostSet:
        """The newest set, the newest at or before a time, or one by its ref; proven by its
        signature. UsageError, ManifestAltered, StoreError."""
        from engine.repository.sets import HostSets

        sets = HostSets(self._door.repo())
        return sets.trusted(sets.find(host or self._door.settings.host, ref, at).id)

    def facts(self, host_set: HostSet, passphrase: str | None = None) -> HostFacts | None:
        """What the host was made of; it holds secrets. CipherError's."""
        from engine.operations import sets

        return sets.read_facts(self._looking(), host_set, passphrase)

    def plan(self, request: RebuildRequest, passphrase: str | None = None) -> RebuildPlan:
        """What a rebuild on this machine would do, and what is in its way. Touches nothing."""
        from engine.operations import host_plan

        return host_plan.plan(self._looking(), request, passphrase)

    def start_rebuild(
        self,
        request: RebuildRequest,
        passphrase: str | None = None,
        planned: RebuildPlan | None = None,
    ) -> str:
        """Start the rebuild as a job. UsageError while something is in its way, or when
        request.confirm is not the host's name."""
        planned = planned or self.plan(request, passphrase)
        if planned.blockers:
            raise UsageError("; ".join(planned.blockers), "Nothing was changed.")
        if request.confirm != planned.confirm_name:
            raise UsageError(
                f"this rebuilds {request.host} here: {planned.confirm_name} must be given",
                planned.command,
            )
        # What was planned, by refs: newer ones may come before the job looks for the newest.
        exact = bool(request.set) and request.at is None
        refs = {} if exact else {m.source: m.ref for m in planned.host_set.members}
        fixed = replace(request, set=planned.host_set.id.ref, refs=refs)
        given: dict[str, bytes] = {}
        if passphrase is not None:
            given["passphrase"] = passphrase.encode()
        title = f"rebuild {request.host} from {planned.host_set.id.ref}"
        names = [member.source for member in planned.host_set.members]
        return self._door.launch("rebuild", {"rebuild": asdict(fixed)}, title, names, given)

    def write_kit(self, folder: Path) -> Sequence[str]:
        """Write the recovery kit below a folder; its files. UsageError, CipherError."""
        from engine.operations import kit

        kit.write(self._door.settings, self._door.repo().cipher, folder)
        return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())

    def sources(self) -> list[SourceSettings]:
        """Those of the configuration and those that labels are known to ask for; Docker is asked
        where there is none."""
        settings = self._door.settings
        if settings.sources:
            return list(settings.sources)
        from engine import wiring
        from engine.operations import discovery

        found, _ = discovery.with_labelled(settings, wiring.containers(settings.docker))
        return list(found.sources)

    def coverage(self) -> Coverage | None:
        """What nothing protects here and what is protected and gone, as a backup last saw it."""
        from engine.operations import discovery

        return discovery.covered(self._door.settings.state)

    def _looking(self) -> Context:
        """Surroundings for looking only: nothing is leased, quiesced or told."""
        from engine import wiring

        @contextlib.contextmanager
        def refused(*_: object) -> Iterator[object]:
            raise AssertionError("looking changes nothing")
            yield

        around = wiring.Surroundings(
            lease=refused, quiesced=refused, emit=lambda _event: None, job_id="look"
        )
        return wiring.context(self._door.settings, around)


def _overview(host: str, rows: Sequence[SnapshotEntry]) -> HostOverview:
    newest: dict[str, datetime] = {}
    for row in rows:
        newest[row.id.source] = max(row.id.at, newest.get(row.id.source, row.id.at))
    behind = min(newest, key=lambda source: newest[source], default="")
    return HostOverview(
        host=host,
        sources=tuple(sorted(newest)),
        snapshots=len(rows),
        stored_bytes=sum(row.stored_bytes for row in rows),
        newest=max(newest.values(), default=None),
        oldest_source=behind,
        oldest_newest=newest.get(behind),
    )


def facts_shown(facts: HostFacts) -> Mapping[str, Any]:
    """The facts without what may hold secrets: for screens and reports."""
    engine = facts.engine
    return {
        "host": facts.host,
        "taken": facts.taken,
        "system": facts.machine.system,
        "kernel": facts.machine.kernel,
        "addresses": dict(facts.machine.addresses),
        "docker": engine.version if engine else "",
        "containers": [str(c.get("Name", "")).lstrip("/") for c in engine.containers]
        if engine
        else [],
        "networks": [str(n.get("Name")) for n in engine.networks] if engine else [],
        "volumes": [str(v.get("Name")) for v in engine.volumes] if engine else [],
        "images": sorted({tag for i in engine.images for tag in i.tags}) if engine else [],
        "compose": {p.name: list(p.files) for p in facts.compose},
        "packages": len(facts.machine.packages),
        "listening": [f"{e.protocol} {e.address}:{e.port}" for e in facts.machine.listening],
        "names": dict(facts.machine.names),
        "certificates": [
            {"path": c.path, "names": list(c.names), "expires": c.expires}
            for c in facts.machine.certificates
        ],
        "problems": list(facts.problems),
    }
