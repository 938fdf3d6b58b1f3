"""The audit trail: any line removed, changed, moved or added is found; who it was is found out."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.adapters.local_store import LocalStore
from engine.core import audit as chain
from engine.core.errors import ConfigurationError
from engine.core.incident_events import Who
from engine.operations import audit
from engine.operations.audit_identity import whoami

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
WHO = Who("anna", "root", "10.0.0.7", "landsraad", "s")


def trail(count: int) -> list[bytes]:
    lines: list[bytes] = []
    for number in range(count):
        before = lines[-1] if lines else None
        lines.append(chain.link(before, {"act": f"act {number}"}).rstrip(b"\n"))
    return lines


@hypothesis.settings(deadline=None)
@given(st.integers(2, 12), st.randoms(use_true_random=False))
def test_whatever_is_done_to_a_line_is_found(count: int, random: object) -> None:
    lines = trail(count)
    assert chain.verify(lines) == []
    at = random.randrange(count - 1)  # type: ignore[attr-defined]
    removed = lines[:at] + lines[at + 1 :]
    assert chain.verify(removed)
    changed = [*lines]
    changed[at] = changed[at].replace(b"act", b"ACT", 1)
    assert chain.verify(changed) or at == count - 1
    moved = [*lines]
    moved[at], moved[at + 1] = moved[at + 1], moved[at]
    assert chain.verify(moved)
    assert chain.verify([*lines[:at], lines[at], *lines[at:]])


def test_the_end_that_was_cut_off_is_found_by_the_copy() -> None:
    lines = trail(5)
    assert chain.verify(lines[:3]) == [], "the chain alone cannot know"
    [found] = chain.compare(lines[:3], lines)
    assert found.line == 4 and "2 lines at the end" in found.what
    rewritten = [*trail(2), chain.link(trail(2)[-1], {"act": "other"}).rstrip(b"\n")]
    assert chain.compare(rewritten, lines)[0].line == 3


def store(tmp_path: Path) -> LocalStore:
    (tmp_path / "store").mkdir(exist_ok=True)
    return LocalStore(tmp_path / "store", "store")


def test_every_way_of_meddling_is_told_with_its_place(tmp_path: Path) -> None:
    state = tmp_path / "state"
    for number in range(6):
        audit.record(state, WHO, f"act {number}", {"n": number}, at=NOW)
        if number == 2:
            assert audit.copy(store(tmp_path), state, "landsraad") == 3
    assert audit.copy(store(tmp_path), state, "landsraad") == 6
    found = audit.verify(store(tmp_path), state, "landsraad")
    assert (found.lines, found.copied, found.breaks) == (6, 6, ())

    file = audit.file_of(state)
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    for content, place in (
        (b"".join(lines[:2] + lines[3:]), 3),
        (whole.replace(b'"act 3"', b'"act 9"'), 4),
        (b"".join([lines[0], lines[2], lines[1], *lines[3:]]), 2),
        (b"".join(lines[:4]), 5),
    ):
        file.write_bytes(content)
        breaks = audit.verify(store(tmp_path), state, "landsraad").breaks
        assert breaks and breaks[0].line in (place, place + 1), breaks
    file.write_bytes(whole)
    assert not audit.verify(store(tmp_path), state, "landsraad").breaks


def test_a_torn_line_is_replaced_and_a_strange_one_stops_nothing(tmp_path: Path) -> None:
    audit.record(tmp_path, WHO, "one", at=NOW)
    with audit.file_of(tmp_path).open("ab") as file:
        file.write(b'{"n": 2, "before": "x')
    audit.record(tmp_path, WHO, "two", at=NOW)
    assert len(audit.read(tmp_path)) == 2 and not chain.verify(audit.read(tmp_path))
    with audit.file_of(tmp_path).open("ab") as file:
        file.write(b"strange\n")
    audit.record(tmp_path, WHO, "four", at=NOW)
    [found] = chain.verify(audit.read(tmp_path))
    assert found.line == 3 and "no line of an audit trail" in found.what


def test_many_at_once_make_one_chain(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: audit.record(tmp_path, WHO, f"{n}", at=NOW), range(40)))
    assert len(audit.read(tmp_path)) == 40 and not chain.verify(audit.read(tmp_path))


def test_what_cannot_be_recorded_is_refused(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").mkdir()
    with pytest.raises(ConfigurationError):
        audit.record(tmp_path, WHO, "act", at=NOW)


def test_sudo_and_ssh_are_seen_through() -> None:
    found = whoami({"SUDO_USER": "anna", "SSH_CONNECTION": "10.0.0.7 5000 10.0.0.1 22"})
    assert (found.person, found.origin) == ("anna", "10.0.0.7")
    assert found.host == os.uname().nodename and "(as " in found.shown
    assert whoami({"MENTAT_DR_PERSON": "ben", "SUDO_USER": "anna"}).person == "ben"
    assert whoami({"SUDO_USER": "an\x1bna"}).person != "an\x1bna"


def test_an_address_that_sudo_took_away_is_found_above() -> None:
    inner = "from engine.operations.audit_identity import whoami; print(whoami({}).origin)"
    outer = (
        "import subprocess, sys, os; env = {k: v for k, v in os.environ.items() "
        f"if k != 'SSH_CONNECTION'}}; sys.exit(subprocess.run([sys.executable, '-c', {inner!r}], "
        "env=env).returncode)"
    )
    done = subprocess.run(
        [sys.executable, "-c", outer],
        env={**os.environ, "SSH_CONNECTION": "192.0.2.4 1 192.0.2.1 22"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "192.0.2.4"
