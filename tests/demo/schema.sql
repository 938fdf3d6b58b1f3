-- The shop's database: what a small production schema has, with about 115,000 rows.
CREATE DATABASE shop CHARACTER SET utf8mb4;
USE shop;
SET SESSION cte_max_recursion_depth = 100000;

CREATE TABLE products (
  id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
  sku CHAR(10) NOT NULL UNIQUE,
  name VARCHAR(120) NOT NULL,
  price DECIMAL(10,2) NOT NULL,
  stock INT NOT NULL DEFAULT 0,
  attributes JSON,
  thumbnail VARBINARY(256),
  price_with_tax DECIMAL(10,2) GENERATED ALWAYS AS (ROUND(price * 1.19, 2)) STORED
);

CREATE TABLE customers (
  id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
  email VARCHAR(120) NOT NULL UNIQUE,
  name VARCHAR(120) NOT NULL,
  joined DATETIME(3) NOT NULL,
  note TEXT
);

CREATE TABLE orders (
  id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
  customer_id INT UNSIGNED NOT NULL,
  state ENUM('new', 'paid', 'shipped') NOT NULL DEFAULT 'new',
  placed DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  total DECIMAL(12,2) NOT NULL DEFAULT 0,
  KEY placed (placed),
  FOREIGN KEY (customer_id) REFERENCES customers (id)
);

CREATE TABLE order_lines (
  order_id INT UNSIGNED NOT NULL,
  line TINYINT UNSIGNED NOT NULL,
  product_id INT UNSIGNED NOT NULL,
  quantity SMALLINT UNSIGNED NOT NULL,
  price DECIMAL(10,2) NOT NULL,
  PRIMARY KEY (order_id, line),
  FOREIGN KEY (order_id) REFERENCES orders (id),
  FOREIGN KEY (product_id) REFERENCES products (id)
);

INSERT INTO products (sku, name, price, stock, attributes, thumbnail)
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
  SELECT CONCAT('SKU-', LPAD(i, 6, '0')),
         CONCAT(ELT(1 + i MOD 5, 'Kettle', 'Lamp', 'Chair', 'Grüner Tee', 'Tea 🍵'), ' ', i),
         1 + i * 7919 MOD 20000 / 100, 1000 + i MOD 700,
         JSON_OBJECT('weight', i MOD 40, 'colour', ELT(1 + i MOD 3, 'red', 'blue', 'black')),
         UNHEX(SHA2(i, 256))
  FROM n;

INSERT INTO customers (email, name, joined, note)
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
  SELECT CONCAT('customer', i, '@example.org'), CONCAT('Customer ', i),
         '2024-01-01' + INTERVAL i * 37 MINUTE,
         IF(i MOD 9 = 0, CONCAT('Likes [brackets], \\ and "quotes"\n', REPEAT('☕', i MOD 12)), NULL)
  FROM n;

INSERT INTO orders (customer_id, state, placed, total)
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 31000)
  SELECT 1 + i * 613 MOD 20000, ELT(1 + i MOD 3, 'new', 'paid', 'shipped'),
         '2026-01-01' + INTERVAL i * 11 MINUTE, 0
  FROM n;

INSERT INTO order_lines (order_id, line, product_id, quantity, price)
  SELECT o.id, l.n, 1 + (o.id * 31 + l.n * 977) MOD 2000, 1 + (o.id + l.n) MOD 5, 9.90 + l.n
  FROM orders o JOIN (SELECT 1 AS n UNION SELECT 2) l;

UPDATE orders o
  JOIN (SELECT order_id, SUM(quantity * price) AS total FROM order_lines GROUP BY order_id) s
    ON s.order_id = o.id
  SET o.total = s.total;

CREATE VIEW sales AS
  SELECT p.sku, p.name, SUM(l.quantity) AS sold, SUM(l.quantity * l.price) AS revenue
  FROM order_lines l JOIN products p ON p.id = l.product_id GROUP BY p.id;

DELIMITER //
CREATE TRIGGER take_from_stock AFTER INSERT ON order_lines FOR EACH ROW
BEGIN
  UPDATE products SET stock = stock - NEW.quantity WHERE id = NEW.product_id;
  UPDATE orders SET total = total + NEW.quantity * NEW.price WHERE id = NEW.order_id;
END//
CREATE PROCEDURE place_order (IN customer INT UNSIGNED, IN product INT UNSIGNED, IN amount INT)
BEGIN
  START TRANSACTION;
  INSERT INTO orders (customer_id) VALUES (customer);
  INSERT INTO order_lines VALUES (LAST_INSERT_ID(), 1, product, amount, 19.90);
  COMMIT;
END//
CREATE FUNCTION open_orders () RETURNS INT READS SQL DATA
  RETURN (SELECT COUNT(*) FROM orders WHERE state = 'new')//
DELIMITER ;

CREATE EVENT forget_the_unpaid
  ON SCHEDULE EVERY 1 DAY STARTS '2038-01-01 03:00:00'
  DO DELETE FROM orders WHERE state = 'new' AND placed < NOW() - INTERVAL 5 YEAR;

CREATE ROLE reporting;
GRANT SELECT, SHOW VIEW ON shop.* TO reporting;
CREATE USER 'shop'@'%' IDENTIFIED BY 'not-a-secret';
GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE ON shop.* TO 'shop'@'%';
GRANT reporting TO 'shop'@'%';
