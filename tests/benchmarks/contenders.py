"""Who is compared: each backs the tree up to a fresh place in the store and restores it again.

A contender is a shell script for each direction, run with the surroundings' variables set:
TREE and TARGET (directories), BUCKET (new and empty), WORK (an empty directory), GNUPGHOME with
the one KEY, and the AWS_* variables. Register another one in CONTENDERS to compare it too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.arena import Measured, measure
from tests.lab import ObjectStoreServer

REPOSITORY = Path(__file__).resolve().parents[2]
BINARIES = REPOSITORY / ".venv" / "bin"
_SHELL = ("bash", "-euo", "pipefail", "-c")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where one turn of one contender takes place; made new for each turn."""

    tree: Path
    work: Path
    target: Path
    bucket: str
    store: ObjectStoreServer
    gnupg_home: Path
    key: str
    restic: str = "restic"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{BINARIES}:{_SYSTEM_PATH}",
            "HOME": str(self.work),
            "LC_ALL": "C.UTF-8",
            "GNUPGHOME": str(self.gnupg_home),
            "AWS_EC2_METADATA_DISABLED": "true",
            **self.store.environment(),
            "TREE": str(self.tree),
            "WORK": str(self.work),
            "TARGET": str(self.target),
            "BUCKET": self.bucket,
            "KEY": self.key,
            "RESTIC": self.restic,
            "RESTIC_PASSWORD": "benchmark",
            "RESTIC_REPOSITORY": f"s3:{self.store.endpoint}/{self.bucket}",
            "RESTIC_CACHE_DIR": str(self.work / "restic-cache"),
            "MENTAT_DR_CONFIG": str(self.work / "config.toml"),
            "MENTAT_DR_STATE": str(self.work / "state"),
        }


@dataclass(frozen=True)
class Contender:
    """One way to back up and restore. `prepare` is not measured."""

    name: str
    title: str
    backup: str
    restore: str
    prepare: Callable[[Surroundings], None] = field(default=lambda _around: None)

    def measure_backup(self, around: Surroundings) -> Measured:
        return measure([*_SHELL, self.backup], around.environment, around.work)

    def measure_restore(self, around: Surroundings) -> Measured:
        return measure([*_SHELL, self.restore], around.environment, around.work)


# What the product replaces: every step reads a file and writes the next.
SHELL = Contender(
    "shell",
    "tar, gzip, gpg, sha256sum, aws s3 cp; a file each",
    backup="""
        tar -C "$TREE" -cf backup.tar .
        gzip backup.tar
        gpg --batch --quiet --trust-model always --cipher-algo AES256 \
            --recipient "$KEY" --encrypt --output backup.tar.gz.gpg backup.tar.gz
        sha256sum backup.tar.gz.gpg > backup.tar.gz.gpg.sha256
        aws s3 cp --only-show-errors backup.tar.gz.gpg "s3://$BUCKET/"
        aws s3 cp --only-show-errors backup.tar.gz.gpg.sha256 "s3://$BUCKET/"
        rm backup.*
    """,
    restore="""
        aws s3 cp --only-show-errors "s3://$BUCKET/backup.tar.gz.gpg.sha256" .
        aws s3 cp --only-show-errors "s3://$BUCKET/backup.tar.gz.gpg" .
        sha256sum --quiet --check backup.tar.gz.gpg.sha256
        gpg --batch --quiet --decrypt --output backup.tar.gz backup.tar.gz.gpg
        gzip -d backup.tar.gz
        mkdir "$TARGET"
        tar -C "$TARGET" -xpf backup.tar
        rm backup.*
    """,
)

# The least that does the job: nothing is checked, kept, told or signed.
PIPE = Contender(
    "pipe",
    "tar | zstd -3 -T2 | gpg | aws s3 cp -",
    backup="""
        tar -C "$TREE" -cf - . | zstd -q -3 -T2 \
          | gpg --batch --quiet --trust-model always --cipher-algo AES256 -z 0 \
                --compress-algo none --recipient "$KEY" --encrypt \
          | aws s3 cp --only-show-errors - "s3://$BUCKET/backup.tar.zst.gpg"
    """,
    restore="""
        mkdir "$TARGET"
        aws s3 cp --only-show-errors "s3://$BUCKET/backup.tar.zst.gpg" - \
          | gpg --batch --quiet --decrypt | zstd -q -d | tar -C "$TARGET" -xpf -
    """,
)

RESTIC = Contender(
    "restic",
    "restic backup, default settings, new repository",
    prepare=lambda around: _quietly([around.restic, "init"], around),
    backup='cd "$TREE" && "$RESTIC" --quiet -o s3.bucket-lookup=path backup .',
    restore='"$RESTIC" --quiet -o s3.bucket-lookup=path restore latest --target "$TARGET"',
)


def _configure(around: Surroundings) -> None:
    """The product's configuration, as its own user would have it: the tree as one source."""
    text = f"""
host = "bench"
environment = "benchmark"

[repository]
provider = "custom"
endpoint = "{around.store.endpoint}"
bucket = "{around.bucket}"
access_key = {{ env = "AWS_ACCESS_KEY_ID" }}
secret_key = {{ env = "AWS_SECRET_ACCESS_KEY" }}

[encryption]
recipients = ["{around.key}"]
signing_key = "{around.key}"
gnupg_home = "{around.gnupg_home}"

[[source]]
name = "tree"
kind = "config"
paths = ["{around.tree}"]
"""
    file = around.work / "config.toml"
    file.touch(mode=0o600)
    file.write_text(text)


PRODUCT = Contender(
    "product",
    "mentat-dr backup, mentat-dr restore --to DIR",
    prepare=_configure,
    backup="mentat-dr backup tree",
    restore='mentat-dr restore latest --source tree --to "$TARGET"',
)

CONTENDERS = (SHELL, PIPE, RESTIC, PRODUCT)


def named(names: str) -> list[Contender]:
    """The contenders of a comma-separated list, in the order in which they take turns."""
    wanted = names.split(",")
    unknown = set(wanted) - {each.name for each in CONTENDERS}
    if unknown:
        known = ", ".join(each.name for each in CONTENDERS)
        raise SystemExit(f"no contender {', '.join(sorted(unknown))}; there are {known}")
    return [each for each in CONTENDERS if each.name in wanted]


def new_key(home: Path) -> str:
    """Make a key without passphrase in an empty gpg home; returns its fingerprint."""
    environment = {**os.environ, "GNUPGHOME": str(home)}
    gpg = ["gpg", "--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback"]
    user = "bench@example.org"
    subprocess.run(
        [*gpg, "--quick-generate-key", user, "future-default", "default", "never"],
        env=environment,
        check=True,
        capture_output=True,
    )
    listed = subprocess.run(
        ["gpg", "--batch", "--with-colons", "--list-keys", user],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [line.split(":") for line in listed.stdout.splitlines()]
    return next(fields[9] for fields in lines if fields[0] == "fpr")


def end_agents(home: Path) -> None:
    """gpg leaves agents behind."""
    if shutil.which("gpgconf"):
        subprocess.run(
            ["gpgconf", "--homedir", str(home), "--kill", "all"], capture_output=True, check=False
        )


def _quietly(argv: list[str], around: Surroundings) -> None:
    done = subprocess.run(
        argv, env=around.environment, cwd=around.work, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr}")
