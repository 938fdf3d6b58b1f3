"""A database that has broken other people's backups: every column type, odd names, odd bytes."""

from __future__ import annotations

from typing import Literal

Kind = Literal["mysql", "mariadb"]

ODD_SCHEMA = "odd `[x]` schema"
ODD_TABLE = "tab`le [bold]; -- ünïcödé 'q\""
BIG_ROW_BYTES = 60 << 20


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


_COMMON = """
SET SESSION sql_mode = '';
SET NAMES utf8mb4;
CREATE DATABASE shop CHARACTER SET utf8mb4;
USE shop;
CREATE TABLE types_all (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  c_tiny TINYINT, c_small SMALLINT UNSIGNED, c_medium MEDIUMINT, c_int INT ZEROFILL, c_big BIGINT,
  c_dec DECIMAL(65,30), c_float FLOAT, c_double DOUBLE, c_bit BIT(64), c_bool BOOLEAN,
  c_date DATE, c_datetime DATETIME(6), c_timestamp TIMESTAMP(6) NULL, c_time TIME(6), c_year YEAR,
  c_char CHAR(20), c_varchar VARCHAR(500), c_latin VARCHAR(50) CHARACTER SET latin1,
  c_ucs2 VARCHAR(50) CHARACTER SET ucs2, c_utf16 TEXT CHARACTER SET utf16,
  c_binary BINARY(16), c_varbinary VARBINARY(300),
  c_tinyblob TINYBLOB, c_blob BLOB, c_mediumblob MEDIUMBLOB, c_longblob LONGBLOB,
  c_tinytext TINYTEXT, c_text TEXT, c_mediumtext MEDIUMTEXT, c_longtext LONGTEXT,
  c_enum ENUM('a','b''c','','ü'), c_set SET('x','y','z'), c_json JSON,
  c_point POINT, c_geometry GEOMETRY, c_polygon POLYGON
) ENGINE=InnoDB;
INSERT INTO types_all SET id=1, c_tiny=-128, c_small=65535, c_medium=-8388608, c_int=42,
  c_big=-9223372036854775808,
  c_dec=12345678901234567890123456789012345.123456789012345678901234567891,
  c_float=0.5, c_double=1.7976931348623157e308,
  c_bit=b'1111111100000000111111110000000011111111000000001111111100000001',
  c_bool=1, c_date='9999-12-31', c_datetime='2026-11-22 02:00:00.123456',
  c_timestamp='2026-03-29 02:30:00.654321', c_time='-838:59:59', c_year=2155,
  c_char='  pad', c_varchar='emoji 😀 \\\\ '' " \\t \\n \\0 [red]x[/]',
  c_latin='äöü', c_ucs2='Ω', c_utf16='😀',
  c_binary=0x00FF27225C0A0D001A, c_varbinary=0x00010203FFFEFDC3285C27,
  c_tinyblob=0x00, c_blob=0xC328A0A1E28228, c_mediumblob=0x275C22000A,
  c_longblob=REPEAT(0x00FF, 70000),
  c_tinytext='', c_text='NULL', c_mediumtext='\\\\N', c_longtext=REPEAT('ß😀', 50000),
  c_enum='b''c', c_set='x,z', c_json='{"b": [1, 2.50, null, "😀\\\\n"], "a": {}}',
  c_point=ST_GeomFromText('POINT(1.5 -2.25)'),
  c_geometry=ST_GeomFromText('LINESTRING(0 0,1 1,2 3)'),
  c_polygon=ST_GeomFromText('POLYGON((0 0,10 0,10 10,0 10,0 0))');
INSERT INTO types_all (id) VALUES (2);
INSERT INTO types_all SET id=3, c_date='0000-00-00', c_datetime='0000-00-00 00:00:00',
  c_timestamp=0, c_year=0, c_enum=0, c_varchar='', c_blob='', c_double=-0.0, c_float=1e-5,
  c_text='null';
INSERT INTO types_all SET id=0xFFFFFFFFFFFFFFF0, c_varchar='high';
SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
CREATE TABLE zero_id (id INT AUTO_INCREMENT PRIMARY KEY, v INT) ENGINE=InnoDB;
INSERT INTO zero_id VALUES (0, 1), (7, 2);
CREATE TABLE customers (
  id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(100) NOT NULL, born DATE,
  shout VARCHAR(120) GENERATED ALWAYS AS (UPPER(name)) VIRTUAL,
  size INT GENERATED ALWAYS AS (CHAR_LENGTH(name)) STORED, KEY (size)
) ENGINE=InnoDB;
INSERT INTO customers (name, born) VALUES ('Ann', '1970-01-01'), ('Bö', NULL), ('😀', '2000-02-29');
CREATE TABLE orders (
  id INT PRIMARY KEY AUTO_INCREMENT, customer INT NOT NULL, amount DECIMAL(12,2) NOT NULL,
  parent INT,
  CONSTRAINT fk_customer FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE CASCADE,
  CONSTRAINT fk_parent FOREIGN KEY (parent) REFERENCES orders (id),
  CONSTRAINT positive CHECK (amount >= 0)
) ENGINE=InnoDB;
SET foreign_key_checks = 0; -- rows that point at each other
INSERT INTO orders (customer, amount, parent) VALUES
  (1, 9.99, 2), (2, 0, 1), (3, 1234567890.12, NULL);
SET foreign_key_checks = 1;
CREATE TABLE aaa_child (id INT PRIMARY KEY, z INT,
  FOREIGN KEY (z) REFERENCES orders (id)) ENGINE=InnoDB;
INSERT INTO aaa_child VALUES (1, 2);
CREATE TABLE measured (at DATE NOT NULL, v INT, PRIMARY KEY (at)) ENGINE=InnoDB
  PARTITION BY RANGE (YEAR(at)) (
    PARTITION p0 VALUES LESS THAN (2025), PARTITION p1 VALUES LESS THAN (2026),
    PARTITION p2 VALUES LESS THAN MAXVALUE);
INSERT INTO measured VALUES ('2024-05-05', 1), ('2025-05-05', 2), ('2026-05-05', 3);
CREATE TABLE no_key (a INT, b VARCHAR(10)) ENGINE=InnoDB;
INSERT INTO no_key VALUES (1, 'x'), (1, 'x'), (1, 'x'), (NULL, NULL), (NULL, NULL);
CREATE TABLE empty_table (a INT PRIMARY KEY) ENGINE=InnoDB;
CREATE TABLE `NULL` (`NULL` VARCHAR(10)) ENGINE=InnoDB;
INSERT INTO `NULL` VALUES ('NULL'), (NULL), ('null');
CREATE TABLE log (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(200)) ENGINE=InnoDB;
CREATE VIEW v_customers AS SELECT id, name, shout FROM customers;
CREATE VIEW a_view_on_view AS SELECT COUNT(*) AS n FROM v_customers;
CREATE ALGORITHM=MERGE DEFINER=`ghost`@`nowhere` SQL SECURITY INVOKER
  VIEW v_ghost AS SELECT id FROM orders;
DELIMITER ;;
CREATE TRIGGER orders_ai AFTER INSERT ON orders FOR EACH ROW
BEGIN
  INSERT INTO log (what) VALUES (CONCAT('order; ', NEW.id, ' \\'q\\''));
END;;
CREATE DEFINER=`ghost`@`nowhere` TRIGGER orders_bu BEFORE UPDATE ON orders
  FOR EACH ROW SET NEW.amount = ABS(NEW.amount);;
CREATE DEFINER=`ghost`@`nowhere` PROCEDURE total(IN who INT, OUT t DECIMAL(20,2))
  READS SQL DATA COMMENT 'with "quotes" and 😀'
BEGIN
  -- a comment; with a semicolon
  SELECT SUM(amount) INTO t FROM orders WHERE customer = who;
END;;
CREATE FUNCTION twice(x INT) RETURNS INT DETERMINISTIC NO SQL RETURN x * 2;;
CREATE EVENT tidy ON SCHEDULE EVERY 1 SECOND STARTS '2026-01-01 00:00:00' ON COMPLETION PRESERVE
  DO DELETE FROM shop.log;;
DELIMITER ;
INSERT INTO orders (customer, amount) VALUES (1, 5);
"""

_MYSQL = """
USE shop;
CREATE TABLE special (
  id INT PRIMARY KEY, hidden INT INVISIBLE DEFAULT 7, v VECTOR(3),
  j JSON, tags JSON, KEY ((CAST(j->>'$.n' AS UNSIGNED))),
  g POINT NOT NULL SRID 4326, SPATIAL KEY (g), d INT DEFAULT (1 + 1)
);
INSERT INTO special (id, hidden, v, j, g) VALUES
  (1, 99, STRING_TO_VECTOR('[1.5,-2,3e10]'), '{"n": 5}', ST_SRID(POINT(1, 2), 4326)),
  (2, NULL, NULL, NULL, ST_SRID(POINT(-3, 4), 4326));
UPDATE special SET tags =
  JSON_ARRAY(CAST('12.50' AS DECIMAL(5,2)), CAST('2026-01-01' AS DATE), 1e100, true);
"""

_MARIADB = """
USE shop;
CREATE TABLE special (
  id INT PRIMARY KEY, hidden INT INVISIBLE DEFAULT 7, u UUID, i6 INET6, i4 INET4,
  c VARCHAR(2000) COMPRESSED, g POINT NOT NULL, SPATIAL KEY (g)
);
INSERT INTO special (id, hidden, u, i6, i4, c, g) VALUES
  (1, 99, '123e4567-e89b-12d3-a456-426655440000', '2001:db8::ff00:42:8329', '10.0.0.1',
   REPEAT('ab', 900), POINT(1, 2)),
  (2, NULL, NULL, NULL, NULL, NULL, POINT(-3, 4));
CREATE SEQUENCE numbers START WITH 100 INCREMENT BY 10;
SELECT NEXT VALUE FOR numbers INTO @ignored;
CREATE TABLE prices (id INT PRIMARY KEY, price INT) WITH SYSTEM VERSIONING;
INSERT INTO prices VALUES (1, 10), (2, 20);
UPDATE prices SET price = 11 WHERE id = 1;
DELETE FROM prices WHERE id = 2;
"""

MYSQL_USERS = """
CREATE ROLE readers, `sub role`@`h`;
GRANT SELECT ON shop.* TO readers;
GRANT `sub role`@`h` TO readers;
CREATE USER app@'%' IDENTIFIED BY 'p''w"\\\\#$ é' REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 1000
  PASSWORD EXPIRE INTERVAL 90 DAY ATTRIBUTE '{"team": "it''s; \\\\"ops\\\\" 😀"}';
GRANT INSERT, UPDATE (name), SELECT (id) ON shop.customers TO app@'%' WITH GRANT OPTION;
GRANT EXECUTE ON PROCEDURE shop.total TO app@'%';
GRANT readers TO app@'%' WITH ADMIN OPTION;
SET DEFAULT ROLE readers TO app@'%';
CREATE USER 'o''dd `name`'@'10.0.0.0/255.0.0.0' IDENTIFIED BY 'x' ACCOUNT LOCK;
GRANT PROXY ON app@'%' TO 'o''dd `name`'@'10.0.0.0/255.0.0.0';
GRANT BACKUP_ADMIN, SELECT ON *.* TO 'o''dd `name`'@'10.0.0.0/255.0.0.0';
"""

MARIADB_USERS = """
CREATE ROLE readers;
CREATE ROLE `sub role` WITH ADMIN readers;
GRANT SELECT ON shop.* TO readers;
GRANT `sub role` TO readers;
CREATE USER app@'%' IDENTIFIED BY 'p''w"\\\\#$ é' REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 1000
  PASSWORD EXPIRE INTERVAL 90 DAY;
GRANT INSERT, UPDATE (name), SELECT (id) ON shop.customers TO app@'%' WITH GRANT OPTION;
GRANT EXECUTE ON PROCEDURE shop.total TO app@'%';
GRANT readers TO app@'%' WITH ADMIN OPTION;
SET DEFAULT ROLE readers FOR app@'%';
CREATE USER 'o''dd `name`'@'10.0.0.0/255.0.0.0' IDENTIFIED VIA unix_socket OR mysql_native_password
  USING PASSWORD('x') ACCOUNT LOCK;
GRANT PROXY ON app@'%' TO 'o''dd `name`'@'10.0.0.0/255.0.0.0';
GRANT SELECT ON shop.measured TO PUBLIC;
"""


def hostile_sql(kind: Kind, *, big_row: bool = True) -> str:
    """Statements for the server's own client, as root, in an empty server."""
    parts = [_COMMON, _MYSQL if kind == "mysql" else _MARIADB]
    parts.append(
        f"CREATE DATABASE {quoted(ODD_SCHEMA)} CHARACTER SET latin1;\n"
        f"USE {quoted(ODD_SCHEMA)};\n"
        f"CREATE TABLE {quoted(ODD_TABLE)} ({quoted('col`umn $x')} INT PRIMARY KEY, t TEXT);\n"
        f"INSERT INTO {quoted(ODD_TABLE)} VALUES (1, 'ä'), (2, NULL);\n"
        "CREATE DATABASE `-dash`; CREATE TABLE `-dash`.t (a INT);\n"
        "INSERT INTO `-dash`.t VALUES (1);\n"
        "CREATE DATABASE `empty schema`;\n"
    )
    if big_row:
        # Its session must have been opened with a large max_allowed_packet.
        parts.append(
            "CREATE TABLE shop.huge (id INT PRIMARY KEY, b LONGBLOB);\n"
            f"INSERT INTO shop.huge VALUES (1, REPEAT(0x00FF275C, {BIG_ROW_BYTES // 4}));\n"
        )
    parts.append(MYSQL_USERS if kind == "mysql" else MARIADB_USERS)
    return "\n".join(parts)
