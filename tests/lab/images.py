"""The lab's images: recipes beside this file, built once, kept in the engine's data directory."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.lab.client import Docker
from tests.lab.command import run
from tests.lab.errors import CommandFailed, MissingParts
from tests.lab.packages import KEYRING, program

RECIPES = Path(__file__).with_name("images")
RECIPE_LABEL = "mentat-dr.recipe"
DEBIAN, SID = "mentat-lab/debian:bookworm", "mentat-lab/debian:sid"
MARIADB, MYSQL = "mentat-lab/mariadb:10.11", "mentat-lab/mysql:9.7"
APP, BARE = "mentat-lab/app:latest", "mentat-lab/bare:latest"


@dataclass(frozen=True)
class Built:
    """An image made by ``docker build`` from ``files`` (below ``images/``) on ``parent``."""

    tag: str
    parent: str
    files: tuple[str, ...]


SUITES = {DEBIAN: "bookworm", SID: "sid"}
BUILT = (
    Built(MYSQL, SID, ("mysql/Dockerfile", "mysql/lab.cnf", "database/entrypoint.sh")),
    Built(MARIADB, DEBIAN, ("mariadb/Dockerfile", "mariadb/lab.cnf", "database/entrypoint.sh")),
    Built(BARE, DEBIAN, ("bare/Dockerfile",)),
    Built(APP, DEBIAN, ("app/Dockerfile",)),
)
ALL = (*SUITES, *(image.tag for image in BUILT))


def recipe_of(tag: str) -> str:
    """A hash of all that an image is made from: when it changes, the image is built anew."""
    if tag in SUITES:
        return hashlib.sha256(f"debootstrap 1 {SUITES[tag]}".encode()).hexdigest()[:16]
    image = next(image for image in BUILT if image.tag == tag)
    digest = hashlib.sha256(recipe_of(image.parent).encode())
    for name in image.files:
        digest.update(name.encode() + b"\0" + (RECIPES / name).read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def missing(docker: Docker, tags: Iterable[str] | None = None) -> list[str]:
    """Those of ``tags`` (default: all) that are absent or made from another recipe."""
    absent = []
    for tag in ALL if tags is None else tags:
        record = docker.inspect("image", tag)
        labels = (record or {}).get("Config", {}).get("Labels") or {}
        if labels.get(RECIPE_LABEL) != recipe_of(tag):
            absent.append(tag)
    return absent


def require(docker: Docker, tag: str) -> None:
    """``MissingParts`` with the command to run, unless ``tag`` is there and up to date."""
    if tag in ALL and missing(docker, [tag]):
        raise MissingParts(f"the image {tag} is not built: run 'python -m tests.lab prepare'")


def build_missing(
    docker: Docker, building: Path, say: Callable[[str], None] = print
) -> dict[str, float]:
    """Build what is missing, two at a time; returns the seconds each one took.

    A tag appears only when its image is whole: both ``docker import`` and ``docker build``
    name it as their last act. An interrupted build leaves debris in ``building``, removed here.
    """
    absent = set(missing(docker))
    # A parent built anew means its children too: their recipes hold the parent's.
    for leftover in building.glob("rootfs-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    builder = _Builder(docker, building, say)
    with ThreadPoolExecutor(max_workers=2) as pool:
        bases = {tag: pool.submit(builder.bootstrap, tag) for tag in SUITES if tag in absent}
        took = {tag: future.result() for tag, future in bases.items()}
        builds = {
            image.tag: pool.submit(builder.build, image) for image in BUILT if image.tag in absent
        }
        took |= {tag: future.result() for tag, future in builds.items()}
    if took:
        docker("image", "prune", "--force")
    return took


class _Builder:
    """Makes one image at a time for each calling thread; its logs stay in ``building``."""

    def __init__(self, docker: Docker, building: Path, say: Callable[[str], None]) -> None:
        self._docker = docker
        self._building = building
        self._say = say

    def bootstrap(self, tag: str) -> float:
        """A Debian of one suite, from Debian's default mirror."""
        began = time.monotonic()
        suite = SUITES[tag]
        self._say(f"building {tag} ...")
        root = Path(tempfile.mkdtemp(prefix=f"rootfs-{suite}-", dir=self._building))
        try:
            run(
                [
                    program("debootstrap"),
                    "--variant=minbase",
                    "--include=ca-certificates",
                    f"--keyring={KEYRING}",
                    suite,
                    str(root),
                ],
                log=self._log(tag),
                seconds=1500,
            )
            shutil.rmtree(root / "var/cache/apt/archives", ignore_errors=True)
            self._import(tag, root)
        finally:
            shutil.rmtree(root, ignore_errors=True)
        return self._done(tag, began)

    def _import(self, tag: str, root: Path) -> None:
        label = f"LABEL {RECIPE_LABEL}={recipe_of(tag)}"
        environment = {**os.environ, "DOCKER_HOST": self._docker.host}
        with subprocess.Popen(
            [program("tar"), "-C", str(root), "--one-file-system", "-c", "."],
            stdout=subprocess.PIPE,
        ) as tar:
            done = subprocess.run(
                [program("docker"), "import", "--change", label, "-", tag],
                stdin=tar.stdout,
                env=environment,
                capture_output=True,
                check=False,
            )
        if tar.returncode != 0 or done.returncode != 0:
            self._docker("image", "rm", "--force", tag)
            raise CommandFailed(f"docker import {tag}: {done.stderr.decode(errors='replace')}")

    def build(self, image: Built) -> float:
        """``docker build`` of a recipe, with the files it names as its whole context."""
        began = time.monotonic()
        self._say(f"building {image.tag} ...")
        with tempfile.TemporaryDirectory(prefix="context-", dir=self._building) as context:
            for name in image.files:
                shutil.copy(RECIPES / name, context)
            self._docker(
                "build",
                "--network=host",
                "--force-rm",
                f"--label={RECIPE_LABEL}={recipe_of(image.tag)}",
                *_proxies(),
                f"--tag={image.tag}",
                context,
                log=self._log(image.tag),
                seconds=1500,
            )
        return self._done(image.tag, began)

    def _done(self, tag: str, began: float) -> float:
        took = time.monotonic() - began
        self._say(f"built {tag} in {took:.0f} s")
        return took

    def _log(self, tag: str) -> Path:
        path = self._building / f"{tag.replace('/', '-').replace(':', '-')}.log"
        path.unlink(missing_ok=True)
        return path


def _proxies() -> list[str]:
    """A machine behind a proxy builds behind it too."""
    names = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    return [f"--build-arg={name}" for name in names if os.environ.get(name)]


def extract_restic(docker: Docker, binaries: Path) -> Path:
    """``restic`` from Debian's newest package (a static program), for the benchmarks."""
    target = binaries / "restic"
    if target.exists():
        return target
    script = (
        "set -e; cd /tmp; apt-get -o Acquire::Check-Valid-Until=false update >&2;"
        " apt-get download restic >&2; dpkg-deb -x restic_*.deb x; cat x/usr/bin/restic"
    )
    draft = target.with_name(".restic")
    with draft.open("wb") as sink:
        done = subprocess.run(
            [program("docker"), "run", "--rm", "--network=host", SID, "sh", "-c", script],
            stdout=sink,
            stderr=subprocess.PIPE,
            env={**os.environ, "DOCKER_HOST": docker.host},
            check=False,
        )
    if done.returncode != 0:
        raise CommandFailed(f"restic: {done.stderr.decode(errors='replace')[-2000:]}")
    draft.chmod(0o755)
    version = run([str(draft), "version"])
    if not version.startswith("restic "):
        raise CommandFailed(f"restic does not run here: {version}")
    draft.replace(target)
    return target
