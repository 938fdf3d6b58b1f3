"""A hostile database through dump and load into a fresh server of the same kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from engine.adapters.database import Server
from engine.core.errors import DatabaseError
from tests.integration.database_reach import LARGE_PACKETS, Moved, dump_into, fresh, reach
from tests.integration.hostile_sql import BIG_ROW_BYTES, ODD_SCHEMA, ODD_TABLE, hostile_sql
from tests.lab import DatabaseContainer, Lab

pytestmark = [pytest.mark.lab]

SCHEMAS = ("-dash", "empty schema", ODD_SCHEMA, "shop")


@dataclass
class Pair:
    """A hostile server and a fresh one that its dump was loaded into."""

    kind: str
    source: DatabaseContainer
    target: DatabaseContainer
    server: Server
    moved: Moved
    user_warnings: list[str]
    last_warnings: list[str]


@pytest.fixture(scope="module", params=["mysql", "mariadb"])
def pair(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Pair]:
    kind = request.param
    # The target's own max_allowed_packet is far below the big row.
    with fresh(lab, kind, LARGE_PACKETS) as source, fresh(lab, kind) as target:
        source.client(hostile_sql(kind), "--max-allowed-packet=1G")
        target.sql("SET GLOBAL event_scheduler = ON")
        server = reach(target)
        moved = dump_into(reach(source), server)
        found = server.tables(moved.facts)
        assert list(found) == list(moved.facts.tables)
        objects = server.objects(moved.facts.schemas)
        assert {k: v for k, v in objects.items() if k != "users"} == {
            k: v for k, v in moved.facts.objects.items() if k != "users"
        }
        users = list(server.load_users(moved.users))
        # Run again it changes nothing.
        assert list(server.load_users(moved.users)) == users
        last = list(server.finish_load(moved.facts))
        yield Pair(kind, source, target, server, moved, users, last)


def test_the_facts_name_every_table_with_a_checksum(pair: Pair) -> None:
    facts = pair.moved.facts
    assert facts.flavor == pair.kind
    assert facts.schemas == SCHEMAS
    tables = {(t.schema, t.table): t for t in facts.tables}
    assert tables[(ODD_SCHEMA, ODD_TABLE)].rows == 2
    assert tables[("shop", "NULL")].rows == 3
    assert tables[("shop", "no_key")].rows == 5
    assert tables[("shop", "empty_table")].rows == 0
    assert [t for t in facts.tables if t.checksum is None] == []
    assert len({t.checksum for t in facts.tables if t.rows}) == sum(
        t.rows > 0 for t in facts.tables
    )
    assert facts.objects["views"] == 3
    assert facts.objects["triggers"] == 2
    assert facts.objects["routines"] == 2
    assert facts.objects["events"] == 1
    assert pair.moved.warnings == ()
    if pair.kind == "mariadb":
        assert tables[("shop", "prices")].rows == 3  # one now, two in its history


def _definitions(server: DatabaseContainer, password: str) -> list[tuple[str, ...]]:
    """What the server's own SHOW CREATE and information_schema say, apart from our adapter."""

    def ask(sql: str) -> list[tuple[str, ...]]:
        output = server.docker(
            "exec", "-i", "-e", "MYSQL_PWD", server.name, server.kind, "-uroot", "--batch",
            "--skip-column-names", "--default-character-set=utf8mb4", "--binary-mode",
            stdin="SET NAMES utf8mb4; SET SESSION time_zone='+00:00';" + sql,
            environment={"MYSQL_PWD": password},
        )  # fmt: skip
        return [tuple(line.split("\t")) for line in output.splitlines()]

    found: list[tuple[str, ...]] = []
    schemas = ",".join(f"'{s}'" for s in SCHEMAS)
    names = ask(
        "SELECT CONCAT('`',REPLACE(TABLE_SCHEMA,'`','``'),'`.`',REPLACE(TABLE_NAME,'`','``'),'`'), "
        f"TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ({schemas}) ORDER BY 1"
    )
    assert len(names) > 15
    for name, kind in names:
        what = {"VIEW": "VIEW", "SEQUENCE": "SEQUENCE"}.get(kind, "TABLE")
        found += ask(f"SHOW CREATE {what} {name}")
    found += ask(f"SHOW CREATE DATABASE `{ODD_SCHEMA.replace('`', '``')}`")
    for what in ("PROCEDURE shop.total", "FUNCTION shop.twice", "EVENT shop.tidy"):
        found += ask(f"SHOW CREATE {what}")
    for trigger in ("orders_ai", "orders_bu"):
        found += [row[:3] for row in ask(f"SHOW CREATE TRIGGER shop.{trigger}")]
    return found


def test_definitions_are_the_same_to_the_letter(pair: Pair) -> None:
    password = pair.source.root_password  # the target has it now, too
    assert _definitions(pair.target, password) == _definitions(pair.source, password)


def _accounts(server: DatabaseContainer, password: str) -> list[tuple[str, ...]]:
    def ask(sql: str) -> list[str]:
        return server.docker(
            "exec", "-i", "-e", "MYSQL_PWD", server.name, server.kind, "-uroot", "--batch",
            "--raw", "--skip-column-names", "--default-character-set=utf8mb4",
            stdin=sql, environment={"MYSQL_PWD": password},
        ).splitlines()  # fmt: skip

    odd = "`o'dd ``name```@`10.0.0.0/255.0.0.0`"
    roles = ("readers", "`sub role`" + ("@`h`" if server.kind == "mysql" else ""))
    found = [ask(f"SHOW GRANTS FOR {who}") for who in ("app@'%'", odd, "root@localhost", *roles)]
    hexed = "SET print_identified_with_as_hex=ON;" if server.kind == "mysql" else ""
    found += [ask(f"{hexed} SHOW CREATE USER {who}") for who in ("app@'%'", odd, "root@localhost")]
    found.append(ask("SELECT COUNT(*) FROM mysql.user"))
    if server.kind == "mysql":
        found.append(ask("SELECT User_attributes FROM mysql.user WHERE User='app'"))
        found.append(ask("SELECT * FROM mysql.default_roles"))
    else:
        found.append(ask("SELECT User, default_role FROM mysql.user ORDER BY 1"))
        found.append(ask("SHOW GRANTS FOR PUBLIC"))
    # MariaDB lists them in no order, and makes whoever creates a role its administrator.
    creator = "GRANT `sub role` TO `root`@`localhost`"
    return [tuple(sorted(li for li in lines if not li.startswith(creator))) for lines in found]


def test_accounts_roles_and_grants_are_the_same(pair: Pair) -> None:
    password = pair.source.root_password
    assert pair.user_warnings == []
    assert _accounts(pair.target, password) == _accounts(pair.source, password)


def test_what_was_restored_works(pair: Pair) -> None:
    def ask(sql: str) -> str:
        return pair.target.docker(
            "exec", "-i", "-e", "MYSQL_PWD", pair.target.name, pair.kind, "-uroot", "-N", "-B",
            stdin=sql, environment={"MYSQL_PWD": pair.source.root_password},
        ).strip()  # fmt: skip

    assert ask("SELECT LENGTH(b) FROM shop.huge") == str(BIG_ROW_BYTES)
    assert ask("SELECT shop.twice(21)") == "42"
    assert ask("SELECT n FROM shop.a_view_on_view") == "3"
    assert (
        ask("SELECT HEX(c_blob), c_bit+0, c_date FROM shop.types_all WHERE id IN (1,3)")
        .split("\n")[0]
        .startswith("C328A0A1E28228")
    )
    assert ask("SELECT id FROM shop.zero_id ORDER BY 1") == "0\n7"
    assert ask("SELECT hidden FROM shop.special WHERE id=1") == "99"
    assert ask("SELECT @@GLOBAL.event_scheduler") == "ON"
    assert int(ask("SELECT @@GLOBAL.max_allowed_packet")) < BIG_ROW_BYTES * 2


def test_the_restored_server_knows_its_position(pair: Pair) -> None:
    position = pair.moved.facts.position
    assert position is not None
    assert position.gtid_set
    assert pair.last_warnings == []
    variable = "gtid_purged" if pair.kind == "mysql" else "gtid_slave_pos"
    held = pair.target.docker(
        "exec", "-i", "-e", "MYSQL_PWD", pair.target.name, pair.kind, "-uroot", "-N", "-B",
        stdin=f"SELECT @@GLOBAL.{variable}", environment={"MYSQL_PWD": pair.source.root_password},
    )  # fmt: skip
    assert "".join(held.replace("\\n", "").split()) == position.gtid_set


def test_chosen_schemas_only(pair: Pair) -> None:
    source = reach(pair.source, schemas=["-dash"])
    assert 0 < source.size() < reach(pair.source).size()
    target = reach(pair.target, password=pair.source.root_password)
    moved = dump_into(source, target)
    assert moved.facts.schemas == ("-dash",)
    assert [t.table for t in moved.facts.tables] == ["t"]
    assert list(target.tables(moved.facts)) == list(moved.facts.tables)
    with pytest.raises(DatabaseError, match="no schema nowhere") as caught:
        dump_into(source, target, ["nowhere"])
    assert "shop" in caught.value.remedy


def test_differences_show(pair: Pair) -> None:
    """One changed letter, one missing row among its duplicates, a NULL for a text, no table."""
    target = reach(pair.target, password=pair.source.root_password)
    pair.target.exec(
        "sh", "-c", 'MYSQL_PWD="$0" exec "$1" -uroot', pair.source.root_password, pair.kind,
        stdin="SET GLOBAL event_scheduler = OFF;"
        "DELETE FROM shop.no_key WHERE a = 1 LIMIT 1;"
        "UPDATE shop.customers SET name = 'ann' WHERE id = 1;"
        "UPDATE shop.`NULL` SET `NULL` = NULL WHERE `NULL` = 'null' LIMIT 1;"
        "DROP TABLE shop.zero_id;",
    )  # fmt: skip
    found = target.tables(pair.moved.facts)
    changed = {t.table for t in set(pair.moved.facts.tables) - set(found)}
    # The event may have emptied the log meanwhile.
    assert changed - {"log"} == {"no_key", "customers", "NULL", "zero_id"}
    assert "zero_id" not in {t.table for t in found}
