"""The pure parts of the database adapter: names, option files, checksums' SQL, error texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.adapters.database.checksums import Column, checksum_query, method_of, render
from engine.adapters.database.failures import from_output, parse_line
from engine.adapters.database.mariadb import _without_password
from engine.adapters.database.mysql import _with_attribute, _without_default_role
from engine.adapters.database.programs import Launcher, Login, parse_probe
from engine.adapters.database.quoting import (
    from_hex,
    option_line,
    quote_name,
    quote_text,
    quote_texts,
    words_of,
)
from engine.adapters.database.session import unescape
from engine.core.commands import Command


def unquote_option(line: str) -> str:
    """What the client programs' option reader makes of `name="value"` (mysys/my_default.c)."""
    value = line.partition("=")[2]
    assert value[0] == value[-1] == '"'
    out, escaped = [], False
    for character in value[1:-1]:
        if escaped:
            out.append({"n": "\n", "t": "\t", "r": "\r", "b": "\b"}.get(character, character))
            escaped = False
        elif character == "\\":
            escaped = True
        else:
            out.append(character)
    return "".join(out)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))))
def test_an_option_value_survives_its_spelling(secret: str) -> None:
    line = option_line("password", secret)
    assert "\n" not in line
    assert unquote_option(line) == secret


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))))
def test_a_preamble_counts_its_lines(secret: str) -> None:
    preamble = Login("ro ot", secret, "db.example", 3307).preamble().decode()
    count, _, rest = preamble.partition("\n")
    assert rest.endswith("\n")
    assert rest.count("\n") == int(count)


def test_a_login_shows_no_secret() -> None:
    login = Login("root", "s3cret")
    assert "s3cret" not in repr(login)
    assert "s3cret" not in repr(Launcher(None, login))
    command = Launcher(None, login).session("mysql", ["--batch"])
    assert "s3cret" not in repr(command) + " ".join(command.argv) + repr(dict(command.env))
    assert b"s3cret" in command.secrets["login"]


def test_inside_a_container_the_login_stands_on_stdin() -> None:
    def inside(argv: object, label: str, marker: str) -> Command:
        return Command(("docker", "exec", "-i", "db", *argv), label=label)  # type: ignore[misc]

    command = Launcher(inside, Login("root", "s3cret"), "m").gated(
        "dump", "mysql", "gate", "mysqldump", ["--databases", "--", "-x"]
    )
    assert b"s3cret" in command.preamble
    assert not command.secrets
    assert command.argv[-3:] == ("--databases", "--", "-x")
    assert command.label == "dump"


@given(st.text())
def test_names_and_texts_close_their_quotes(text: str) -> None:
    assert quote_name(text)[1:-1].replace("``", "") == text.replace("`", "").replace("``", "")
    assert quote_text(text)[1:-1].replace("''", "").count("'") == 0


def test_an_empty_list_is_valid_sql() -> None:
    assert quote_texts([]) == "NULL"
    assert quote_texts(["a", "b'c"]) == "'a', 'b''c'"


def test_hex_names() -> None:
    assert from_hex("4E554C4C") == "NULL"
    assert from_hex(None) == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"NULL", None),
        (b"null", "null"),
        (b"a\\tb\\nc\\\\d\\0", "a\tb\nc\\d\0"),
        (b"\\x", "\\x"),
        ("ü".encode(), "ü"),
        (b"", ""),
    ],
)
def test_batch_fields(field: bytes, value: str | None) -> None:
    assert unescape(field) == value


def test_words_of_an_account_statement() -> None:
    statement = (
        "CREATE USER `o'dd ``name```@`h h` IDENTIFIED WITH 'x' AS 'a b\\' c' "
        'DEFAULT ROLE `r 1`@`%`,`r2`@`%` REQUIRE NONE ATTRIBUTE \'{"a": "it\\\'s"}\''
    )
    words = words_of(statement)
    assert " ".join(words) == statement
    assert words[2] == "`o'dd ``name```@`h h`"
    kept, role = _without_default_role(words)
    assert role == "`r 1`@`%`,`r2`@`%`"
    assert "DEFAULT" not in kept
    assert _with_attribute(kept, "'{}'")[-2:] == ["ATTRIBUTE", "'{}'"]


def test_a_grant_loses_its_password_and_keeps_the_rest() -> None:
    grant = (
        "GRANT SELECT (`a`, `b`) ON `s`.* TO `u`@`h` IDENTIFIED VIA unix_socket OR "
        "mysql_native_password USING '*6BB' REQUIRE SSL WITH GRANT OPTION"
    )
    assert _without_password(grant) == (
        "GRANT SELECT (`a`, `b`) ON `s`.* TO `u`@`h` REQUIRE SSL WITH GRANT OPTION"
    )
    assert _without_password("GRANT `r` TO `u`@`h`") == "GRANT `r` TO `u`@`h`"


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("ERROR 1045 (28000): Access denied for user 'x'@'y' (using password: YES)", 1045),
        ("ERROR 1064 (42000) at line 3: You have an error", 1064),
        ("mysqldump: Got error: 1045: Access denied when trying to connect", 1045),
        ("mysqldump: Error 1412: Table definition has changed, please retry transaction when "
         "dumping table `t` at row: 0", 1412),
        ("mysqldump: Couldn't execute 'SHOW FIELDS FROM `v`': The user specified as a definer "
         "('a'@'b') does not exist (1449)", 1449),
        ('mariadb-dump: Got error: 2013: "Lost connection to server during query" when dumping '
         "table `t` at row: 5", 2013),
    ],
)  # fmt: skip
def test_complaints_of_client_programs(line: str, number: int) -> None:
    found = parse_line(line)
    assert found is not None
    assert found[0] == number
    error = from_output(["noise", line], "dumping")
    assert error.number == number
    assert error.remedy
    assert "\n" not in error.message


def test_complaints_without_a_number() -> None:
    error = from_output(["Error response from daemon: Container abc is not running"], "shop-db")
    assert "not running" in error.message
    assert "docker ps" in error.remedy
    assert "no reason" in from_output([], "shop-db").message


def test_checksum_sql() -> None:
    columns = [
        Column("id", "int"),
        Column("b`c", "varchar"),
        Column("bits", "bit"),
        Column("f", "float"),
        Column("j", "json"),
        Column("made", "int", generated=True),
    ]
    sql = checksum_query("my`db", "t", columns, history=False)
    assert "`my``db`.`t`" in sql
    assert "SHA2(`b``c`,256)" in sql
    assert "`bits`+0" in sql
    assert "AS JSON" in sql
    assert "made" not in sql
    assert "AS FLOAT)<>`f`" in sql
    assert (
        checksum_query("a", "b", columns[-1:], history=False)
        == "SELECT COUNT(*), 0, 0 FROM `a`.`b`"
    )
    assert checksum_query("a", "b", columns, history=True).endswith("FOR SYSTEM_TIME ALL")


def test_rendered_checksums() -> None:
    assert render("0") == "s1:0"
    assert render("255") == "s1:ff"
    assert render(str(10**40 + 5)) is None  # a row could not be hashed
    assert method_of("s1:ff") == "s1"


def test_the_fitting_programs_are_picked() -> None:
    both = parse_probe(
        "mariadb mariadb  Ver 15.1 Distrib 10.11.18-MariaDB\n"
        "mysql mysql  Ver 9.7.4 for Linux\n"
        "mysqldump mysqldump  Ver 9.7.4 for Linux\n"
        "+mysqldump   --set-gtid-purged[=name] \n"
        "+mysqldump   -q, --quick         Don't buffer\n"
    )
    assert both.client("mariadb") == "mariadb"
    assert both.client("mysql") == "mysql"
    assert both.dump("mariadb") == "mysqldump"
    assert not both.of_mariadb("mysqldump")
    assert {"--set-gtid-purged", "--quick"} <= both.options["mysqldump"]
    alias = parse_probe("mysql mysql  Ver 15.1 Distrib 10.11.18-MariaDB\n")
    assert alias.client("mariadb") == "mysql"
    assert parse_probe("").client("mysql") == ""
