"""A writer that logs what it committed: each transaction changes two tables in a way that its
number alone decides, so what any state must hold can be worked out without the server."""

from __future__ import annotations

import contextlib
import random
import subprocess
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.lab.databases import DatabaseContainer
from tests.lab.packages import program

ITEMS = 50
SCHEMA = f"""
CREATE DATABASE shop CHARACTER SET utf8mb4;
USE shop;
CREATE TABLE orders (id INT PRIMARY KEY, item INT NOT NULL, note VARCHAR(100)) ENGINE=InnoDB;
CREATE TABLE stock (id INT PRIMARY KEY, sold INT NOT NULL, touched INT NOT NULL) ENGINE=InnoDB;
INSERT INTO stock VALUES {", ".join(f"({n}, 0, 0)" for n in range(ITEMS))};
"""
_GTID = {"mysql": "@@GLOBAL.gtid_executed", "mariadb": "@@last_gtid"}


@dataclass(frozen=True)
class Commit:
    """Transaction `number`, committed between two moments of the host's clock."""

    number: int
    began: datetime
    ended: datetime
    gtid: str


@dataclass(frozen=True)
class Moment:
    """A moment to go back to: right after a transaction, or a time."""

    at: datetime
    number: int
    gtid: str


def statements(number: int) -> str:
    """The SQL of a transaction."""
    item = number % ITEMS
    said = f"INSERT INTO shop.orders VALUES ({number}, {item}, 'order #{number} \u2713');"
    said += f"UPDATE shop.stock SET sold = sold + {number % 5}, touched = {number} "
    said += f"WHERE id = {item};"
    if number % 7 == 0:
        said += f"DELETE FROM shop.orders WHERE id = {number - 3};"
    return f"BEGIN;{said}COMMIT;"


def state(number: int) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """What the tables hold after that transaction."""
    orders: dict[int, tuple[str, ...]] = {}
    stock = {n: [0, 0] for n in range(ITEMS)}
    for n in range(1, number + 1):
        orders[n] = (str(n), str(n % ITEMS), f"order #{n} \u2713")
        stock[n % ITEMS] = [stock[n % ITEMS][0] + n % 5, n]
        if n % 7 == 0:
            orders.pop(n - 3, None)
    rows = [(str(n), str(sold), str(touched)) for n, (sold, touched) in sorted(stock.items())]
    return [orders[n] for n in sorted(orders)], rows


def found(database: DatabaseContainer) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """What they do hold."""
    return (
        database.sql("SELECT * FROM shop.orders ORDER BY id"),
        database.sql("SELECT * FROM shop.stock ORDER BY id"),
    )


def reached(database: DatabaseContainer) -> int:
    """The newest transaction that the tables show."""
    return int(database.value("SELECT MAX(touched) FROM shop.stock"))


class Writer:
    """Commits one transaction after the other, as fast as it is answered, until left."""

    def __init__(self, database: DatabaseContainer, first: int = 1) -> None:
        self._database = database
        self._next = first
        self.commits: list[Commit] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        database = self._database
        child = subprocess.Popen(
            [
                program("docker"),
                "exec",
                "--interactive",
                "--env=MYSQL_PWD",
                database.name,
                database.kind,
                "--user=root",
                "--batch",
                "--skip-column-names",
                "--unbuffered",
                "--default-character-set=utf8mb4",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "DOCKER_HOST": database.docker.host}
            | {"MYSQL_PWD": database.root_password},
            bufsize=0,
        )
        assert child.stdin and child.stdout
        with child, contextlib.suppress(OSError):
            ask = f"SELECT {_GTID[database.kind]};\n"
            while not self._stop.is_set():
                began = datetime.now(UTC)
                child.stdin.write((statements(self._next) + ask).encode())
                answer = child.stdout.readline()
                if not answer:
                    break
                gtid = _last(database.kind, answer.decode().strip())
                self.commits.append(Commit(self._next, began, datetime.now(UTC), gtid))
                self._next += 1
            child.stdin.close()

    @property
    def count(self) -> int:
        return len(self.commits)

    def await_transactions(self, count: int, timeout: float = 120) -> None:
        until = time.monotonic() + timeout
        while self.count < count:
            assert time.monotonic() < until and self._thread.is_alive(), f"{self.count} committed"
            time.sleep(0.01)

    def ended_at(self) -> datetime:
        """When the last commit was answered; waits until the server answers no more."""
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.commits[-1].ended

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(60)

    # ------------------------------------------------------------ moments

    def choose(self, count: int, after: datetime, until: datetime) -> list[Moment]:
        """So many random moments between two times, GTIDs of transactions with them."""
        fit = [c for c in self.commits if c.began > after and c.ended < until]
        return [
            Moment(c.ended, c.number, c.gtid)
            for c in random.Random(len(fit)).sample(fit, min(count, len(fit)))
        ]

    def numbers_at(self, at: datetime, granularity: timedelta) -> tuple[int, int]:
        """The least and the most that can have been committed at a time, which the server's log
        tells in steps of `granularity`."""
        if granularity:
            at = at.replace(microsecond=0) + granularity
        least = max((c.number for c in self.commits if c.ended < at), default=0)
        most = max((c.number for c in self.commits if c.began <= at), default=0)
        return least, most


def _last(kind: str, told: str) -> str:
    """The newest GTID of what the server says."""
    if kind == "mariadb":
        return told
    uuid, _, spans = told.replace("\\n", "").split(",")[-1].partition(":")
    return f"{uuid}:{spans.split(':')[-1].split('-')[-1]}"
