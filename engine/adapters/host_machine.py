"""The machine this runs on, looked at with what every Linux has."""

from __future__ import annotations

import os
import platform
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from engine.adapters import command, host_words
from engine.core.commands import Command
from engine.core.errors import MentatError
from engine.core.host_facts import Certificate, FileSystem, Listening, MachineFacts

_TEXT_LIMIT = 1 << 20
_ASK_SECONDS = 20.0
_RESOLVE_SECONDS = 5.0
_CRONTABS = ("/etc/crontab", "/etc/cron.d/*", "/var/spool/cron/crontabs/*", "/var/spool/cron/*")
_TEXTS = ("/etc/hosts", "/etc/fstab", "/etc/resolv.conf", "/etc/docker/daemon.json")
_CERTIFICATES = ("/etc/letsencrypt/live/*/fullchain.pem", "/etc/ssl/*.crt", "/etc/ssl/*.pem")
_MOST_CERTIFICATES = 200
_MOST_NAMES = 100
T = TypeVar("T")


class LinuxMachine:
    """The port Machine. What cannot be looked at is one of the facts' problems, never an error."""

    def facts(self, names: Sequence[str] = (), folders: Sequence[Path] = ()) -> MachineFacts:
        problems: list[str] = []

        def look(what: str, question: Callable[[], T], nothing: T) -> T:
            try:
                return question()
            except (MentatError, OSError, ValueError) as error:
                problems.append(f"{what}: {error}")
                return nothing

        none: tuple[Certificate, ...] = ()
        certificates = look("certificates", lambda: self._certificates(folders), none)
        asked = {*names, *(n for c in certificates for n in c.names), socket.getfqdn()}
        wanted = sorted(n for n in asked if "." in n and "*" not in n)[:_MOST_NAMES]
        return MachineFacts(
            hostname=socket.gethostname(),
            system=look("system", _system, ""),
            kernel=platform.release(),
            architecture=platform.machine(),
            processors=os.cpu_count() or 0,
            memory_bytes=look("memory", _memory, 0),
            addresses=look("addresses", _addresses, {}),
            mounts=look("mounts", _mounts, ()),
            packages=look("packages", _packages, ()),
            users=look("users", lambda: _lines("/etc/passwd"), ()),
            groups=look("groups", lambda: _lines("/etc/group"), ()),
            texts=look("crontabs", lambda: self.texts([*_globbed(_CRONTABS), *_TEXTS]), {}),
            timers=look("timers", _timers, ()),
            firewall=look("firewall", _firewall, ""),
            listening=look("listening ports", _listening, ()),
            names=_resolved(wanted),
            certificates=certificates,
            problems=tuple(problems),
        )

    def texts(self, files: Sequence[str]) -> Mapping[str, str]:
        found = {}
        for name in files:
            path = Path(name)
            try:
                if path.is_file() and path.stat().st_size <= _TEXT_LIMIT:
                    found[name] = path.read_text("utf-8", "backslashreplace")
            except OSError:
                continue
        return found

    def listens(self, port: int) -> bool:
        return any(
            entry.port == port and entry.protocol.startswith("tcp") for entry in _listening()
        )

    def copy_command(self, source: Path, target: Path) -> Command:
        argv = ("cp", "--archive", "--no-target-directory", "--", str(source), str(target))
        return Command(argv, "cp")

    @staticmethod
    def _certificates(folders: Sequence[Path]) -> tuple[Certificate, ...]:
        files = {*_globbed(_CERTIFICATES)}
        for folder in folders:
            for suffix in ("*.crt", "*.pem"):
                files.update(str(path) for path in folder.rglob(suffix))
        outside = sorted(f for f in files if not f.startswith("/etc/ssl/certs/"))
        return tuple(c for f in outside[:_MOST_CERTIFICATES] if (c := _certificate(f)))


def _ask(*argv: str) -> str:
    ended = command.run(Command(argv, argv[0]), timeout=_ASK_SECONDS, check=False)
    if not ended.ok:
        raise ValueError(" ".join(ended.stderr[-1:]) or f"exit {ended.exit_status}")
    return ended.stdout.decode("utf-8", "backslashreplace")


def _installed(program: str) -> bool:
    from shutil import which

    return which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") is not None


def _lines(file: str) -> tuple[str, ...]:
    return tuple(Path(file).read_text("utf-8", "backslashreplace").splitlines())


def _globbed(patterns: Sequence[str]) -> list[str]:
    root = Path("/")
    return sorted({str(p) for pattern in patterns for p in root.glob(pattern.lstrip("/"))})


def _system() -> str:
    found = platform.freedesktop_os_release()
    return found.get("PRETTY_NAME", "")


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _addresses() -> dict[str, tuple[str, ...]]:
    return host_words.addresses(_ask("ip", "-json", "address")) if _installed("ip") else {}


def _mounts() -> tuple[FileSystem, ...]:
    found = []
    for device, path, kind in host_words.real_mounts(_lines("/proc/self/mounts")):
        try:
            sizes = os.statvfs(path)
        except OSError:
            continue
        total, free = sizes.f_blocks * sizes.f_frsize, sizes.f_bavail * sizes.f_frsize
        found.append(FileSystem(device, path, kind, total, free))
    return tuple(found)


def _packages() -> tuple[str, ...]:
    if not _installed("dpkg-query"):
        return ()
    installed = _ask("dpkg-query", "--show", "--showformat=${Package}=${Version}\n").split()
    if not _installed("apt-mark"):
        return tuple(installed)
    manual = set(_ask("apt-mark", "showmanual").split())
    return tuple(item for item in installed if item.split("=")[0] in manual)


def _timers() -> tuple[str, ...]:
    if not Path("/run/systemd/system").is_dir():
        return ()
    argv = ("systemctl", "list-unit-files", "--type=timer", "--state=enabled", "--no-legend")
    return tuple(line.split()[0] for line in _ask(*argv, "--plain").splitlines() if line.split())


def _firewall() -> str:
    if _installed("nft"):
        return _ask("nft", "list", "ruleset")
    return _ask("iptables-save") if _installed("iptables-save") else ""


def _listening() -> tuple[Listening, ...]:
    found: list[Listening] = []
    for protocol in ("tcp", "tcp6", "udp", "udp6"):
        file = Path("/proc/net") / protocol
        if file.exists():
            found += host_words.listening(protocol, file.read_text().splitlines())
    return tuple(dict.fromkeys(found))


def _certificate(file: str) -> Certificate | None:
    argv = ("openssl", "x509", "-in", file, "-noout", "-subject", "-enddate", "-ext")
    ended = command.run(Command((*argv, "subjectAltName"), "openssl"), timeout=5, check=False)
    if not ended.ok:
        return None  # a key, or a file that is no certificate
    return host_words.certificate(file, ended.stdout.decode("utf-8", "backslashreplace"))


def _resolved(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What the names resolve to within a few seconds all together; unanswered ones are empty."""
    found: dict[str, tuple[str, ...]] = {}

    def ask() -> None:
        for name in names:
            try:
                answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
            except OSError:
                continue
            found[name] = tuple(sorted({str(answer[4][0]) for answer in answers}))

    # A daemon: a resolver that hangs must not hold up the end of the job.
    thread = threading.Thread(target=ask, name="resolve", daemon=True)
    thread.start()
    thread.join(_RESOLVE_SECONDS)
    return {name: found.get(name, ()) for name in names}
