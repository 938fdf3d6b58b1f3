"""Health checks against real listeners: what passes, what fails, and in which words."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from engine import settings_file, wiring
from engine.adapters.reach import NetworkReach
from engine.core.card import CardFacts, blocks
from engine.core.document import plain
from engine.core.errors import ConfigurationError, ContainersError, DatabaseError
from engine.core.health import Contact, Health, HealthCheck
from engine.operations import health
from engine.settings import Settings

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = 503 if self.path == "/broken" else 200
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"all is well" if status == 200 else b"no")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def away() -> object:
    raise ContainersError("Docker does not answer", "")


def no_database(source: str, sql: str, timeout: float) -> str:
    if source == "gone":
        raise DatabaseError("access denied", "")
    return {"SELECT 1": "1", "SELECT 0": "0"}[sql]


def ask(*checks: HealthCheck) -> list[Health]:
    on = health.Examined(
        reach=NetworkReach(),
        processes=wiring._Processes(),
        containers=away,  # type: ignore[arg-type]
        ask=no_database,
        clock=lambda: NOW,
    )
    return list(health.examine(on, checks))


def test_every_kind_answers_in_words(web: str) -> None:
    checks = {
        HealthCheck("web", "url", f"http://{web}/", expect="well"): (True, "status 200"),
        HealthCheck("text", "url", f"http://{web}/", expect="ill"): (False, "'ill' is not in"),
        HealthCheck("broken", "url", f"http://{web}/broken"): (False, "status 503"),
        HealthCheck("wanted", "url", f"http://{web}/broken", status=503): (True, "status 503"),
        HealthCheck("shut", "url", f"http://127.0.0.1:{closed_port()}/"): (False, "refused"),
        HealthCheck("name", "url", "http://no.such.name.invalid/"): (False, "does not resolve"),
        HealthCheck("port", "tcp", web): (True, "answers"),
        HealthCheck("no-port", "tcp", f"127.0.0.1:{closed_port()}"): (False, "refused"),
        HealthCheck("true", "command", argv=("echo", "fine"), expect="fine"): (True, "fine"),
        HealthCheck("false", "command", argv=("sh", "-c", "echo bad >&2; exit 3")): (
            False,
            "exit code 3: bad",
        ),
        HealthCheck("slow", "command", argv=("sleep", "30"), timeout=timedelta(seconds=1)): (
            False,
            "",
        ),
        HealthCheck("none", "command", argv=("no-such-program",)): (False, "not installed"),
        HealthCheck("box", "container", "shop"): (False, "Docker does not answer"),
        HealthCheck("rows", "sql", source="shop-db", sql="SELECT 1"): (True, "1"),
        HealthCheck("empty", "sql", source="shop-db", sql="SELECT 0"): (False, "0"),
        HealthCheck("other", "sql", source="shop-db", sql="SELECT 1", expect="2"): (
            False,
            "'1', expected '2'",
        ),
        HealthCheck("denied", "sql", source="gone", sql="SELECT 1"): (False, "access denied"),
    }
    for answer, (ok, said) in zip(ask(*checks), checks.values(), strict=True):
        assert (answer.ok, said in answer.said) == (ok, True), answer


CONFIG = """
host = "landsraad"
runbooks = "/srv/books"
[repository]
provider = "directory"
path = "/tmp/store"
[encryption]
recipients = ["backup@example.org"]
"""


def load(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "config.toml"
    file.write_text(CONFIG + text)
    file.chmod(0o600)
    return settings_file.load(file)


def test_the_configuration_names_them_and_is_written_back(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        """
[[health]]
name = "web"
url = "https://shop.example.org/"
expect = "shop"
timeout = "3s"
[[health]]
name = "rows"
source = "shop-db"
sql = "SELECT COUNT(*) FROM shop.orders"
[[health]]
name = "disk"
command = ["df", "/"]
[[contact]]
name = "Anna"
role = "on call"
reach = ["+49 30 1234", "anna@example.org"]
wait = "10m"
""",
    )
    assert [check.kind for check in settings.health] == ["url", "sql", "command"]
    assert settings.contacts[0].wait == timedelta(minutes=10)
    assert str(settings.runbooks) == "/srv/books"
    settings_file.save(settings)
    assert settings_file.load(tmp_path / "config.toml") == settings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[health]]\nname = "x"\n', "give one of url, tcp"),
        ('[[health]]\nname = "x"\nurl = "http://a"\ntcp = "a:1"\n', "found 2"),
        ('[[health]]\nname = "x"\ntcp = "nowhere"\n', 'must be "host:port"'),
        ('[[health]]\nname = "x"\nsql = "SELECT 1"\n', "name the database source"),
        ('[[health]]\nname = "x"\nurl = "http://a"\nexpext = "y"\n', 'did you mean "expect"'),
        ('[[health]]\nname = "x"\ncontainer = "a"\nstatus = 3\n', "does not belong"),
        ('[[contact]]\nname = "Anna"\n', "reach"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text)
    assert said in str(caught.value)


def test_a_card_is_complete_with_nothing_answering() -> None:
    check = HealthCheck("web", "url", "https://shop.example.org/")
    facts = CardFacts(
        host="landsraad",
        environment="production",
        store="wasabi:backups",
        now=NOW,
        values={},
        recipients=("AB" * 20,),
        keys=(),
        keys_problem="no answer within 10 s",
        contacts=(Contact("Ben \x1b[31m", "", ("1",), 2), Contact("Anna", "", ("2",), 1)),
        checks=(check,),
        health=(Health(check, False, "no answer in time", 5.0, NOW),),
        posture=None,
    )
    text = plain("Card", blocks(facts, ()))
    assert text.index("Anna") < text.index("Ben") and "\x1b" not in text
    for wanted in ("FAILS", "no answer in time", "AB" * 20, "no answer within 10 s", "RECOVERY.md"):
        assert wanted in text
