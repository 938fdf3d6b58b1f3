"""Short commands of the lab: run to their end, with a bound, and a message when they fail."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.lab.errors import CommandFailed, MissingParts


def run(
    argv: Sequence[str],
    *,
    stdin: bytes | str = b"",
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
    seconds: float = 120.0,
) -> str:
    """Run ``argv`` and return its standard output; ``environment`` is added to our own.

    With ``log``, all output goes there and the return value is empty.
    Raises ``CommandFailed`` on a non-zero exit or when ``seconds`` are over.
    """
    full = {**os.environ, **(environment or {})}
    text = stdin.encode() if isinstance(stdin, str) else stdin
    try:
        if log is None:
            done = subprocess.run(
                argv, input=text, env=full, capture_output=True, timeout=seconds, check=False
            )
            output, said = done.stdout.decode(errors="replace"), done.stderr
        else:
            done, said = _run_logged(argv, text, full, log, seconds)
            output = ""
    except FileNotFoundError:
        raise MissingParts(f"the program {argv[0]!r} is not installed") from None
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"{_shown(argv)} took more than {seconds:.0f} s") from None
    if done.returncode != 0:
        detail = (said.decode(errors="replace").strip() or output.strip())[-2000:]
        raise CommandFailed(f"{_shown(argv)} exited {done.returncode}: {detail}")
    return output


def _run_logged(
    argv: Sequence[str], text: bytes, full: Mapping[str, str], log: Path, seconds: float
) -> tuple[subprocess.CompletedProcess[bytes], bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        done = subprocess.run(
            argv, input=text, env=full, stdout=sink, stderr=sink, timeout=seconds, check=False
        )
    return done, log.read_bytes()[-2000:]


def _shown(argv: Sequence[str]) -> str:
    return " ".join(argv)[:300]
