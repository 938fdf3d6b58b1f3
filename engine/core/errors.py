"""The error tree: every failure an operator can meet, with its exit code and its way on.

MentatError                     1  failed
├── UsageError                  2  the command line or a request makes no sense
├── ConfigurationError          3
├── StoreError                  4  the object store
│   ├── StoreUnreachable           no answer, no route, no name
│   ├── StoreDenied                credentials or permissions
│   ├── BucketMissing
│   ├── ObjectMissing              a key that is not there
│   └── ObjectExists               a conditional write lost
├── CipherError                 5  keys and decryption
│   ├── SecretKeyMissing           the data is for a key that is not here
│   ├── WrongPassphrase
│   ├── KeyExpired
│   └── RecipientUnusable
├── HeldError                   6  another job holds the lease
├── DamageError                 7  stored bytes are not what was written
│   ├── ObjectTruncated
│   ├── ObjectDamaged
│   ├── ArtifactMissing            the manifest names an object that is gone
│   ├── ManifestAltered            signature missing, wrong or not ours
│   └── RestoreDiffers             restored data does not match the manifest
├── SourceError                 1  what is backed up or restored to
│   ├── DatabaseError
│   ├── ContainersError
│   │   └── DockerUnreachable
│   ├── TreeError
│   ├── NoSpace
│   └── SourceMissing
├── CommandFailed               1  a child process ended badly
├── Interrupted                 1  a job died without an end
└── Cancelled                 130

Adapters translate vendor exceptions into these at the edge; nothing else leaves them.
"""

from __future__ import annotations

from typing import ClassVar


class MentatError(Exception):
    """A failure with one line saying what is wrong and one saying what to do.

    `code` is the stable machine name (kebab case) used in journals and --json output.
    """

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "failed"

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(MentatError):
    exit_code = 2
    code = "usage"


class ConfigurationError(MentatError):
    exit_code = 3
    code = "configuration"


class StoreError(MentatError):
    exit_code = 4
    code = "store"


class StoreUnreachable(StoreError):
    code = "store-unreachable"


class StoreDenied(StoreError):
    code = "store-denied"


class BucketMissing(StoreError):
    code = "bucket-missing"


class ObjectMissing(StoreError):
    code = "object-missing"


class ObjectExists(StoreError):
    code = "object-exists"


class CipherError(MentatError):
    exit_code = 5
    code = "cipher"


class SecretKeyMissing(CipherError):
    code = "secret-key-missing"


class WrongPassphrase(CipherError):
    code = "wrong-passphrase"


class KeyExpired(CipherError):
    code = "key-expired"


class RecipientUnusable(CipherError):
    code = "recipient-unusable"


class HeldError(MentatError):
    exit_code = 6
    code = "held"


class DamageError(MentatError):
    exit_code = 7
    code = "damage"


class ObjectTruncated(DamageError):
    code = "object-truncated"


class ObjectDamaged(DamageError):
    code = "object-damaged"


class ArtifactMissing(DamageError):
    code = "artifact-missing"


class ManifestAltered(DamageError):
    code = "manifest-altered"


class RestoreDiffers(DamageError):
    code = "restore-differs"


class SourceError(MentatError):
    code = "source"


class DatabaseError(SourceError):
    code = "database"


class ContainersError(SourceError):
    code = "containers"


class DockerUnreachable(ContainersError):
    code = "docker-unreachable"


class TreeError(SourceError):
    code = "tree"


class NoSpace(SourceError):
    code = "no-space"


class SourceMissing(SourceError):
    code = "source-missing"


class CommandFailed(MentatError):
    """A child process ended badly. `stderr_tail` holds its last lines, already without secrets."""

    code = "command-failed"

    def __init__(
        self,
        message: str,
        remedy: str = "",
        *,
        argv: tuple[str, ...] = (),
        exit_status: int | None = None,
        stderr_tail: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, remedy)
        self.argv = argv
        self.exit_status = exit_status
        self.stderr_tail = stderr_tail


class Interrupted(MentatError):
    code = "interrupted"


class Cancelled(MentatError):
    exit_code = 130
    code = "cancelled"


DONE = 0
DONE_WITH_WARNINGS = 8
