"""The part of RECOVERY.md that replays shipped binary logs with bare tools."""

from __future__ import annotations

import shlex

from engine.core.binlog import binlog_prefix
from engine.core.snapshot import SnapshotId

_TEXT = """
To go on from there, to a later moment: the binary logs that were shipped since. A segment's name
tells the first moment in it, the log file, from and to which byte, the last moment, and the chain
it belongs to; a `whole` one is a complete log file, `tail` ones are parts of it in order. `STOP` is
the moment in UTC (`2026-11-22 01:52:07`; empty for all there is): the first event at or after it
is the first one left out. Where `SNAPSHOT` stands in no chain, its logs were not shipped.

The accounts are the snapshot's by now: `MYSQL` must log in with theirs.

`BINLOG` is the server's own program: `mysqlbinlog --skip-gtids` for MySQL, `mariadb-binlog` for
MariaDB. Look into `replay.sql` before you run it: to end before a certain statement, use
`--stop-position` with the last file instead.

```sh replay {block}
SNAPSHOT={folder}
LOGS={logs}
BINLOG="${{BINLOG:-mysqlbinlog --skip-gtids}}"
fetch "$SNAPSHOT/manifest.json" > manifest.json
FILE="$(sed -n 's/.*"file": *"\\([^"]*\\)".*/\\1/p' manifest.json | head -n 1)"
POSITION="$(sed -n 's/.*"position": *\\([0-9][0-9]*\\).*/\\1/p' manifest.json | head -n 1)"
: > keys
for server in $(names "$LOGS/" | sed 's/.* //; s|/$||' | grep -v '^break-'); do
  names "$LOGS/$server/" | sed "s|.* ||; s|^|$server/|" >> keys
done
CHAIN="$(sed -n "s|.*/anchor-\\([0-9a-f]*\\)-.*-${{SNAPSHOT##*/}}\\$|\\1|p" keys | head -n 1)"
test -n "$CHAIN"
: > parts
for how in whole tail; do
  for key in $(grep -e "-$CHAIN-$how.zst.gpg\\$" keys | sort); do
    file="$(echo "${{key##*/}}" | sed 's/^[^-]*-\\(.*\\)-[0-9]*-[0-9]*-[^-]*-[^-]*-[a-z.]*$/\\1/')"
    if [ "$how" = tail ] && grep -q -x -e "whole $file" parts; then continue; fi
    echo "$how $file" >> parts
    plain "$LOGS/$key" part
    if [ "$how" = whole ]; then mv part "$file"; else cat part >> "$file"; fi
  done
done
files="$(sed 's/^[a-z]* //' parts | sort -u | awk -v first="$FILE" '$0 >= first')"
TZ=UTC $BINLOG --start-position="$POSITION" ${{STOP:+"--stop-datetime=$STOP"}} $files > replay.sql
${{MYSQL:-mysql}} --binary-mode < replay.sql
```
"""


def section(snapshot: SnapshotId) -> str:
    """What follows the restore of a database's snapshot."""
    return _TEXT.format(
        block=f"{snapshot.host}/{snapshot.source}",
        folder=shlex.quote(snapshot.prefix.rstrip("/")),
        logs=shlex.quote(binlog_prefix(snapshot.host, snapshot.source).rstrip("/")),
    )
