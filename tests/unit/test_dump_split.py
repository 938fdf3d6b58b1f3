"""A dump is taken apart into whole statements, whatever pieces it comes in."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from engine.core import dump_split
from engine.core.dump_split import Selection, Statement, split

MARIADB = rb"""/*M!999999\- enable the sandbox mode */
-- MariaDB dump 10.19  Distrib 10.11.14-MariaDB
-- it's a comment with a quote

/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;

CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;

USE `shop`;
DROP TABLE IF EXISTS `or``ders`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
CREATE TABLE `or``ders` (
  `id` int COMMENT 'it''s; \' -- no
-- Table structure for table `x`;
',
  `a\` int /* don't */
) ENGINE=InnoDB;

LOCK TABLES `or``ders` WRITE;
/*!40000 ALTER TABLE `or``ders` DISABLE KEYS */;
INSERT INTO `or``ders` VALUES
(1,'a);\n(2'),
(3,'USE `y`;');
INSERT INTO `or``ders` VALUES
(4,'b');
/*!40000 ALTER TABLE `or``ders` ENABLE KEYS */;
UNLOCK TABLES;
/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER `stamp`
BEFORE INSERT ON `or``ders` FOR EACH ROW begin
USE `x`;
INSERT INTO `no` VALUES (1);
end */;;
DELIMITER ;
DROP TABLE IF EXISTS `other`;
CREATE TABLE `other` (`id` int);
INSERT INTO `other` VALUES (1),(2);
/*!50001 CREATE ALGORITHM=UNDEFINED VIEW `recent` AS select `or``ders`.`id` from `or``ders` */;
DELIMITER ;;
CREATE PROCEDURE `p`() SELECT 1 ;;
DELIMITER ;

CREATE DATABASE /*!32312 IF NOT EXISTS*/ `more`;

USE `more`;
CREATE TABLE `other` (`id` int);
INSERT INTO `other` VALUES (9);
/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;

-- Dump completed on 2026-11-22
"""


def pieces(text: bytes, sizes: Iterator[int]) -> Iterator[bytes]:
    at = 0
    while at < len(text):
        size = next(sizes)
        yield text[at : at + size]
        at += size


def whole(statements: Iterator[Statement]) -> list[tuple[str, str, str, bytes]]:
    return [(s.role, s.schema, s.table, s.body + b"".join(s.more)) for s in statements]


def always(size: int) -> Iterator[int]:
    while True:
        yield size


WHOLE = whole(split([MARIADB]))


def test_statements_are_what_they_are() -> None:
    assert [(role, schema, table) for role, schema, table, _ in WHOLE] == [
        ("session", "", ""),
        ("rest", "shop", ""),
        ("session", "shop", ""),
        ("rest", "shop", "or`ders"),
        ("session", "shop", ""),
        ("rest", "shop", "or`ders"),
        ("locks", "shop", "or`ders"),
        ("rest", "shop", "or`ders"),
        ("rows", "shop", "or`ders"),
        ("rows", "shop", "or`ders"),
        ("rest", "shop", "or`ders"),
        ("locks", "shop", ""),
        ("session", "shop", ""),
        ("rest", "shop", "or`ders"),
        ("rest", "shop", "other"),
        ("rest", "shop", "other"),
        ("rows", "shop", "other"),
        ("rest", "shop", ""),
        ("rest", "shop", ""),
        ("rest", "more", ""),
        ("session", "more", ""),
        ("rest", "more", "other"),
        ("rows", "more", "other"),
        ("session", "more", ""),
    ]
    assert WHOLE[8][3] == b"INSERT INTO `or``ders` VALUES\n(1,'a);\\n(2'),\n(3,'USE `y`;');\n"


def test_nothing_but_comments_is_lost() -> None:
    kept = b"".join(body for *_, body in WHOLE)
    left = [line for line in MARIADB.splitlines(keepends=True) if line not in kept]
    assert all(line.startswith((b"--", b"/*M!")) or not line.strip() for line in left)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_pieces_do_not_matter(size: int) -> None:
    assert whole(split(pieces(MARIADB, always(size)))) == WHOLE


@pytest.mark.parametrize("long", [30, 60, 300])
def test_what_is_too_long_to_be_held_is_passed_on(
    long: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dump_split, "LONG", long)
    dice = random.Random(7)
    text = b"USE `s`;\nINSERT INTO `t` VALUES (1,'" + b"x" * 500 + b";');\n"
    text += b"INSERT INTO `t` VALUES\n(2,'y'),\n(3,'z');\nCREATE TABLE `u` (\n`id` int\n);\n"
    for _ in range(30):
        found = whole(split(pieces(text, iter(lambda: dice.randint(1, 9), 0))))
        assert [body for role, *_, body in found if role == "rows"] == [
            b"INSERT INTO `t` VALUES (1,'" + b"x" * 500 + b";');\n",
            b"INSERT INTO `t` VALUES\n(2,'y'),\n(3,'z');\n",
        ]
        assert found[-1] == ("rest", "s", "u", b"CREATE TABLE `u` (\n`id` int\n);\n")


def chosen(**wanted: frozenset[object]) -> list[bytes]:
    selection = Selection(**wanted)  # type: ignore[arg-type]
    return [s.body for s in split([MARIADB]) if selection.wants(s)]


def test_one_table_with_its_triggers_and_no_more() -> None:
    text = b"".join(chosen(tables=frozenset({("shop", "or`ders")})))
    for part in (b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop`", b"CREATE TABLE `or``ders`",
                 b"(4,'b')", b"TRIGGER `stamp`", b"SET SQL_MODE=@OLD_SQL_MODE"):  # fmt: skip
        assert part in text
    for part in (b"`other`", b"VIEW", b"PROCEDURE", b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `m"):
        assert part not in text


def test_one_schema_with_all_it_holds() -> None:
    text = b"".join(chosen(schemas=frozenset({"shop"})))
    assert b"PROCEDURE" in text and b"VIEW" in text and b"(1),(2)" in text
    assert b"(9)" not in text and b"`more`" not in text


def test_a_table_of_the_same_name_elsewhere_is_another() -> None:
    text = b"".join(chosen(tables=frozenset({("more", "other")})))
    assert b"(9)" in text and b"(1),(2)" not in text and b"CREATE DATABASE" in text


@pytest.mark.parametrize(
    ("trigger", "table"),
    [
        (b"CREATE DEFINER=`root`@`%` TRIGGER stamp BEFORE INSERT ON orders FOR EACH ROW", "orders"),
        (b"CREATE TRIGGER `a b`\n  AFTER UPDATE ON `shop` . `o``r` FOR EACH ROW", "o`r"),
        (b"create trigger if not exists shop.t after delete on shop.orders for each row", "orders"),
        ("CREATE TRIGGER t BEFORE INSERT ON größe FOR EACH ROW".encode(), "größe"),
        (b"CREATE PROCEDURE p() BEGIN SELECT 'TRIGGER'; END", ""),
    ],
)
def test_triggers_belong_to_their_table(trigger: bytes, table: str) -> None:
    text = b"USE `shop`;\nDELIMITER ;;\n" + trigger + b" ;;\nDELIMITER ;\n"
    assert [s.table for s in split([text])] == ["", table]
