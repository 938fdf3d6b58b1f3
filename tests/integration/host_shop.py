"""A small production host: a reverse proxy before an application before MySQL, on a network of
its own, with uploads, configuration and a writer that never rests."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tests.lab import Lab, images
from tests.lab.databases import DatabaseContainer
from tests.lab.processes import free_ports

SERVER = """
import http.server, os, pymysql
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/orders":
            link = pymysql.connect(
                host=os.environ["DB"], user="shop", password="s3cret", db="shop",
                ssl={"check_hostname": False, "verify_mode": False},
            )
            with link.cursor() as cursor:
                cursor.execute("SELECT COUNT(*) FROM orders")
                body = str(cursor.fetchone()[0]).encode()
            link.close()
        else:
            body = open("/uploads" + self.path, "rb").read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("", 8000), Page).serve_forever()
"""
PROXY = """
import http.server, os, urllib.request
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        body = opener.open("http://%s:8000%s" % (os.environ["APP"], self.path), timeout=10).read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("", 8080), Page).serve_forever()
"""
SCHEMA = """
CREATE DATABASE shop; USE shop;
CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(60) NOT NULL);
CREATE USER 'shop'@'%' IDENTIFIED BY 's3cret';
GRANT SELECT, INSERT ON shop.* TO 'shop'@'%';
"""


@dataclass
class Shop:
    """All its objects carry `tag` in their names."""

    lab: Lab
    tag: str
    conf: Path
    port: int
    database: DatabaseContainer | None = None

    @property
    def names(self) -> list[str]:
        return [f"proxy-{self.tag}", f"app-{self.tag}", f"db-{self.tag}"]

    @property
    def uploads(self) -> str:
        return f"uploads-{self.tag}"

    def page(self, path: str) -> bytes:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        body: bytes = opener.open(f"http://127.0.0.1:{self.port}{path}", timeout=15).read()
        return body

    def wait_page(self, path: str, seconds: float = 60) -> bytes:
        until = time.monotonic() + seconds
        while True:
            try:
                return self.page(path)
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def orders(self) -> list[tuple[str, ...]]:
        assert self.database is not None
        return self.database.sql("SELECT id, note FROM shop.orders ORDER BY id")

    def destroy(self) -> None:
        """Lose it all, as with the machine: containers, volumes, network, configuration."""
        docker = self.lab.docker
        docker("rm", "--force", "--volumes", *self.names)
        volumes = docker("volume", "ls", "--quiet", "--filter", f"name={self.tag}").split()
        if volumes:
            docker("volume", "rm", "--force", *volumes)
        networks = docker("network", "ls", "--quiet", "--filter", f"name={self.tag}").split()
        if networks:
            docker("network", "rm", *networks)
        shutil.rmtree(self.conf, ignore_errors=True)


def compose(tag: str, conf: Path, service: str, needs: str = "") -> list[str]:
    """What docker compose would label a container with."""
    labels = {
        "com.docker.compose.project": f"shop-{tag}",
        "com.docker.compose.project.working_dir": str(conf),
        "com.docker.compose.project.config_files": str(conf / "compose.yml"),
        "com.docker.compose.service": service,
        "com.docker.compose.depends_on": f"{needs}:service_started:false" if needs else "",
    }
    return [f"--label={key}={value}" for key, value in labels.items()]


def open_shop(lab: Lab, root: Path, *, with_database: bool = True) -> Shop:
    """Build it, serving. Without a database the application serves its uploads only."""
    tag = secrets.token_hex(3)
    (port,) = free_ports(1)
    conf = root / f"conf-{tag}"
    conf.mkdir()
    for name, text in (("app.py", SERVER), ("proxy.py", PROXY), ("compose.yml", "services: {}\n")):
        (conf / name).write_text(text)
    shop = Shop(lab, tag, conf, port)
    net = f"--network={lab.new_network(f'net-{tag}')}"
    lab.new_volume(shop.uploads)
    folder = lab.volume_path(shop.uploads)
    (folder / "cat.txt").write_text("a cat\n" * 1000)
    (folder / "deep").mkdir()
    (folder / "deep" / "noise").write_bytes(secrets.token_bytes(1 << 20))
    if with_database:
        lab.new_volume(f"dbdata-{tag}")
        shop.database = lab.run_mysql(
            f"db-{tag}",
            volume=f"dbdata-{tag}",
            options=[net, *compose(tag, conf, "db")],
        )
        shop.database.client(SCHEMA)
        shop.database.client(rows(300), database="shop")
    lab.run_app(
        *("python3", "/conf/app.py"),
        image=images.APP,
        name=f"app-{tag}",
        volumes={shop.uploads: "/uploads", f"{conf}": "/conf:ro"},
        environment={"DB": f"db-{tag}"},
        options=[net, *compose(tag, conf, "app", "db")],
    )
    check = "--health-cmd=curl --fail --silent http://127.0.0.1:8080/cat.txt >/dev/null"
    lab.run_app(
        *("python3", "/conf/proxy.py"),
        image=images.APP,
        name=f"proxy-{tag}",
        volumes={f"{conf}": "/conf:ro"},
        environment={"APP": f"app-{tag}"},
        options=[
            *(net, f"--publish=127.0.0.1:{port}:8080", check, "--health-interval=1s"),
            *compose(tag, conf, "proxy", "app"),
        ],
    )
    shop.wait_page("/orders" if with_database else "/cat.txt")
    return shop


def rows(count: int) -> str:
    values = ", ".join(f"('{secrets.token_hex(20)}')" for _ in range(count))
    return f"INSERT INTO orders (note) VALUES {values};"


class Writer:
    """Inserts orders until told to stop: the load that a backup runs under."""

    def __init__(self, database: DatabaseContainer) -> None:
        self._database = database
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._database.client(rows(20), database="shop")

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
