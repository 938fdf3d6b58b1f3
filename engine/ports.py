"""What operations need from the world, as Protocols. Adapters implement them; tests may fake
them, and each fake passes the same contract suite as the real one (tests/contracts)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from engine.core.commands import Command, Ended
from engine.core.errors import DatabaseError
from engine.core.snapshot import DatabaseFacts, TableFacts

# ---------------------------------------------------------------- object store


@dataclass(frozen=True, slots=True)
class StoredObject:
    key: str
    size: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class PendingUpload:
    """A multipart upload that was begun and neither completed nor aborted."""

    key: str
    upload_id: str
    started: datetime


class Upload(Protocol):
    """One object being written in parts. Nothing is visible under its key until `complete`."""

    def put_part(self, number: int, body: bytes | memoryview, sha256: bytes) -> None:
        """Store part `number` (from 1). Thread-safe; retries transient failures itself; the
        store checks the digest where it can. Part order is by number, not by arrival."""

    def complete(self) -> None:
        """Make the object visible, all parts in order. ObjectExists when the key is taken."""

    def abort(self) -> None:
        """Drop everything written. Safe to call at any time, also twice."""


class ObjectStore(Protocol):
    """Bytes under keys (`a/b/c`). Errors are StoreError's. Thread-safe."""

    @property
    def name(self) -> str:
        """For people: `wasabi:mentat-backups/dr`."""

    @property
    def offsite(self) -> bool:
        """False for a directory on this machine."""

    def put(self, key: str, body: bytes, *, if_absent: bool = False) -> None:
        """Write a whole small object durably. With if_absent, ObjectExists if the key is taken."""

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The object's bytes, or a range of them. ObjectMissing when there is none;
        ObjectTruncated when fewer than `length` bytes stand at `start`."""

    def size(self, key: str) -> int:
        """Stored size in bytes. ObjectMissing when there is none."""

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """All objects whose key starts with prefix, in no promised order."""

    def begin_upload(self, key: str) -> Upload: ...

    def delete(self, key: str) -> None:
        """Remove the object; no error when there is none."""

    def pending_uploads(self, prefix: str = "") -> Sequence[PendingUpload]: ...

    def abort_upload(self, upload: PendingUpload) -> None: ...


# ---------------------------------------------------------------- cipher


@dataclass(frozen=True, slots=True)
class Key:
    """A key pair on this machine's keyring. expires is None for never."""

    fingerprint: str
    user_ids: tuple[str, ...]
    created: datetime | None
    expires: datetime | None
    can_encrypt: bool
    can_sign: bool
    has_secret: bool
    expired: bool = False
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class SignatureCheck:
    """`good` only for a valid signature by a key that this keyring holds."""

    good: bool
    fingerprint: str = ""
    signer: str = ""
    problem: str = ""


class Cipher(Protocol):
    """OpenPGP by gpg. Errors are CipherError's."""

    def recipients(self) -> tuple[str, ...]:
        """Fingerprints of the configured recipients, each able to encrypt now (KeyExpired,
        RecipientUnusable otherwise); empty when a passphrase is configured instead."""

    def encrypt_command(self) -> Command:
        """stdin plain, stdout OpenPGP, no compression, AES256."""

    def decrypt_command(self, passphrase: str | None = None) -> Command:
        """stdin OpenPGP, stdout plain. Its end is to be judged by `decrypt_error`."""

    def decrypt_error(self, ended_ok: bool, stderr: Sequence[str]) -> Exception | None:
        """None when gpg proved the stream (DECRYPTION_OKAY and exit 0), else what was wrong."""

    def sign(self, document: bytes) -> bytes:
        """Detached armoured signature by the host's signing key."""

    def verify(self, document: bytes, signature: bytes) -> SignatureCheck: ...

    def keys(self) -> Sequence[Key]: ...

    def check_secret(self, passphrase: str | None = None) -> Key | None:
        """Prove that data for our recipients can be decrypted here: encrypt and decrypt a probe.
        Returns the key that did it (None when symmetric). WrongPassphrase, SecretKeyMissing, ..."""

    def needs_passphrase(self) -> bool:
        """False when data for our recipients opens without being given one. SecretKeyMissing when
        no passphrase could open it here."""


# ---------------------------------------------------------------- containers

Liveness = Literal["running", "paused", "exited", "created", "restarting", "dead"]


@dataclass(frozen=True, slots=True)
class Mount:
    volume: str  # volume name; empty for a bind mount
    source: str
    destination: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Container:
    id: str
    name: str
    image: str
    image_id: str
    state: Liveness
    mounts: tuple[Mount, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    networks: Mapping[str, str] = field(default_factory=dict)  # network name -> address
    # The engine's full inspect. Its environment may hold passwords: out of repr.
    definition: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Volume:
    name: str
    mountpoint: Path
    driver: str
    labels: Mapping[str, str] = field(default_factory=dict)


class Containers(Protocol):
    """Docker. Errors are ContainersError's; DockerUnreachable when it does not answer in time.

    Objects made by this product carry the label `mentat-dr`; nothing without it is removed.
    """

    def ping(self) -> str:
        """The engine's version."""

    def container(self, name: str) -> Container:
        """SourceMissing when there is none."""

    def containers(self, *, all_states: bool = True) -> Sequence[Container]: ...

    def volume(self, name: str) -> Volume: ...

    def using(self, volume: str) -> Sequence[Container]:
        """Containers that mount it, whatever their state."""

    def create_volume(self, name: str, labels: Mapping[str, str]) -> Volume: ...

    def remove_volume(self, name: str) -> None:
        """Refused (ContainersError) without our label."""

    def pause(self, name: str) -> None: ...

    def unpause(self, name: str) -> None: ...

    def stop(self, name: str, timeout: int = 60) -> None: ...

    def start(self, name: str) -> None: ...

    def create_like(
        self,
        model: Container | None,
        *,
        image: str,
        name: str,
        mounts: Mapping[str, str],
        labels: Mapping[str, str],
        environment: Mapping[str, str] | None = None,
        network: str | None = "none",
        command: Sequence[str] | None = None,
        memory_limit: str | None = None,
    ) -> Container:
        """Create, not start, a labelled container of `image`; where a model is given its
        environment, command, user and options are taken over, never its ports. mounts maps
        volume name to path. SourceMissing when the image is not here."""

    def remove_container(self, name: str) -> None:
        """Kill and remove. Refused (ContainersError) without our label."""

    def logs(self, name: str, lines: int = 50) -> Sequence[str]: ...

    def exec_command(
        self, container: str, argv: Sequence[str], *, label: str = "", marker: str = ""
    ) -> Command:
        """A Command that runs argv inside, with stdin and stdout joined and the exit code kept.
        `marker` marks the inner process so that `kill_marked` finds it."""

    def kill_marked(self, marker: str) -> int:
        """Kill processes inside containers that carry the marker; how many there were."""


# ---------------------------------------------------------------- databases


class Dump(Protocol):
    """A consistent dump under way. Used as: open, run `command` in a pipe, `begun()` from
    another thread, then `tables()`, and `check()` after the pipe has ended."""

    @property
    def command(self) -> Command:
        """Writes the SQL to stdout."""

    @property
    def users_sql(self) -> bytes:
        """CREATE USER and GRANT statements for all but the system's accounts and roles."""

    def begun(self, timeout: float) -> None:
        """Wait until the dump reads from the same moment as `facts`, then let writers go on."""

    def facts(self) -> DatabaseFacts:
        """Position, schemas, object counts, row counts and checksums of that same moment. Runs
        beside the dump; may take as long."""

    def completion_marker(self) -> bytes:
        """What the last bytes of the stream must contain."""

    def check(self) -> Sequence[str]:
        """After the dump: raises DatabaseError for DDL during it; returns warnings."""

    def explain(self, stderr: Sequence[str]) -> DatabaseError:
        """What the last words of a dump that failed mean."""


class Database(Protocol):
    """One MySQL or MariaDB server, reached through its own client program. Errors are
    DatabaseError's. Credentials travel by pipes only."""

    def identify(self) -> DatabaseFacts:
        """Flavor and version by asking the server; no tables."""

    def wait_ready(self, timeout: float) -> None: ...

    def size(self) -> int:
        """Bytes of data, about those of a dump, for ETAs."""

    def dump(self, schemas: Sequence[str] | None = None) -> AbstractContextManager[Dump]: ...

    def load_command(self) -> Command:
        """Reads SQL from stdin into the server; fails at the first error. Building it stops the
        server's events until finish_load."""

    def load_users(self, users_sql: bytes) -> Sequence[str]:
        """Create users and grants; warnings for those that cannot be had here. The account we
        are logged in with is altered by finish_load."""

    def finish_load(self, facts: DatabaseFacts) -> Sequence[str]:
        """The last act of a load, after any comparison: GTID state, statistics, events run
        again, our own account as in the snapshot (this Database may not log in after it).
        Returns warnings."""

    def explain(self, stderr: Sequence[str]) -> DatabaseError:
        """What the last words of a load that failed mean."""

    def tables(self, like: DatabaseFacts) -> Sequence[TableFacts]:
        """Row counts and checksums now, of the tables that `like` names, with its method. A
        table that is missing has -1 rows."""

    def objects(self, schemas: Sequence[str]) -> Mapping[str, int]:
        """Counts of views, triggers, routines, events, users."""


# ---------------------------------------------------------------- trees


class MemberCounter(Protocol):
    """Counts the members that tar really packs; `members` is true once `counting` has ended."""

    members: int

    @property
    def listing(self) -> str:
        """What to give pack_command."""


class TreeSurvey(Protocol):
    """A walk over a tree: members and bytes as tar would write them, and what it leaves out."""

    @property
    def members(self) -> int: ...

    @property
    def bytes(self) -> int: ...

    @property
    def warnings(self) -> Sequence[str]: ...


class Trees(Protocol):
    """Files: volumes and configuration paths, by GNU tar. Errors are TreeError's."""

    def pack_command(
        self, root: Path, paths: Sequence[str], exclude: Sequence[str], listing_fd: str = ""
    ) -> Command:
        """Writes a tar of `paths` (relative to root) to stdout: numeric owners, ACLs, xattrs,
        hardlinks, sparse; exit 1 (changed as read) is a warning."""

    def counting(self, root: Path, paths: Sequence[str]) -> AbstractContextManager[MemberCounter]:
        """Count what a pack writes; the block must not end before tar has."""

    def unpack_command(self, root: Path) -> Command:
        """Reads a tar from stdin into root, everything as it was; fails on any member."""

    def pack_warnings(self, stderr: Sequence[str]) -> Sequence[str]:
        """Files that vanished or changed while read, as sentences for the manifest."""

    def unpack_warnings(self, stderr: Sequence[str]) -> Sequence[str]:
        """Attributes that could not be set, as sentences."""

    def survey(self, root: Path, paths: Sequence[str], exclude: Sequence[str]) -> TreeSurvey:
        """Walk the tree, quickly: for ETAs and for what a pack leaves out."""

    def count(self, root: Path, paths: Sequence[str]) -> int:
        """Members on disk now, counted as tar counts them (sockets left out)."""

    def exchange(self, new: Path, live: Path) -> None:
        """Swap two paths of one file system atomically (renameat2 RENAME_EXCHANGE)."""

    def free_bytes(self, path: Path) -> int: ...

    def sync(self, path: Path) -> None:
        """Make what was written below path durable."""


# ---------------------------------------------------------------- processes


class StreamTap(Protocol):
    """Counts and hashes what passes it in a pipeline; `count` may be read at any time."""

    count: int
    tail: bytes  # the last 4 KiB
    error: OSError | None

    @property
    def sha256(self) -> str: ...


class RunningPipeline(Protocol):
    """Stages joined by OS pipes, running. Owned as a context manager: killed unless waited for."""

    output: int  # file descriptor to read from, where collect was asked for

    def write(self, chunk: bytes | memoryview) -> bool:
        """Feed the first stage; False when it has stopped reading."""

    def close_input(self) -> None: ...

    def wait(self) -> list[Ended]: ...

    def interrupt(self) -> None:
        """End the children from any thread; whoever reads or writes sees the pipes close."""

    def kill(self) -> None: ...

    @property
    def failed(self) -> Ended | None:
        """After `wait`: the stage that failed by itself."""

    def __enter__(self) -> RunningPipeline: ...

    def __exit__(self, *exc: object) -> None: ...


class Processes(Protocol):
    """How operations start children; adapters.command and adapters.pipeline stand behind it."""

    def run(
        self,
        command: Command,
        *,
        stdin: bytes = b"",
        timeout: float | None = None,
        check: bool = True,
    ) -> Ended: ...

    def tap(self) -> StreamTap: ...

    def pipeline(
        self,
        stages: Sequence[Command | StreamTap],
        *,
        feed: bool = False,
        collect: bool = False,
        on_line: Callable[[str], None] | None = None,
    ) -> RunningPipeline: ...

    def failure(self, ended: Ended) -> Exception:
        """The error for a command that ended badly."""


# ---------------------------------------------------------------- telling


class Metrics(Protocol):
    def publish(self, values: Mapping[str, float], labels: Mapping[str, str]) -> None: ...


class Notifier(Protocol):
    def notify(self, title: str, body: str, level: str) -> None: ...


Clock = Callable[[], datetime]
