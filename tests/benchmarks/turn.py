"""One turn of one contender: a new bucket, new directories, a backup, a restore, a look at it."""

from __future__ import annotations

import os
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from tests.benchmarks import contenders
from tests.benchmarks.arena import Measured
from tests.benchmarks.contenders import Contender, Surroundings
from tests.benchmarks.report import Act, Turn
from tests.benchmarks.tree import Tree
from tests.lab import Lab

Key = tuple[Path, str]  # a gpg home and the fingerprint of the key in it


@contextmanager
def new_key(lab: Lab) -> Iterator[Key]:
    """A key for one run of the benchmarks."""
    with TemporaryDirectory(prefix="gpg-", dir=lab.directory) as place:
        home = Path(place)
        try:
            yield home, contenders.new_key(home)
        finally:
            contenders.end_agents(home)


def take(lab: Lab, tree: Tree, contender: Contender, number: int, key: Key) -> Turn:
    """The turn of round `number`. ValueError when something else came back."""
    with surroundings(lab, tree, key) as around:
        contender.prepare(around)
        warm(tree.path)
        backup = act(lambda: contender.measure_backup(around))
        size = stored(lab, around.bucket)
        restore = act(lambda: contender.measure_restore(around))
        require_same(tree, around.target)
    return Turn(number, contender.name, backup, restore, size)


def warm(tree: Path) -> None:
    """Read all of it, so that nobody is the one who fills the page cache. Before every turn: some
    machines take pages away that were not used for a minute."""
    with subprocess.Popen(["tar", "-C", str(tree), "-cf", "-", "."], stdout=subprocess.PIPE) as tar:
        assert tar.stdout is not None
        while tar.stdout.read(1 << 20):
            pass
    if tar.returncode:
        raise RuntimeError(f"{tree} cannot be read whole: tar ended with {tar.returncode}")


def act(measured: Callable[[], Measured]) -> Act:
    """Everything written before is on disk first, and what it wrote is timed after."""
    os.sync()
    cost = measured()
    began = time.monotonic()
    os.sync()
    return Act(cost.seconds, time.monotonic() - began, cost.cpu, cost.engine, cost.memory)


@contextmanager
def surroundings(lab: Lab, tree: Tree, key: Key) -> Iterator[Surroundings]:
    """A new bucket and new directories, emptied after the turn."""
    work = Path(mkdtemp(prefix="turn-", dir=lab.directory))
    bucket = lab.s3.new_bucket("bench")
    client = lab.s3.client()
    try:
        # A new bucket's first write makes its volumes: that is nobody's time.
        client.put_object(Bucket=bucket, Key="first", Body=b"x")
        client.delete_object(Bucket=bucket, Key="first")
        yield Surroundings(
            tree=tree.path,
            work=work,
            target=work / "restored",
            bucket=bucket,
            store=lab.s3,
            gnupg_home=key[0],
            key=key[1],
            restic=str(lab.restic),
        )
    finally:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for found in page.get("Contents", []):
                client.delete_object(Bucket=bucket, Key=found["Key"])
        client.delete_bucket(Bucket=bucket)
        client.close()
        _empty(work / "restored")


def _empty(restored: Path) -> None:
    """Free the space of a restored tree and leave the empty files until the lab's end: for some
    minutes ext4 does not use a deleted file's inode again, and searches past all of them whenever
    it makes a file. A tree just deleted makes the next contender's restore several times slower.

    A file with a second name is left as it is: that may be anybody's.
    """
    for folder, _, names in os.walk(restored):
        for name in names:
            path = Path(folder, name)
            found = path.lstat()
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
                os.truncate(path, 0)


def stored(lab: Lab, bucket: str) -> int:
    """Bytes of all objects in the bucket."""
    client = lab.s3.client()
    try:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return sum(found["Size"] for page in pages for found in page.get("Contents", []))
    finally:
        client.close()


def require_same(tree: Tree, restored: Path) -> None:
    """A restore that brought back something else is no result. ValueError says what it has."""
    files = size = 0
    for folder, _, names in os.walk(restored):
        files += len(names)
        size += sum((Path(folder) / name).stat().st_size for name in names)
    if (files, size) != (tree.files, tree.bytes):
        raise ValueError(
            f"{restored} has {files} files of {size} bytes, "
            f"the tree has {tree.files} of {tree.bytes}"
        )
