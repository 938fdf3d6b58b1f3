"""A small shop: a MySQL server, an application with a volume of uploads, and configuration."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import tree
from tests.demo import truth, writer
from tests.lab import AppContainer, DatabaseContainer, Lab

HERE = Path(__file__).parent
SCHEMA = "shop"
UPLOAD_BYTES = 150 << 20
_CLOSING_SECONDS = 30.0
_WEB_USER = 33  # www-data of Debian


@dataclass(frozen=True)
class Shop:
    """The running shop. Names are those of containers and volumes in the lab's engine."""

    lab: Lab
    database: DatabaseContainer
    app: AppContainer
    customers: AppContainer
    uploads: str
    config: Path

    @classmethod
    def open(cls, lab: Lab, directory: Path, upload_bytes: int = UPLOAD_BYTES) -> Shop:
        """Make all of it, filled, with customers at work. Plain names where they are free."""
        names = _Names(lab)
        network = lab.new_network(names.free("network", "shop-net"))
        joined = [f"--network={network}"]
        database = lab.run_mysql(names.free("container", "shop-mysql"), options=joined)
        database.client((HERE / "schema.sql").read_text())
        volume = lab.new_volume(names.free("volume", "shop_uploads"))
        fill_uploads(lab, volume, upload_bytes)
        config = directory / "etc-shop"
        make_config(config)
        program = Path(writer.__file__).read_text()
        app = lab.run_app(
            *("python3", "-c", program, "uploads", "/srv/uploads"),
            name=names.free("container", "shop-app"),
            volumes={volume: "/srv/uploads"},
            options=joined,
        )
        customers = lab.run_app(
            *("python3", "-c", program, "orders", database.name),
            name=names.free("container", "shop-customers"),
            options=joined,
        )
        return cls(lab, database, app, customers, volume, config)

    @property
    def uploads_path(self) -> Path:
        """The files of the uploads volume, as the host sees them."""
        return self.lab.volume_path(self.uploads)

    def close(self) -> None:
        """Let nobody write any more, here and after restarts; returns when nobody does."""
        for container in (self.app, self.customers):
            container.exec("touch", str(writer.CLOSED))
        deadline = time.monotonic() + _CLOSING_SECONDS
        for container in (self.app, self.customers):
            while "seen" not in container.sh(f"test ! -e {writer.SEEN} || echo seen"):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{container.name} does not stop writing")
                time.sleep(0.1)

    def open_again(self) -> int:
        """Let customers in again; returns how many orders there are once there is a new one."""
        before = self.orders()
        for container in (self.app, self.customers):
            container.exec("rm", "--force", str(writer.CLOSED))
        deadline = time.monotonic() + _CLOSING_SECONDS
        while self.orders() <= before:
            if time.monotonic() > deadline:
                raise RuntimeError(f"no order can be placed: {self.customers.logs()[-500:]}")
            time.sleep(0.2)
        return self.orders()

    def orders(self) -> int:
        return int(self.database.value("SELECT COUNT(*) FROM orders", database=SCHEMA))

    # --- what is there, and its loss ------------------------------------------------------

    def look(self) -> truth.Look:
        """All that is there now, by the client's and our own reading."""
        return truth.together(
            [
                truth.of_database(self.database, SCHEMA),
                truth.of_tree("shop-uploads", self.uploads_path),
                truth.of_tree("etc-shop", self.config),
            ]
        )

    def destroy_database(self) -> None:
        """Every row, table, program and account of the shop."""
        self.database.sql(f"DROP DATABASE {SCHEMA}; DROP USER 'shop'@'%'; DROP ROLE reporting")

    def destroy_uploads(self) -> None:
        """Every file of the volume."""
        self.app.sh("cd /srv/uploads && find . -mindepth 1 -delete")

    def destroy_config(self) -> None:
        """The whole tree."""
        shutil.rmtree(self.config)


class _Names:
    """Plain names, unless another run of the lab has them: then with this run's id."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def free(self, kind: str, name: str) -> str:
        taken = self._lab.docker.exists(kind, name)
        return f"{name}-{self._lab.id}" if taken else name


def fill_uploads(lab: Lab, volume: str, size: int) -> None:
    """The benchmarks' tree, smaller, as an application would own it."""
    made = tree.cached(lab.run.places.cache / "bench", size)
    root = lab.volume_path(volume)
    subprocess.run(["cp", "--archive", f"{made.path}/.", str(root)], check=True)
    subprocess.run(["chown", "--recursive", f"{_WEB_USER}:{_WEB_USER}", str(root)], check=True)


def make_config(root: Path) -> None:
    """A configuration tree with all that configuration trees have: odd owners, modes and names,
    links of both kinds, a fifo, attributes, old times."""
    root.mkdir(mode=0o755)
    (root / "conf.d").mkdir(mode=0o750)
    for number in range(120):
        file = root / "conf.d" / f"{number:02d}-site.conf"
        file.write_text(f"[site-{number}]\nworkers = {number % 8}\npath = /srv/{number}\n" * 20)
        _dress(file, 0o640, (0, _WEB_USER))
    private = root / "ssl" / "private"
    private.mkdir(parents=True, mode=0o710)
    (private / "shop.key").write_bytes(os.urandom(1700))
    _dress(private / "shop.key", 0o400, (0, 110))
    (root / "locked").touch(mode=0o000)
    (root / "suid-tool").write_text("#!/bin/sh\nexit 0\n")
    _dress(root / "suid-tool", 0o4750, (0, 4242))
    (root / "shared").mkdir()
    (root / "shared").chmod(0o3777)
    (root / "site.conf").symlink_to("conf.d/00-site.conf")
    (root / "dangling").symlink_to("/nowhere/at/all")
    (root / "alias.conf").hardlink_to(root / "conf.d" / "01-site.conf")
    (root / "name with space\nand line end").write_text("yes\n")
    Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.conf")).write_text("latin-1 name\n")
    os.mkfifo(root / "control", 0o620)
    (root / "empty").mkdir()
    os.setxattr(root / "conf.d", "user.owner", b"web team")
    os.utime(root / "conf.d" / "00-site.conf", ns=(10**18, 10**18 + 123_456_789))


def _dress(path: Path, mode: int, owner: tuple[int, int]) -> None:
    os.chown(path, *owner)
    path.chmod(mode)


def sources(shop: Shop, password: Path) -> Sequence[str]:
    """The shop's sources as `mentat-dr init --source` takes them."""
    return (
        "name=shop-db,kind=database,engine=mysql,"
        f"container={shop.database.name},password-file={password},rpo=15m,rto=1h",
        f"name=shop-uploads,kind=volume,volume={shop.uploads},quiesce=pause,rpo=1h,rto=30m",
        f"name=etc-shop,kind=config,paths={shop.config},rpo=24h,rto=15m",
    )
