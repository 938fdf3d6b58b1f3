"""Pipelines of real children: exit codes, taps, preambles, secrets."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from engine.adapters import command as commands
from engine.adapters.pipeline import Pipeline, Tap
from engine.core.commands import Command
from engine.core.errors import CommandFailed


def sh(script: str, **more: object) -> Command:
    return Command(("sh", "-c", script), **more)  # type: ignore[arg-type]


def drain(fd: int) -> bytes:
    pieces = []
    while piece := os.read(fd, 1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


def test_a_tap_counts_and_hashes_what_passes_unchanged() -> None:
    tap = Tap()
    with Pipeline([sh("seq 1 400000"), tap, sh("cat")], collect=True) as pipeline:
        output = drain(pipeline.output)
        ended = pipeline.wait()
    assert [e.exit_status for e in ended] == [0, 0] and pipeline.failed is None
    assert tap.count == len(output)
    assert tap.sha256 == hashlib.sha256(output).hexdigest()
    assert output.endswith(tap.tail) and tap.tail.endswith(b"400000\n")


def test_a_failing_first_stage_is_seen_though_the_last_ended_well() -> None:
    with Pipeline([sh("echo data; exit 3"), sh("cat")], collect=True) as pipeline:
        assert drain(pipeline.output) == b"data\n"
        pipeline.wait()
    assert pipeline.failed is not None and pipeline.failed.exit_status == 3


def test_the_stage_that_failed_by_itself_is_named_not_the_broken_pipe() -> None:
    tap = Tap()
    stages = [sh("cat /dev/zero"), tap, sh("head -c 100 >/dev/null; echo full >&2; exit 7")]
    with Pipeline(stages) as pipeline:
        pipeline.wait()
    assert pipeline.failed is not None and pipeline.failed.exit_status == 7
    assert pipeline.failed.stderr == ("full",)


def test_a_preamble_comes_before_the_stream() -> None:
    reader = sh("read -r first; echo $first; cat", preamble=b"credentials\n")
    with Pipeline([sh("echo stream"), reader], collect=True) as pipeline:
        assert drain(pipeline.output) == b"credentials\nstream\n"
        pipeline.wait()


def test_a_killed_pipeline_leaves_no_child() -> None:
    with Pipeline([sh("cat /dev/zero"), sh("cat")], collect=True) as pipeline:
        pids = [child.pid for child in pipeline.children]
        os.read(pipeline.output, 10)
    for pid in pids:
        assert not Path(f"/proc/{pid}").exists()


def test_secrets_reach_the_child_and_nothing_else() -> None:
    command = Command(
        ("sh", "-c", "cat /dev/fd/$1; cat /proc/$$/cmdline /proc/$$/environ", "x", "{fd:word}"),
        secrets={"word": b"hunter2"},
    )
    ended = commands.run(command)
    assert ended.stdout.startswith(b"hunter2")
    assert ended.stdout.count(b"hunter2") == 1
    assert "hunter2" not in repr(command)


def test_run_feeds_more_than_a_pipe_holds() -> None:
    content = os.urandom(3_000_000)
    assert commands.run(Command(("cat",)), stdin=content).stdout == content


def test_errors_name_the_program_and_its_last_words() -> None:
    with pytest.raises(CommandFailed, match="exit code 4: the reason") as caught:
        commands.run(sh("echo the reason >&2; exit 4", label="tool"))
    assert caught.value.exit_status == 4
    with pytest.raises(CommandFailed, match="not installed"):
        commands.run(Command(("no-such-program-here",)))
    with pytest.raises(CommandFailed):
        commands.run(sh("sleep 30"), timeout=0.2)
    assert commands.run(Command(("sh", "-c", "exit 1"), warn_exits=frozenset({1}))).warned


def test_children_get_a_minimal_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "do-not-pass-on")
    assert b"do-not-pass-on" not in commands.run(Command(("env",))).stdout
