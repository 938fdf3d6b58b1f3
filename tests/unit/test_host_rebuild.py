"""A host's parts in their order, and what of a new machine is in the way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from engine.adapters import docker_anew
from engine.core.host_differences import Here, differences
from engine.core.host_facts import (
    EngineFacts,
    HostFacts,
    Image,
    Listening,
    MachineFacts,
    candidate_names,
    compose_places,
)
from engine.core.host_rebuild import (
    anonymous_binds,
    chosen,
    in_dependency_order,
    moved,
    parts,
)
from engine.core.host_set import HostSet, Member, SetId

AT = datetime(2026, 11, 22, 2, tzinfo=UTC)
GIB = 1 << 30


def container(name: str, **given: Any) -> dict[str, Any]:
    volumes = given.get("volumes", {})
    return {
        "Id": name[0] * 64,
        "Name": f"/{name}",
        "Image": "sha256:1",
        "State": {"Status": given.get("state", "running")},
        "Config": {
            "Image": given.get("image", "app:1"),
            "Labels": given.get("labels", {}),
            "Env": given.get("env", []),
            "Hostname": name[0] * 12,
        },
        "HostConfig": {
            "NetworkMode": given.get("mode", "shop"),
            "Binds": [f"{v}:{p}" for v, p in volumes.items() if len(v) != 64],
            "PortBindings": given.get("ports", {}),
            "Links": given.get("links"),
        },
        "NetworkSettings": {
            "Networks": {n: {"Aliases": [name, name[0] * 12]} for n in given.get("on", ["shop"])}
        },
        "Mounts": [
            {"Type": "volume", "Name": v, "Source": f"/v/{v}", "Destination": p}
            for v, p in volumes.items()
        ]
        + [{"Type": "bind", "Source": s, "Destination": s} for s in given.get("binds", [])],
    }


ANONYMOUS = "f" * 64
COMPOSE = {
    "com.docker.compose.project": "shop",
    "com.docker.compose.project.working_dir": "/opt/shop",
    "com.docker.compose.project.config_files": "/opt/shop/compose.yml",
}
WEB = container(
    "web",
    labels={
        **COMPOSE,
        "com.docker.compose.service": "web",
        "com.docker.compose.depends_on": "db:service_started:false",
    },
    volumes={"uploads": "/data"},
    ports={"80/tcp": [{"HostIp": "10.0.0.5", "HostPort": "80"}]},
    binds=["/opt/shop/conf"],
    env=["VIRTUAL_HOST=shop.example.org,www.example.org"],
)
DB = container(
    "zdb",
    labels={**COMPOSE, "com.docker.compose.service": "db"},
    volumes={"db-data": "/var/lib/mysql", ANONYMOUS: "/var/log"},
    image="mysql:9",
)


def facts(*containers: dict[str, Any], **machine: Any) -> HostFacts:
    engine = EngineFacts(
        version="20.10.1",
        containers=containers,
        networks=({"Name": "shop", "Driver": "bridge", "IPAM": {"Config": []}},),
        volumes=({"Name": "uploads"}, {"Name": "db-data"}, {"Name": ANONYMOUS}, {"Name": "idle"}),
        images=(Image("sha256:1", ("app:1",), (), 5), Image("sha256:2", ("mysql:9",), ("d",))),
    )
    return HostFacts("1.0", "landsraad", AT, MachineFacts(architecture="x86_64", **machine), engine)


def host_set() -> HostSet:
    members = (
        Member("uploads", "volume", "r1", AT, 2 * GIB, volume="uploads"),
        Member("etc", "config", "r2", AT, 1000, paths=("etc",)),
        Member("shop-db", "database", "r3", AT, GIB, volume="db-data", container="zdb"),
    )
    return HostSet("1.0", SetId("landsraad", AT, "1a2b3c4d"), AT, AT, members)


def test_parts_stand_in_the_order_they_depend_on_each_other() -> None:
    assert [part.id for part in parts(host_set(), facts(WEB, DB))] == [
        "image:app:1",
        "image:mysql:9",
        "network:shop",
        "volume:db-data",
        "volume:uploads",
        "config:etc",
        "data:uploads",
        "database:shop-db",
        "container:zdb",
        "container:web",
        "health:zdb",
        "health:web",
    ]


def test_without_facts_the_sources_are_all_there_is() -> None:
    found = [part.id for part in parts(host_set(), None)]
    assert found == ["config:etc", "data:uploads", "database:shop-db"]


def test_parts_are_chosen_by_patterns_of_their_ids_names_or_sources() -> None:
    every = parts(host_set(), facts(WEB, DB))

    def ids(only: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> list[str]:
        return [part.id for part in every if chosen(part, only, without)]

    assert ids(("*:web",)) == ["container:web", "health:web"]
    assert ids(("uploads",)) == ["volume:uploads", "data:uploads"]
    assert ids(("source:*",), ("config:*",)) == ["data:uploads", "database:shop-db"]


def test_a_circle_of_needs_is_no_endless_walk() -> None:
    one = container("one", links=["/two:/one/two"])
    two = container("two", links=["/one:/two/one"])
    assert {c["Name"] for c in in_dependency_order([one, two])} == {"/one", "/two"}


def test_a_container_that_shares_a_network_comes_after_and_by_name() -> None:
    sidecar = container("a-sidecar", mode=f"container:{WEB['Id']}", on=[])
    ordered = in_dependency_order([sidecar, WEB])
    assert [c["Name"] for c in ordered] == ["/web", "/a-sidecar"]
    again = moved(sidecar, {}, {WEB["Id"]: "web"})
    assert again["HostConfig"]["NetworkMode"] == "container:web"


def here(**given: Any) -> Here:
    engine = EngineFacts(version=given.pop("version", "20.10.9"))
    machine = MachineFacts(
        architecture="x86_64",
        addresses={"eth0": ("10.0.0.5/24",)},
        listening=given.pop("listening", ()),
    )
    images = frozenset({"app:1", "mysql:9"})
    base: dict[str, Any] = {
        "machine": machine,
        "engine": engine,
        "images": images,
        "free_docker": 100 * GIB,
        "free_state": 100 * GIB,
        "paths": frozenset({"/opt/shop/conf"}),
    }
    return Here(**{**base, **given})


def said(here_now: Here, addresses: dict[str, str] | None = None) -> dict[str, str]:
    lost = facts(WEB, DB, addresses={"eth0": ("10.0.0.5/24",)})
    every = parts(host_set(), lost)
    return {d.message: d.level for d in differences(lost, every, here_now, addresses or {})}


def test_the_same_machine_has_nothing_in_the_way() -> None:
    assert said(here()) == {}


def test_a_disk_that_is_too_small_is_told_with_its_numbers() -> None:
    (message,) = said(here(free_docker=3 * GIB))
    assert message == (
        f"the disk is too small: volumes and files need 3.00 GiB ({3 * GIB + 1000} bytes), "
        f"3.00 GiB ({3 * GIB} bytes) are free"
    )
    both = said(here(free_docker=2 * GIB, free_state=10, one_disk=False))
    assert list(both.values()) == ["critical", "critical"]


def test_a_published_address_must_be_ours_or_be_mapped() -> None:
    machine = MachineFacts(architecture="x86_64", addresses={"eth0": ("10.9.9.9/24",)})
    found = said(here(machine=machine))
    assert found["web is published on 10.0.0.5:80, which is no address of this machine"] == (
        "critical"
    )
    assert "critical" not in said(here(machine=machine), {"10.0.0.5": "10.9.9.9"}).values()
    again = moved(WEB, {"10.0.0.5": "10.9.9.9"}, {})
    assert again["HostConfig"]["PortBindings"]["80/tcp"][0]["HostIp"] == "10.9.9.9"


def test_ports_in_use_missing_images_paths_and_versions_are_found() -> None:
    assert "critical" in said(here(listening=(Listening("tcp", "0.0.0.0", 80),))).values()
    without = said(here(images=frozenset()))
    assert without["the image app:1 is not here, and no registry is known to have it"] == "critical"
    assert without["the image mysql:9 is not here: it will be pulled"] == "warning"
    assert list(said(here(version="29.0")).values()) == ["warning"]
    (path,) = said(here(paths=frozenset()))
    assert path.startswith("web mounts /opt/shop/conf, which is not here")
    (docker,) = said(here(engine=None, docker_problem="no socket"))
    assert "no socket" in docker


def test_a_container_is_made_again_with_what_was_chosen_and_not_what_the_engine_gave() -> None:
    wanted, others = docker_anew.container(WEB, ("f:/x",))
    assert "Hostname" not in wanted
    assert wanted["HostConfig"]["Binds"] == ["uploads:/data", "f:/x"]
    assert wanted["NetworkingConfig"] == {"EndpointsConfig": {"shop": {"Aliases": ["web"]}}}
    assert others == {}
    fixed = container("fixed", on=["shop", "back"])
    fixed["NetworkSettings"]["Networks"]["back"] = {"IPAMConfig": {"IPv4Address": "10.1.0.9"}}
    _, others = docker_anew.container(fixed)
    assert others == {"back": {"ipv4_address": "10.1.0.9"}}


def test_a_restored_anonymous_volume_is_mounted_by_name() -> None:
    assert anonymous_binds(DB, ["db-data", ANONYMOUS]) == (f"{ANONYMOUS}:/var/log",)


def test_compose_projects_and_names_are_read_from_labels_and_variables() -> None:
    places = compose_places([WEB, DB])
    assert places == {"shop": ("/opt/shop", ("/opt/shop/compose.yml",), ("db", "web"))}
    rule = container("t", labels={"traefik.http.routers.a.rule": "Host(`api.example.org`)"})
    names = candidate_names([WEB, rule])
    assert names == ("api.example.org", "shop.example.org", "www.example.org")
