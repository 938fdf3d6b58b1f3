"""What is worth protecting, what of it is not protected, and what labels ask for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.core.discovery import Covered, coverage, labelled, things
from engine.operations import discovery
from engine.settings import EncryptionSettings, Settings, SourceSettings, StoreSettings
from tests.unit.test_host_rebuild import ANONYMOUS, DB, WEB, container

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
OWN = container("mine", labels={"mentat-dr": "restored"}, volumes={"copy": "/c"})
SILENCED = container("cache", labels={"mentat-dr.backup": "false"}, volumes={"warm": "/c"})


def test_databases_volumes_and_folders_are_proposed() -> None:
    other = container("other", binds=["/srv/site", "/etc/localtime", "/var/run/docker.sock"])
    found = [thing.spec for thing in things([WEB, DB, OWN, SILENCED, other])]
    assert found == ["database:zdb", "volume:uploads", "config:/opt/shop", "config:/srv/site"]


def test_what_is_not_protected_and_what_is_gone_are_named() -> None:
    sources = [
        Covered("shop-db", "database", container="zdb"),
        Covered("etc", "config", paths=("/opt", "/nowhere")),
        Covered("old", "volume", volume="old-data"),
        Covered("older-db", "database", container="gone-db"),
    ]
    found = coverage(sources, [WEB, DB, OWN], ["uploads", "db-data"], ["/nowhere"], NOW)
    assert [thing.spec for thing in found.unprotected] == ["volume:uploads"]
    assert found.gone == (
        "older-db: there is no container gone-db",
        "old: there is no volume old-data",
        "etc: /nowhere does not exist",
    )
    assert found.counts == {"unprotected": 1, "gone": 3}


def test_a_stopped_container_is_there_but_asks_for_nothing() -> None:
    stopped = container("zdb", state="exited", image="mysql:9")
    found = coverage([Covered("db", "database", container="zdb")], [stopped], [], [], NOW)
    assert (found.unprotected, found.gone) == ((), ())
    assert coverage([], [stopped], [], [], NOW).unprotected == ()


def with_labels(name: str, labels: dict[str, str], **given: Any) -> dict[str, Any]:
    named = {f"mentat-dr.{key}": value for key, value in labels.items()}
    return container(name, labels=named, **given)


def test_labels_make_sources_and_nonsense_is_told() -> None:
    web = with_labels(
        "web",
        {"backup": "true", "name": "uploads", "quiesce": "pause", "rpo": "15m"},
        volumes={"v1": "/a", ANONYMOUS: "/b"},
    )
    two = with_labels("two", {"backup": "true"}, volumes={"v2": "/a", "v3": "/b"})
    database = with_labels("db", {"backup": "true", "rpo": "soon"}, image="mariadb:11")
    odd = with_labels("odd", {"backup": "yes"}, volumes={"v4": "/a"})
    bare = with_labels("bare", {"backup": "true", "quiesce": "freeze"})
    found, problems = labelled([web, two, database, odd, bare])
    assert [(s.kind, s.name, s.volume, s.quiesce, s.rpo) for s in found] == [
        ("database", "db", "", "none", timedelta(hours=24)),
        ("volume", "v2", "v2", "none", timedelta(hours=24)),
        ("volume", "v3", "v3", "none", timedelta(hours=24)),
        ("volume", "uploads", "v1", "pause", timedelta(minutes=15)),
    ]
    assert [p.split(":")[0] for p in problems] == ["bare", "bare", "db", "odd"]


class Docker:
    """As far as with_labelled asks: a list of containers."""

    def __init__(self, *definitions: dict[str, Any]) -> None:
        self.definitions = definitions

    def containers(self, *, all_states: bool = True) -> list[Any]:
        from engine.adapters import docker_models

        return [docker_models.container(found) for found in self.definitions]


def settings(state: Path, *sources: SourceSettings) -> Settings:
    return Settings(
        file=state / "config.toml",
        host="landsraad",
        environment="production",
        repository=StoreSettings("directory", path="/x"),
        encryption=EncryptionSettings(),
        sources=sources,
        state=state,
    )


def test_labelled_sources_are_remembered_without_their_passwords(tmp_path: Path) -> None:
    database = with_labels(
        "db", {"backup": "true"}, image="mysql:9", env=["MYSQL_ROOT_PASSWORD=very secret"]
    )
    volume = with_labels("web", {"backup": "true", "name": "Bad Name"}, volumes={"v1": "/a"})
    found, problems = discovery.with_labelled(
        settings(tmp_path),
        Docker(database, volume),  # type: ignore[arg-type]
    )
    (source,) = found.sources
    assert source.password is not None and source.password.reveal() == "very secret"
    assert problems == ["web: 'Bad Name' can be no source's name"]
    (again,) = discovery.remembered(settings(tmp_path)).sources
    assert (again.name, again.container, again.password) == ("db", "db", None)
    assert b"very secret" not in (tmp_path / "labelled.json").read_bytes()


def test_the_configuration_goes_before_labels(tmp_path: Path) -> None:
    own = SourceSettings("mine", "volume", HOUR, HOUR, volume="v1")
    labelled_too = with_labels("web", {"backup": "true"}, volumes={"v1": "/a"})
    found, _ = discovery.with_labelled(
        settings(tmp_path, own),
        Docker(labelled_too),  # type: ignore[arg-type]
    )
    assert found.sources == (own,)
