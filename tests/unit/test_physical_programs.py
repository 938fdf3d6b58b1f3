"""Programs that read their option file twice get it twice, and nobody else sees it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine.adapters.command import run
from engine.adapters.database.programs import Launcher, Login
from engine.core.commands import Command

PASSWORD = 'se#c\'r\\et "x"'
# What mariadb-backup does: the server's groups first, then the client's.
TWICE = """#!/bin/sh
for option in "$@"; do
  case "$option" in --defaults-extra-file=*) file=${option#*=};; esac
done
cat "$file" "$file"
echo "$@" >&2
ls -l "$file" >&2
"""


@pytest.fixture
def program(tmp_path: Path) -> str:
    file = tmp_path / "twice"
    file.write_text(TWICE)
    file.chmod(0o755)
    return str(file)


@pytest.mark.parametrize("where", ["host", "container"])
def test_the_option_file_is_read_twice(program: str, where: str) -> None:
    login = Login("root", PASSWORD, socket="/run/x.sock")

    def run_in(argv: object, label: str, _marker: str) -> Command:
        return Command(tuple(argv), label=label)  # type: ignore[arg-type]

    launcher = Launcher(run_in if where == "container" else None, login)
    ended = run(launcher.rereading("copy", program, ["--backup"]), timeout=30)
    assert ended.stdout.decode() == login.option_file() * 2
    said = "\n".join(ended.stderr)
    assert "--backup" in said and "(deleted)" in said, "the file has no name any more"
    assert "se#c" not in said and "se#c" not in " ".join(ended.command.argv)
    assert "se#c" not in repr(ended.command), sys.version
