"""mariadb-backup, and Percona XtraBackup for MySQL: the files, streamed as xbstream while the
server goes on writing; what it wrote meanwhile is in the stream too, and applied when the snapshot
is prepared."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

from engine.adapters.database.failures import from_output
from engine.adapters.database.layout import Layout
from engine.adapters.database.physical_reach import Reach
from engine.core.commands import Command
from engine.core.errors import DatabaseError
from engine.core.physical import XBSTREAM, mismatch
from engine.core.snapshot import BinlogPosition, DatabaseFacts

_POSITION = re.compile(
    r"binlog position: filename '([^']*)', position '?(\d+)'?"
    r"(?:, GTID of the last change '([^']*)')?"
)
_DONE = "completed OK!"
_ERROR = re.compile(r"(?:\[ERROR\]|\bError:|\[00\] FATAL ERROR:|Failed to connect)(.*)", re.I)


class StreamedCopy:
    """See engine.ports.PhysicalCopy."""

    artifact = XBSTREAM
    note = ""  # its folder of temporary files is in memory, and empty

    def __init__(self, reach: Reach, facts: DatabaseFacts, program: str, version: str) -> None:
        wrong = mismatch(version, facts.version)
        if wrong:
            raise DatabaseError(
                f"{reach.name}: {program} is not of the server's version: {version}",
                f"Install the {program} that belongs to {facts.version}, or use "
                "`--method logical`.",
            )
        self._reach = reach
        self._base = facts
        self._program = program
        self.tool = f"{program} {version}".strip()
        self._before: tuple[tuple[str, ...], Layout] = ((), Layout())
        self._warnings: list[str] = []

    def make(self) -> None:
        """Nothing but a look: the stream needs no preparation."""
        self._before = self._reach.layout()

    @property
    def command(self) -> Command:
        options = [
            "--backup",
            "--stream=xbstream",
            f"--datadir={self._base.data_directory}",
            # Where it keeps what it cannot stream at once; nothing of the data's size.
            f"--target-dir=/tmp/mentat-dr-{secrets.token_hex(4)}",
        ]
        return self._reach.launcher.rereading("copy", self._program, options)

    @property
    def warnings(self) -> Sequence[str]:
        return self._warnings

    def facts(self, stderr: Sequence[str]) -> DatabaseFacts:
        if not any(_DONE in line for line in stderr[-5:]):
            raise DatabaseError(
                f"{self._program} ended without saying that it is complete",
                "See its last lines in the journal, then run the backup again.",
            )
        position = position_in(stderr)
        if position is None:
            self._warnings.append("the binlog position is unknown: the server keeps no binlog")
        return self._reach.facts(self._base, self._before, position, self._warnings)

    def explain(self, stderr: Sequence[str]) -> DatabaseError:
        said = [found[1].strip() for line in stderr if (found := _ERROR.search(line))]
        if said and said[-1]:
            return from_output([said[-1]], f"{self._reach.name}: {self._program}")
        return from_output(stderr, f"{self._reach.name}: {self._program}")

    def close(self) -> None:
        """Nothing is left in the server."""


def position_in(lines: Sequence[str]) -> BinlogPosition | None:
    """The position that the program says the copy stands at."""
    for line in reversed(lines):
        found = _POSITION.search(line)
        if found:
            return BinlogPosition(found[1], int(found[2]), "".join((found[3] or "").split()))
    return None
