"""The order in which containers are stopped."""

from __future__ import annotations

from engine.jobs.order import dependants_first
from engine.ports import Container


def container(name: str, needs: str = "", project: str = "shop", **host: object) -> Container:
    return Container(
        id=name.ljust(64, "0"),
        name=name,
        image="i",
        image_id="sha256:1",
        state="running",
        labels={
            "com.docker.compose.project": project,
            "com.docker.compose.service": name,
            "com.docker.compose.depends_on": needs,
        },
        definition={"HostConfig": host},
    )


def ordered(*containers: Container) -> list[str]:
    return [c.name for c in dependants_first(containers)]


def test_the_given_order_stays_without_dependencies() -> None:
    assert ordered(container("c"), container("a"), container("b")) == ["c", "a", "b"]
    assert ordered() == []


def test_compose_dependants_come_first() -> None:
    db, app = container("db"), container("app", "db:service_healthy:true,cache:x:false")
    web = container("web", "app:service_started:false")
    assert ordered(db, container("cache"), app, web) == ["web", "app", "db", "cache"]
    assert ordered(db, container("other", "db:x:y", project="elsewhere")) == ["db", "other"]


def test_shared_namespaces_volumes_and_links_count() -> None:
    db = container("db")
    for host in (
        {"NetworkMode": f"container:{db.id}"},
        {"PidMode": "container:db"},
        {"VolumesFrom": ["db:ro"]},
        {"Links": ["/db:/app/database"]},
    ):
        assert ordered(db, container("app", **host)) == ["app", "db"]
    assert ordered(db, container("app", NetworkMode="bridge")) == ["db", "app"]


def test_a_circle_is_broken() -> None:
    both = ordered(container("a", "b:x:y"), container("b", "a:x:y"))
    assert sorted(both) == ["a", "b"]
