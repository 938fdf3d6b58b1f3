"""Doctor on a real site: what is well is said to be, and each ailment is found and has a cure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine import settings_file, wiring
from engine.adapters.gpg import Gpg
from engine.api import Engine
from engine.core.errors import StoreUnreachable
from engine.core.findings import Finding
from engine.core.job import Job
from engine.jobs.lease import Lease
from engine.operations import doctor, doctor_store
from engine.settings import Secret, Settings, SourceSettings, StoreSettings
from tests.site import HOUR, Site, site


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("site")
    (root / "store").mkdir()
    (root / "tree").mkdir()
    source = SourceSettings("tree", "config", HOUR, HOUR, paths=(str(root / "tree"),))
    store = StoreSettings("directory", path=str(root / "store"))
    with site(root, store, [source]) as made:
        yield made


def examine(place: Site, **changes: Any) -> tuple[Finding, ...]:
    """Findings with the settings, or the rest of what doctor sees, changed."""
    settings = changes.pop("settings", place.engine.settings)
    patient = wiring.patient(settings, jobs=(), stale_leases=())
    return doctor.examine(replace(patient, root=place.root / "nowhere", **changes))


def about(findings: tuple[Finding, ...], words: str) -> Finding:
    found = [f for f in findings if words in f.message]
    assert len(found) == 1, [f.message for f in findings]
    return found[0]


def changed(place: Site, **fields: Any) -> Settings:
    return replace(place.engine.settings, **fields)


def test_a_healthy_site_has_no_critical_finding(place: Site) -> None:
    findings = place.engine.doctor()
    assert {f.level for f in findings} <= {"ok", "warning"}
    assert all(f.remedy for f in findings if f.level != "ok")
    for words in ("is private and complete", "GnuPG", "tar (GNU tar)", "Zstandard"):
        assert about(findings, words).level == "ok"
    assert "NOTHING IS OFFSITE" in about(findings, "OFFSITE").message
    assert about(findings, "refuses to overwrite").level == "ok"
    assert about(findings, "manifests are signed by").level == "ok"
    assert about(findings, "under its passphrase").level == "ok"
    assert about(findings, "one recipient only").level == "warning"
    assert list(Path(place.engine.settings.repository.path).rglob("*doctor*")) == []


def test_a_configuration_open_to_others(place: Site) -> None:
    place.config.chmod(0o640)
    try:
        found = about(examine(place), "can be read or changed by others")
    finally:
        place.config.chmod(0o600)
    assert (found.level, found.remedy) == ("critical", f"chmod 600 {place.config}")


def test_a_secret_that_is_not_there(place: Site) -> None:
    settings = changed(place, notify=(Secret(env="MENTAT_DR_NO_SUCH"),))
    assert about(examine(place, settings=settings), "is not set").level == "critical"


def test_paths_that_do_not_exist(place: Site) -> None:
    source = replace(place.engine.settings.sources[0], paths=("/no/such",))
    found = about(examine(place, settings=changed(place, sources=(source,))), "does not exist")
    assert (found.check, found.level) == ("source tree", "critical")


# docker's own UnixHTTPConnection drops the socket of a connect that failed.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_no_docker(place: Site) -> None:
    volume = SourceSettings("v", "volume", HOUR, HOUR, volume="v")
    settings = changed(place, sources=(volume,), docker="unix:///no/such.sock")
    findings = examine(place, settings=settings)
    assert [f.level for f in findings if f.check == "docker"] == ["critical"]
    assert [f.level for f in findings if f.check == "source v"] == ["unknown"]


def test_a_store_that_does_not_answer(place: Site) -> None:
    def refuse() -> Any:
        raise StoreUnreachable("no route to the bucket", "Check the network.")

    findings = examine(place, stores=[("repository", refuse)])
    assert about(findings, "no route to the bucket").remedy == "Check the network."
    assert about(findings, "manifests are signed by").level == "ok"


class Bent:
    """A real store with one thing bent."""

    def __init__(self, place: Site, **bent: Any) -> None:
        self._straight = wiring.object_store(place.engine.settings.repository)
        self._bent = bent

    def __getattr__(self, name: str) -> Any:
        return self._bent.get(name) or getattr(self._straight, name)


def findings_of(store: Any) -> tuple[Finding, ...]:
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)  # noqa: E731
    return tuple(doctor_store.store("repository", lambda: store, clock))


@pytest.mark.parametrize(
    ("off", "level"),
    [(timedelta(), "ok"), (timedelta(minutes=2), "warning"), (timedelta(hours=-1), "critical")],
)
def test_clocks_apart(place: Site, off: timedelta, level: str) -> None:
    def shifted(prefix: str) -> Iterator[Any]:
        for item in place.engine.door.repo().store.list(prefix):
            yield replace(item, modified=item.modified + off)

    findings = findings_of(Bent(place, list=shifted, offsite=True))
    assert about(findings, "clock").level == level


def test_a_store_that_overwrites(place: Site) -> None:
    straight = place.engine.door.repo().store
    bent = Bent(place, put=lambda key, body, if_absent=False: straight.put(key, body))
    assert about(findings_of(bent), "overwrites even when asked not to").level == "warning"


def test_a_store_that_lies(place: Site) -> None:
    bent = Bent(place, get=lambda key, start=0, length=None: b"something else")
    assert about(findings_of(bent), "other bytes than were written").level == "critical"


def test_a_store_that_keeps_what_is_deleted(place: Site) -> None:
    straight = place.engine.door.repo().store
    kept: list[str] = []
    try:
        assert about(findings_of(Bent(place, delete=kept.append)), "although it was deleted")
    finally:
        for key in kept:
            straight.delete(key)


def test_a_key_about_to_expire_and_an_open_one(place: Site) -> None:
    cipher = Gpg(place.engine.settings.encryption, place.state / "gnupg")
    made = cipher.generate("Soon", "soon@example.org", None, "20d")
    encryption = replace(place.engine.settings.encryption, recipients=(made.fingerprint,))
    findings = examine(place, settings=changed(place, encryption=encryption))
    found = about(findings, "expires in ")
    assert found.level == "warning"
    assert f"--quick-set-expire {made.fingerprint}" in found.remedy
    assert about(findings, "opens without a passphrase").level == "warning"


def test_no_signing_key(place: Site) -> None:
    encryption = replace(place.engine.settings.encryption, signing_key="")
    findings = examine(place, settings=changed(place, encryption=encryption))
    assert about(findings, "no signing key").level == "critical"


def test_a_recipient_who_is_not_here(place: Site) -> None:
    encryption = replace(place.engine.settings.encryption, recipients=("gone@example.org",))
    findings = examine(place, settings=changed(place, encryption=encryption))
    assert [f.level for f in findings if "gone@example.org" in f.message] == ["critical"]


def test_jobs_that_died(place: Site) -> None:
    def job(number: int, state: str) -> Job:
        return Job(f"j{number}", "backup", "backup tree", sources=("tree",), state=state)  # type: ignore[arg-type]

    died = examine(place, jobs=[job(2, "failed"), job(1, "interrupted")])
    assert "mentat-dr job log j1" in about(died, "j1").remedy
    done_since = examine(place, jobs=[job(2, "done"), job(1, "interrupted")])
    assert about(done_since, "no job was interrupted").level == "ok"


def test_a_lease_left_behind(place: Site) -> None:
    lease = Lease.acquire(place.state, "tree", "a-job", "backup")
    assert about(place.engine.doctor(), "no lease is stale").level == "ok", "held is not stale"
    lease._lock.release()  # as its process's death would
    assert about(place.engine.doctor(), "left the lease of tree behind").level == "warning"
    Lease.acquire(place.state, "tree", "b-job", "backup").release()
    assert about(place.engine.doctor(), "no lease is stale").level == "ok"


def test_who_starts_backups(place: Site, tmp_path: Path) -> None:
    cron = tmp_path / "etc/cron.d/mentat-dr"
    cron.parent.mkdir(parents=True)
    cron.write_text("# 0 2 * * * root mentat-dr backup\n")
    patient = replace(
        wiring.patient(place.engine.settings, jobs=(), stale_leases=()), root=tmp_path
    )
    assert about(doctor.examine(patient), "neither cron nor systemd").level == "warning"
    cron.write_text("0 2 * * * root mentat-dr backup --plain\n")
    assert about(doctor.examine(patient), "starts backups").level == "ok"


def test_a_state_directory_that_cannot_be_written(place: Site, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    settings = changed(place, state=in_the_way / "state")
    findings = examine(place, settings=settings)
    assert [f.level for f in findings if f.check == "state"] == ["critical"]


def test_a_site_without_sources(place: Site, tmp_path: Path) -> None:
    settings = changed(place, sources=(), file=tmp_path / "config.toml")
    settings_file.save(settings)
    findings = Engine(settings).doctor()
    assert about(findings, "nothing is protected").level == "warning"
