"""RECOVERY.md: how to restore with gpg, zstd, tar, a database client and an S3 client alone.

Its `sh` blocks are run as they stand by a test; what must be filled in are the environment
variables of the first block.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime

from engine.core.chains import Links
from engine.core.kit import KitId, steps
from engine.core.retention import CLOCKS
from engine.core.snapshot import SnapshotEntry, format_utc
from engine.operations import recovery_binlogs
from engine.settings import Settings, StoreSettings

# What a bare machine needs beside the kit.
PACKAGES = ("python3", "gnupg", "zstd", "tar", "awscli", "openssl", "docker.io")
STATE = "/var/lib/mentat-dr"


def render(
    settings: Settings,
    rows: Sequence[SnapshotEntry],
    now: datetime,
    kits: Sequence[KitId] = (),
) -> str:
    """The text, naming the newest kit of every host and the newest snapshot of every source."""
    newest: dict[tuple[str, str, bool], SnapshotEntry] = {}
    links = Links(rows)
    past = [row for row in rows if row.id.at <= now + CLOCKS]
    whole = [row for row in past if links.whole(row.id)]
    for row in [*whole, *past, *rows]:  # what is less to be trusted where there is no other
        if row.committed and not row.aside:
            physical = row.id.method == "physical"
            newest.setdefault((row.id.host, row.id.source, physical), row)
    parts = [_introduction(settings, now), _set_up(settings.repository), _decryption(settings)]
    parts.append(_GENERAL)
    parts += [_rebuild(settings.repository, kit) for kit in kits]
    for row in newest.values():
        chain = links.chain(row.id) or (row,)
        parts.append(_section(row, _kind_of(settings, row), chain))
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


_PHYSICAL = """
The server's own files, faster than loading SQL, but only for a server of the very version that
`version` below `database` in the manifest names. Set `TARGET` to an empty directory with room for
twice its size. This needs no database program:

```sh restore {block} physical
SNAPSHOT={folder}
mkdir -p "$TARGET"
names "$SNAPSHOT/" > files.txt
if grep -q base.xbstream.zst.gpg files.txt; then
  plain "$SNAPSHOT/base.xbstream.zst.gpg" "$TARGET/base.xbstream"
else
  plain "$SNAPSHOT/base.tar.zst.gpg" "$TARGET/base.tar"
fi
```

This makes a data directory of it. Run it as root where the server's own programs are, best in a
container of the same image, without a network and with an empty volume mounted where the server
keeps its data (set `DATA` to that place, usually `/var/lib/mysql`):

```sh prepare {block} physical
set -eu
DATA="${{DATA:-/var/lib/mysql}}"
if [ -e "$TARGET/base.tar" ]; then
  tar --extract --file "$TARGET/base.tar" --directory "$DATA"
elif command -v mbstream > /dev/null; then
  mbstream -x -C "$DATA" < "$TARGET/base.xbstream"
  mariadb-backup --prepare --target-dir="$DATA"
else
  xbstream -x -C "$DATA" < "$TARGET/base.xbstream"
  xtrabackup --prepare --target-dir="$DATA"
fi
chown -R mysql:mysql "$DATA"
```

Then start the server on it. Its accounts and passwords are those of the snapshot.
"""


def _rebuild(store: StoreSettings, kit: KitId) -> str:
    """A bare machine becomes the host again."""
    credentials: tuple[str, ...] = ()
    if store.provider == "directory":
        fetch = f'cat "${{STORE:-{store.path}}}/$1"'
    else:
        prefix = f"{store.bucket}/{store.prefix}".strip("/")
        endpoint = f" --endpoint-url {shlex.quote(store.endpoint)}" if store.endpoint else ""
        region = f" --region {shlex.quote(store.region)}" if store.region else ""
        fetch = f'aws{endpoint}{region} s3 cp "s3://{prefix}/$1" -'
        credentials = ("AWS_ACCESS_KEY_ID=...", "AWS_SECRET_ACCESS_KEY=...")
    return f"""## The whole host {kit.host} with mentat-dr, from a bare machine

As root on a fresh Debian or Ubuntu. Copy the keys from your safe place beside you first: the
private key and the host's public signing key, as `*.asc` files (or set `KEYS` to their folder).
The signature proves that the kit is the host's own.

{steps(kit, fetch, PACKAGES, STATE, credentials)}
"""


def _section(row: SnapshotEntry, kind: str, chain: Sequence[SnapshotEntry]) -> str:
    folder = shlex.quote(row.id.prefix.rstrip("/"))
    title = f"## {row.id.host} / {row.id.source}: {row.id.ref}\n"
    block = f"{row.id.host}/{row.id.source}"
    if row.id.method == "physical":
        return (
            f"{title}{_PHYSICAL.format(block=block, folder=folder)}"
            f"{recovery_binlogs.section(row.id)}"
        )
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
{recovery_binlogs.section(row.id)}"""
    return _tree_section(row, kind, chain, title)


def _tree_section(row: SnapshotEntry, kind: str, chain: Sequence[SnapshotEntry], title: str) -> str:
    block = f"{row.id.host}/{row.id.source}"
    note = (
        "The paths are relative to `/`: extract beside it, look, then copy what you need."
        if kind == "config"
        else "Extract into the mount point of an empty volume, with its containers stopped."
    )
    if row.id.method == "incremental":
        note += (
            " This snapshot builds on others: all of them, in this order, into the same directory. "
            "Each also removes and renames what was removed and renamed until then."
        )
    folders = " ".join(shlex.quote(link.id.prefix.rstrip("/")) for link in chain)
    strip = ""
    if len(chain) > 1:  # tar leaves on a directory what an archive does not name
        strip = (
            "  if command -v setfacl >/dev/null; then\n"
            '    find "$TARGET" -type d -exec setfacl -b {} +\n'
            "  fi\n"
        )
    option = " --listed-incremental=/dev/null" if len(chain) > 1 else ""
    return f"""{title}
{note} Set `TARGET` to an empty directory; run as root to keep owners.

```sh restore {block}
mkdir -p "$TARGET"
for SNAPSHOT in {folders}; do
  plain "$SNAPSHOT/files.tar.zst.gpg" archive.tar
{strip}  tar --extract --file archive.tar --directory "$TARGET"{option} --numeric-owner \\
    --same-owner --same-permissions --acls --xattrs --xattrs-include='*'
done
```
"""
