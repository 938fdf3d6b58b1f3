"""From a model container to the definition of one like it, without an engine."""

from __future__ import annotations

from typing import Any

from engine.adapters import docker_models as models

IMAGE = {"Config": {"Env": ["PATH=/bin", "VERSION=1"], "Cmd": ["serve"], "Entrypoint": ["/run"]}}


def made(model: dict[str, Any], **given: Any) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "image": "image",
        "mounts": {},
        "labels": {},
        "environment": None,
        "network": "none",
        "command": None,
        "memory_bytes": None,
    }
    return models.definition(model, IMAGE, **{**defaults, **given})


def test_what_the_image_says_is_left_to_the_image() -> None:
    inherited = {**IMAGE["Config"], "Env": ["PATH=/bin", "VERSION=1", "MINE=2"], "User": ""}
    wanted = made({"Config": inherited})
    assert wanted["Env"] == ["MINE=2"]
    assert not {"Cmd", "Entrypoint", "User"} & set(wanted)


def test_what_the_operator_set_is_kept() -> None:
    model = {"Config": {"Cmd": ["serve"], "Entrypoint": ["/mine"], "User": "5"}}
    wanted = made(model)
    assert (wanted["Entrypoint"], wanted["Cmd"], wanted["User"]) == (["/mine"], ["serve"], "5")
    assert made(model, command=["other"])["Cmd"] == ["other"]


def test_nothing_dangerous_or_shared_is_taken_over() -> None:
    host = {
        "Privileged": True,
        "PidMode": "host",
        "NetworkMode": "host",
        "Devices": [{"PathOnHost": "/dev/sda"}],
        "PortBindings": {"80/tcp": [{"HostPort": "80"}]},
        "RestartPolicy": {"Name": "always"},
        "AutoRemove": True,
        "Binds": ["/data:/data"],
        "CapDrop": ["ALL"],
    }
    mounts = [
        {"Type": "bind", "Source": "/data", "Destination": "/data", "RW": True},
        {"Type": "bind", "Source": "/run/docker.sock", "Destination": "/s", "RW": False},
        {"Type": "volume", "Name": "live", "Destination": "/live", "RW": True},
        {"Type": "bind", "Source": "/etc/my.cnf", "Destination": "/etc/my.cnf", "RW": False},
        {"Type": "bind", "Source": "/old", "Destination": "/fresh", "RW": False},
    ]
    wanted = made({"HostConfig": host, "Mounts": mounts}, mounts={"new": "/fresh"})
    assert wanted["HostConfig"] == {
        "CapDrop": ["ALL"],
        "RestartPolicy": {"Name": "no"},
        "NetworkMode": "none",
        "Mounts": [
            {"Type": "volume", "Source": "new", "Target": "/fresh"},
            {"Type": "bind", "Source": "/etc/my.cnf", "Target": "/etc/my.cnf", "ReadOnly": True},
        ],
    }


def test_every_definition_carries_our_label() -> None:
    assert "mentat-dr" in made({})["Labels"]
    assert made({}, labels={"mentat-dr": "drill"})["Labels"]["mentat-dr"] == "drill"


def test_an_unknown_state_is_dead() -> None:
    assert models.liveness({"Status": "removing"}) == "dead"
    assert models.liveness({"Status": "paused"}) == "paused"
