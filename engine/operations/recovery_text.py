"""RECOVERY.md: how to restore with gpg, zstd, tar, a database client and an S3 client alone.

Its `sh` blocks are run as they stand by a test; what must be filled in are the environment
variables of the first block.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime

from engine.core.snapshot import SnapshotEntry, format_utc
from engine.settings import Settings, StoreSettings


def render(settings: Settings, rows: Sequence[SnapshotEntry], now: datetime) -> str:
    """The text, naming the newest snapshot of every source of every host."""
    newest: dict[tuple[str, str], SnapshotEntry] = {}
    for row in rows:
        if row.committed and not row.aside:
            newest.setdefault((row.id.host, row.id.source), row)
    parts = [_introduction(settings, now), _set_up(settings.repository), _decryption(settings)]
    parts.append(_GENERAL)
    for row in newest.values():
        parts.append(_section(row, _kind_of(settings, row)))
    return "\n".join(parts)


def _kind_of(settings: Settings, row: SnapshotEntry) -> str:
    if row.id.method in ("logical", "physical"):
        return "database"
    for source in settings.sources:
        if source.name == row.id.source and row.id.host == settings.host:
            return source.kind
    return "tree"


def _introduction(settings: Settings, now: datetime) -> str:
    return f"""# How to restore without mentat-dr

Written {format_utc(now)} by host {settings.host}. Everything below needs only `gpg`, `zstd`, GNU
`tar`, a shell and, for databases, their own client. On Debian or Ubuntu:

    apt-get install gnupg zstd tar awscli default-mysql-client

Each snapshot is a folder `v1/<host>/<source>/<UTC>-<method>-<id>/`. It counts only if it has a
`manifest.json`; that file names the artifacts and their SHA-256.
"""


def _set_up(store: StoreSettings) -> str:
    if store.provider == "directory":
        return f"""## 1. Where the bytes are

A directory on host storage:

```sh setup
export STORE="${{STORE:-{store.path}}}"
fetch() {{ cat "$STORE/$1"; }}
names() {{ ls "$STORE/$1"; }}
```
"""
    prefix = f"{store.bucket}/{store.prefix}".strip("/")
    endpoint = f" --endpoint-url {shlex.quote(store.endpoint)}" if store.endpoint else ""
    region = f"export AWS_DEFAULT_REGION={shlex.quote(store.region or 'us-east-1')}\n"
    return f"""## 1. Where the bytes are

Bucket `{store.bucket}` at provider `{store.provider}`. Set `AWS_ACCESS_KEY_ID` and
`AWS_SECRET_ACCESS_KEY` first.

```sh setup
{region}fetch() {{ aws{endpoint} s3 cp {shlex.quote(f"s3://{prefix}")}/"$1" -; }}
names() {{ aws{endpoint} s3 ls {shlex.quote(f"s3://{prefix}")}/"$1"; }}
```
"""


def _decryption(settings: Settings) -> str:
    encryption = settings.encryption
    if encryption.passphrase is not None:
        how = "The snapshots are encrypted with a passphrase; gpg asks for it."
    else:
        names = ", ".join(f"`{r}`" for r in encryption.recipients)
        how = (
            f"The snapshots are encrypted to {names}. Import that private key first: "
            "`gpg --import backup-private-key.asc`."
        )
    return f"""## 2. The key

{how} Without a terminal, put the passphrase into a file of mode 0600 and set `PASSPHRASE_FILE`.

```sh setup
set -eu
decrypt() {{
  if [ -n "${{PASSPHRASE_FILE:-}}" ]; then
    gpg --batch --quiet --pinentry-mode loopback --passphrase-file "$PASSPHRASE_FILE" --decrypt
  else
    gpg --quiet --decrypt
  fi
}}
# A stage that fails must fail the whole: plain sh has no pipefail, so each stream goes to a file
# of its own first. Take a disk with room for it.
plain() {{ fetch "$1" > "$2.gpg" && decrypt < "$2.gpg" > "$2.zst" && rm "$2.gpg" \\
  && zstd -d -q -f --rm "$2.zst" -o "$2"; }}
```
"""


_GENERAL = """## 3. Find a snapshot

```sh
names v1/
```

Below stands the newest snapshot of each source when this was written. Another one is restored by
the same commands with its folder's name. To check an artifact, compare its `sha256sum` before
decryption with `stored_sha256` in the manifest.
"""


def _section(row: SnapshotEntry, kind: str) -> str:
    folder = shlex.quote(row.id.prefix.rstrip("/"))
    title = f"## {row.id.host} / {row.id.source}: {row.id.ref}\n"
    block = f"{row.id.host}/{row.id.source}"
    if kind == "database":
        return f"""{title}
Start an empty server of the version that `server_version` in the manifest names, and set `MYSQL`
to the command of its client, for example `MYSQL="mysql -uroot -p"`.

```sh restore {block}
SNAPSHOT={folder}
plain "$SNAPSHOT/dump.sql.zst.gpg" dump.sql
tail -c 200 dump.sql | grep "Dump completed"
${{MYSQL:-mysql}} --binary-mode < dump.sql
plain "$SNAPSHOT/users.sql.zst.gpg" users.sql
${{MYSQL:-mysql}} --force < users.sql
```
"""
    note = (
        "The paths are relative to `/`: extract beside it, look, then copy what you need."
        if kind == "config"
        else "Extract into the mount point of an empty volume, with its containers stopped."
    )
    return f"""{title}
{note} Set `TARGET` to an empty directory; run as root to keep owners.

```sh restore {block}
SNAPSHOT={folder}
mkdir -p "$TARGET"
plain "$SNAPSHOT/files.tar.zst.gpg" archive.tar
tar --extract --file archive.tar --directory "$TARGET" --numeric-owner --same-owner \\
  --same-permissions --acls --xattrs --xattrs-include='*'
```
"""
