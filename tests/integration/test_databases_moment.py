"""A dump's one moment: writers beside it, DDL during it, its end by force, locks left by none."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from engine.adapters.database.dumping import ServerDump
from engine.adapters.pipeline import Pipeline
from engine.core.errors import DatabaseError
from engine.core.snapshot import DatabaseFacts
from tests.integration.database_reach import dump_into, fresh, inside, new_account, reach
from tests.lab import CommandFailed, DatabaseContainer, Lab

pytestmark = [pytest.mark.lab]

BACKUP_GRANTS = {
    "mysql": "SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, PROCESS, REPLICATION CLIENT, "
    "SHOW_ROUTINE",
    "mariadb": "SELECT, SHOW VIEW, TRIGGER, EVENT, RELOAD, PROCESS, BINLOG MONITOR",
}
_BANK = """
CREATE DATABASE bank; USE bank;
CREATE TABLE accounts (id INT PRIMARY KEY, cents BIGINT NOT NULL) ENGINE=InnoDB;
CREATE TABLE moves (id BIGINT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(40)) ENGINE=InnoDB;
CREATE TABLE bulk (id INT AUTO_INCREMENT PRIMARY KEY, filler VARCHAR(1000)) ENGINE=InnoDB;
CREATE TABLE zz_last (id INT PRIMARY KEY) ENGINE=InnoDB;
INSERT INTO zz_last VALUES (1);
CREATE DATABASE small;
CREATE TABLE small.t (id BIGINT AUTO_INCREMENT PRIMARY KEY, n INT) ENGINE=InnoDB;
INSERT INTO bulk (filler) VALUES (REPEAT('x', 1000));
"""
# About 16 MB of dump: much more than the pipes between the programs hold.
_GROW = "INSERT INTO bank.bulk (filler) SELECT CONCAT(LEFT(filler, 960), id) FROM bank.bulk;" * 14


@pytest.fixture(scope="module", params=["mysql", "mariadb"])
def bank(request: pytest.FixtureRequest, lab: Lab) -> Iterator[DatabaseContainer]:
    with fresh(lab, request.param) as container:
        container.client(_BANK + _GROW)
        for account in range(1, 11):
            container.sql(f"INSERT INTO bank.accounts VALUES ({account}, 1000)")
        yield container


@contextlib.contextmanager
def writing(container: DatabaseContainer) -> Iterator[list[int]]:
    """Transfers between accounts, each with a line in moves, by a client of its own; yields a
    list that ends with the number of transfers."""
    loop = """
    i=0
    while :; do
      i=$((i+1)); a=$((i % 10 + 1)); b=$((i % 7 + 1))
      echo "START TRANSACTION; UPDATE accounts SET cents=cents-7 WHERE id=$a;"
      echo "INSERT INTO moves (what) VALUES ('$a to $b');"
      echo "INSERT INTO small.t (n) VALUES ($i);"
      echo "UPDATE accounts SET cents=cents+7 WHERE id=$b; COMMIT;"
      [ -e /tmp/stop-writing ] && exit 0
    done
    """
    script = f"rm -f /tmp/stop-writing; ({loop}) | {container.kind} -uroot bank"
    done: list[int] = []

    def run() -> None:
        container.exec("sh", "-c", script)
        done.append(int(container.value("SELECT COUNT(*) FROM bank.moves")))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_for(lambda: int(container.value("SELECT COUNT(*) FROM bank.moves")) > 20)
        yield done
    finally:
        container.exec("touch", "/tmp/stop-writing")
        thread.join(60)


def wait_for(condition: object, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def commits_before(container: DatabaseContainer, file: str, position: int) -> int:
    rows = container.sql(f"SHOW BINLOG EVENTS IN '{file}'")
    return sum(1 for row in rows if row[2] == "Xid" and int(row[4]) <= position)


def test_counts_checksums_and_position_are_of_the_dumps_own_moment(
    bank: DatabaseContainer, lab: Lab
) -> None:
    source = reach(bank)
    before = source.identify()
    start = bank.sql("SHOW BINARY LOG STATUS" if bank.kind == "mysql" else "SHOW MASTER STATUS")[0]
    earlier = commits_before(bank, start[0], int(start[1]))
    already = int(bank.value("SELECT COUNT(*) FROM bank.moves"))
    seen: list[int] = []

    def look(_: ServerDump) -> None:
        # Writers go on while the dump runs.
        now = int(bank.value("SELECT COUNT(*) FROM bank.moves"))
        wait_for(lambda: int(bank.value("SELECT COUNT(*) FROM bank.moves")) > now)
        seen.append(now)

    with fresh(lab, bank.kind) as target, writing(bank) as done:
        moved = dump_into(source, reach(target), while_dumping=look)
        counted = {t.table: t.rows for t in moved.facts.tables}
        assert list(reach(target).tables(moved.facts)) == list(moved.facts.tables)
        assert all(t.checksum for t in moved.facts.tables)
        assert target.value("SELECT SUM(cents) FROM bank.accounts") == "10000"
        assert target.value("SELECT COUNT(*) FROM bank.moves") == str(counted["moves"])
        position = moved.facts.position
        assert position is not None
        assert position.file == start[0]
        # Each transfer is one commit: the binlog up to the position holds just these.
        commits = commits_before(bank, position.file, position.position) - earlier
        assert commits == counted["moves"] - already
    assert already < counted["moves"] <= seen[0] < done[0]
    assert moved.facts.version == before.version
    assert moved.warnings == ()


def test_ten_dumps_beside_a_writer_agree_with_their_facts(
    bank: DatabaseContainer, lab: Lab
) -> None:
    """Small dumps that may come and go between two looks at the server."""
    with fresh(lab, bank.kind) as target, writing(bank):
        for _ in range(10):
            moved = dump_into(reach(bank), reach(target), ["small"])
            assert moved.facts.tables[0].rows > 20
            assert moved.facts.position is not None
            assert list(reach(target).tables(moved.facts)) == list(moved.facts.tables)


def _drain(pipe: Pipeline) -> None:
    while os.read(pipe.output, 1 << 20):
        pass


@pytest.mark.parametrize(
    ("ddl", "undo", "told"),
    [
        ("CREATE TABLE bank.new_one (a INT)", "DROP TABLE bank.new_one",
         "bank.new_one was created"),
        ("ALTER TABLE bank.accounts ADD COLUMN note INT", "ALTER TABLE bank.accounts DROP note",
         "bank.accounts was altered"),
        ("DROP TABLE bank.zz_last",
         "CREATE TABLE bank.zz_last (id INT PRIMARY KEY) ENGINE=InnoDB", "zz_last"),
        ("ALTER TABLE bank.zz_last ADD COLUMN note INT", "ALTER TABLE bank.zz_last DROP note",
         "zz_last"),
        ("TRUNCATE TABLE bank.zz_last", "INSERT INTO bank.zz_last VALUES (1)", "zz_last"),
    ],
)  # fmt: skip
def test_ddl_during_the_dump_is_told(
    bank: DatabaseContainer, ddl: str, undo: str, told: str
) -> None:
    errors: list[DatabaseError] = []
    with reach(bank).dump(["bank"]) as dump, Pipeline([dump.command], collect=True) as pipe:
        dump.begun(60)
        # The dump has passed `accounts`, stands in `bulk` since nobody reads it, and has
        # not come to `zz_last`.
        wait_for(lambda: "FROM `bulk`" in bank.value(
            "SELECT GROUP_CONCAT(INFO) FROM information_schema.PROCESSLIST"))  # fmt: skip
        if bank.kind == "mariadb" and "accounts" in ddl:
            # MariaDB's dump keeps its metadata locks: such DDL waits for its end by itself.
            with pytest.raises(CommandFailed, match="timeout"):
                bank.sql("SET lock_wait_timeout = 1;" + ddl)
            return
        bank.sql(ddl)
        for step in (dump.facts, lambda: _end(dump, pipe), dump.check):
            try:
                step()
            except DatabaseError as error:
                errors.append(error)
    bank.sql(undo)
    assert any(told in error.message for error in errors)
    assert all("again" in error.remedy for error in errors)


def _end(dump: ServerDump, pipe: Pipeline) -> None:
    _drain(pipe)
    (ended,) = pipe.wait()
    if not ended.ok:
        raise dump.explain(ended.stderr)


def test_a_changed_view_is_a_warning(bank: DatabaseContainer) -> None:
    bank.sql("CREATE OR REPLACE VIEW bank.v AS SELECT 1 AS a")
    with reach(bank).dump(["bank"]) as dump, Pipeline([dump.command], collect=True) as pipe:
        dump.begun(60)
        bank.sql("CREATE OR REPLACE VIEW bank.v AS SELECT 2 AS a")
        dump.facts()
        _drain(pipe)
        assert [e.ok for e in pipe.wait()] == [True]
        assert dump.check() == ["view bank.v changed while the dump ran"]
    bank.sql("DROP VIEW bank.v")


def test_tables_without_snapshots_and_rounded_floats_are_warned_of(bank: DatabaseContainer) -> None:
    bank.sql(
        "CREATE DATABASE plain; CREATE TABLE plain.m (a INT) ENGINE=MyISAM;"
        "INSERT INTO plain.m VALUES (1), (2);"
        "CREATE TABLE plain.f (a FLOAT) ENGINE=InnoDB; INSERT INTO plain.f VALUES (16777217), (0.5)"
    )
    with reach(bank).dump(["plain"]) as dump, Pipeline([dump.command], collect=True) as pipe:
        dump.begun(60)
        facts = dump.facts()
        _drain(pipe)
        assert [e.ok for e in pipe.wait()] == [True]
        warnings = dump.check()
    bank.sql("DROP DATABASE plain")
    tables = {t.table: t for t in facts.tables}
    assert set(tables) == {"f"}
    assert tables["f"].checksum
    assert facts.objects["tables"] == 2
    assert len(warnings) == 2
    assert any("plain.m uses MyISAM" in line for line in warnings)
    assert any("plain.f: 1 FLOAT" in line for line in warnings)


def test_a_small_account_is_enough(bank: DatabaseContainer, lab: Lab) -> None:
    user, password = new_account(bank, BACKUP_GRANTS[bank.kind])
    source = reach(bank, user, password)
    with source.dump(["bank"]) as dump, Pipeline([dump.command], collect=True) as pipe:
        dump.begun(60)
        facts = dump.facts()
        _drain(pipe)
        assert [e.ok for e in pipe.wait()] == [True]
        assert dump.check() == []
        assert user.encode() in dump.users_sql
    assert all(t.checksum for t in facts.tables)
    assert facts.position


def test_without_the_global_lock_nothing_is_claimed(bank: DatabaseContainer) -> None:
    user, password = new_account(bank, "SELECT, SHOW VIEW, TRIGGER, EVENT")
    with reach(bank, user, password).dump(["bank"]) as dump:
        with Pipeline([dump.command], collect=True) as pipe:
            dump.begun(60)
            facts = dump.facts()
            _drain(pipe)
            assert [e.ok for e in pipe.wait()] == [True]
        warnings = dump.check()
    assert facts.position is None
    assert facts.tables == ()
    assert any("(grant " in line for line in warnings)
    assert any("no checksums" in line for line in warnings)


@contextlib.contextmanager
def holding(container: DatabaseContainer, first: str, seen: str) -> Iterator[None]:
    """A client that runs `first` and lives until the block ends; `seen` is a condition on the
    list of processes that tells that it is there."""
    command = ["docker", "-H", container.docker.host, "exec", "-i", "-e", "MYSQL_PWD",
               container.name, container.kind, "-uroot"]  # fmt: skip
    environment = {**os.environ, "MYSQL_PWD": container.root_password}
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as client:
        assert client.stdin
        client.stdin.write(first.encode() + b"\n")
        client.stdin.flush()
        count = f"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE {seen}"
        wait_for(lambda: container.value(count) == "1")
        yield
        container.sql("SELECT IFNULL(CONCAT('KILL ', MAX(ID)), 'DO 0') INTO @k FROM "
                      f"information_schema.PROCESSLIST WHERE {seen}; "
                      "PREPARE s FROM @k; EXECUTE s")  # fmt: skip
        client.stdin.close()


def _dump_bank(container: DatabaseContainer) -> tuple[DatabaseFacts, Sequence[str]]:
    with reach(container).dump(["bank"]) as dump:
        with Pipeline([dump.command], collect=True) as pipe:
            dump.begun(60)
            facts = dump.facts()
            _drain(pipe)
            assert [e.ok for e in pipe.wait()] == [True]
        return facts, dump.check()


def test_a_long_select_and_the_dump_do_not_disturb_each_other(bank: DatabaseContainer) -> None:
    select = "SELECT COUNT(*), SLEEP(200) FROM bank.accounts WHERE id = 1;"
    with holding(bank, select, "INFO LIKE 'SELECT COUNT(*), SL%'"):
        facts, warnings = _dump_bank(bank)
        # Neither the table nor the server is shut.
        bank.sql("SET lock_wait_timeout = 5; UPDATE bank.accounts SET cents = cents WHERE id = 2;"
                 "SELECT * FROM bank.accounts")  # fmt: skip
    assert warnings == []
    assert all(t.checksum for t in facts.tables)


def test_an_open_transaction_and_the_dump_do_not_disturb_each_other(
    bank: DatabaseContainer,
) -> None:
    first = "START TRANSACTION; UPDATE bank.accounts SET cents = 0 WHERE id = 3; DO 1;"
    trx = "ID IN (SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX WHERE " \
          "trx_rows_modified > 0)"  # fmt: skip
    with holding(bank, first, trx):
        facts, warnings = _dump_bank(bank)
        bank.sql("SET lock_wait_timeout = 5; UPDATE bank.accounts SET cents = cents WHERE id = 2")
    assert all(t.checksum for t in facts.tables)
    assert warnings == []


def test_a_killed_dump_leaves_no_lock(bank: DatabaseContainer) -> None:
    with reach(bank).dump(["bank"]) as dump, Pipeline([dump.command], collect=True) as pipe:
        dump.begun(60)
        program = "mariadb-dump" if bank.kind == "mariadb" else "mysqldump"
        # Not by an exec: Docker 20.10 tells of none's end while an earlier one's output is unread.
        processes = bank.docker("top", bank.name, "-eo", "pid,comm").splitlines()[1:]
        dumps = [line.split()[0] for line in processes if line.split()[1] == program[:15]]
        assert dumps, processes
        for pid in dumps:
            os.kill(int(pid), signal.SIGKILL)
        _drain(pipe)
        (ended,) = pipe.wait()
        assert not ended.ok
    bank.sql("INSERT INTO bank.moves (what) VALUES ('after'); ALTER TABLE bank.zz_last COMMENT 'x'")
    assert sessions_of_ours(bank) == 0


def sessions_of_ours(container: DatabaseContainer) -> int:
    return int(container.value("SELECT COUNT(*) FROM information_schema.PROCESSLIST "
                               "WHERE USER='root' AND ID <> CONNECTION_ID() "
                               "AND COMMAND NOT IN ('Daemon')"))  # fmt: skip


_OWNER = """
import sys, time
from engine.adapters.database import connect
from engine.core.commands import Command
host, name = sys.argv[1:3]
def run_in(argv, label, marker):
    return Command(("docker", "-H", host, "exec", "-i", name, *argv), label=label)
server = connect(user="root", password=sys.stdin.readline().strip(), run_in=run_in)
with server.dump() as dump:
    assert dump.moment.lock([('bank', 'moves'), ('bank', 'accounts')])
    dump.moment.reader.query("START TRANSACTION WITH CONSISTENT SNAPSHOT")
    print("locked", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_owner_leaves_no_lock(bank: DatabaseContainer, how: signal.Signals) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, bank.docker.host, bank.name],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    with owner:
        assert owner.stdin
        assert owner.stdout
        owner.stdin.write(bank.root_password.encode() + b"\n")
        owner.stdin.flush()
        assert owner.stdout.readline() == b"locked\n"
        # The lock holds ...
        with pytest.raises(Exception, match="timeout"):
            bank.sql(
                "SET SESSION lock_wait_timeout = 1; INSERT INTO bank.moves (what) VALUES ('x')"
            )
        owner.send_signal(how)
        # ... and goes with its owner.
        bank.sql("SET SESSION lock_wait_timeout = 60; INSERT INTO bank.moves (what) VALUES ('x')")
        wait_for(lambda: sessions_of_ours(bank) == 0)


def test_no_lock_is_held_before_begun(bank: DatabaseContainer) -> None:
    with reach(bank).dump(["bank"]) as dump, Pipeline([dump.command], collect=True):
        wait_for(lambda: dump.moment.waits_at(dump.moment.gate))
        bank.sql("INSERT INTO bank.moves (what) VALUES ('free')")
        with pytest.raises(DatabaseError, match="has not begun"):
            dump.facts()
    wait_for(lambda: sessions_of_ours(bank) == 0)
    assert inside(bank)(["true"], "x", "").where == bank.name
