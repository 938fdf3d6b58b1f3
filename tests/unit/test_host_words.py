"""What Linux prints about a machine, read into values."""

from __future__ import annotations

from datetime import UTC, datetime

from engine.adapters import host_words
from engine.adapters.host_machine import LinuxMachine
from engine.core.host_facts import Listening


def test_addresses_leave_loopback_and_link_local_out() -> None:
    text = """[
      {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "prefixlen": 8, "scope": "host"}]},
      {"ifname": "eth0", "addr_info": [
        {"local": "10.0.0.5", "prefixlen": 24, "scope": "global"},
        {"local": "fe80::1", "prefixlen": 64, "scope": "link"}]},
      {"ifname": "down", "addr_info": []}]"""
    assert host_words.addresses(text) == {"eth0": ("10.0.0.5/24",)}


def test_mounts_are_those_of_disks_each_once() -> None:
    lines = [
        "/dev/sda1 / ext4 rw 0 0",
        "proc /proc proc rw 0 0",
        "/dev/sda1 /var/lib/docker ext4 rw 0 0",
        "tmpfs /run tmpfs rw 0 0",
        "nas:/v /mnt/a\\040b nfs4 rw 0 0",
        "broken",
    ]
    assert list(host_words.real_mounts(lines)) == [
        ("/dev/sda1", "/", "ext4"),
        ("nas:/v", "/mnt/a b", "nfs4"),
    ]


def test_listening_sockets_are_told_from_connections() -> None:
    head = "  sl  local_address rem_address   st"
    lines = [
        head,
        "   0: 0100007F:0CEA 00000000:0000 0A 0",
        "   1: 0100007F:0CEB 0100007F:1234 01 0",
    ]
    assert host_words.listening("tcp", lines) == [Listening("tcp", "127.0.0.1", 3306)]
    six = [head, "   0: 00000000000000000000000001000000:0050 0:0 0A 0"]
    assert host_words.listening("tcp6", six) == [Listening("tcp6", "::1", 80)]


def test_a_certificate_says_its_names_and_its_end() -> None:
    text = (
        "subject=CN = shop.example.org\nnotAfter=Feb  1 12:00:00 2027 GMT\n"
        "X509v3 Subject Alternative Name: \n    DNS:shop.example.org, DNS:www.example.org\n"
    )
    found = host_words.certificate("/a.pem", text)
    assert found.names == ("shop.example.org", "www.example.org")
    assert found.expires == datetime(2027, 2, 1, 12, tzinfo=UTC)


def test_this_very_machine_can_be_looked_at() -> None:
    found = LinuxMachine().facts(["localhost.localdomain"])
    assert found.hostname and found.kernel and found.memory_bytes > 0 and found.processors > 0
    assert any(line.startswith("root:") for line in found.users)
    assert not [p for p in found.problems if p.startswith(("mounts", "users", "listening"))]
