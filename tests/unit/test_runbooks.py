"""Runbooks: read strictly, linted, replaced by a deployment's own, written for paper."""

from __future__ import annotations

import re
from datetime import date, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from engine.api import incident_actions
from engine.core import document, runbook_lint, runbook_text
from engine.core.runbook import LIFE, Runbook, after, fill, fill_command, moves
from engine.core.runbook_actions import ACTIONS
from engine.operations import runbook_reading

TODAY = date(2026, 11, 23)
REQUIRED = {
    "vps-complete-failure": (timedelta(hours=2), timedelta(hours=1)),
    "database-corruption": (timedelta(hours=1), timedelta(minutes=15)),
    "application-data-loss": (timedelta(minutes=50), None),
    "observability-stack-failure": (timedelta(minutes=15), None),
    "network-dns": (timedelta(minutes=30), None),
    "security-breach": (timedelta(hours=2), None),
}
PROCEDURES = {"point-in-time-recovery", "cross-region-failover", "lost-encryption-key"}
CHECKLISTS = {"pre-flight", "post-recovery"}
SMALL = """
id = "small"
title = "Small"
kind = "procedure"
owner = "operations"
reviewed = "2026-11-01"
summary = "One step."

[[step]]
id = "one"
title = "One"
phase = "assess"
kind = "manual"
expected = "5m"
instructions = "Do it."
"""


@pytest.fixture(scope="module")
def books() -> dict[str, Runbook]:
    shelf = runbook_reading.shelf(Path("/nonexistent"))
    assert not shelf.unread
    return dict(shelf.books)


def lint(*books: Runbook, today: date = TODAY, checks: tuple[str, ...] = ()) -> list[str]:
    found = runbook_lint.lint(
        books, today=today, actions=incident_actions.available(), checks=checks
    )
    return [f"{r.weight} {r.runbook}/{r.step}: {r.what}" for r in found]


def small(text: str = "", **changes: str) -> Runbook:
    body = SMALL
    for old, new in changes.items():
        body = body.replace(f'{old} = "', f'{old} = "{new}"\n#"', 1) if new else body
    _, book, problems = runbook_reading.parse((body + text).encode(), "small.toml")
    assert book is not None, problems
    return book


def test_the_required_ones_are_there_with_their_targets(books: dict[str, Runbook]) -> None:
    assert set(books) == {*REQUIRED, *PROCEDURES, *CHECKLISTS}
    for name, (rto, rpo) in REQUIRED.items():
        assert books[name].rto == rto
        assert rpo is None or books[name].rpo == rpo
    assert books["observability-stack-failure"].rto_most == timedelta(hours=1)
    assert books["security-breach"].rto_most == timedelta(hours=4)
    first = [s.id for s in books["security-breach"].steps]
    assert first.index("evidence") < first.index("isolate") < first.index("restore")


def test_ours_have_nothing_to_be_said_of(books: dict[str, Runbook]) -> None:
    assert lint(*books.values()) == []


def test_every_action_is_known_on_both_sides() -> None:
    calls = {*incident_actions.JOBS, *incident_actions.LOOKS}
    assert calls == set(ACTIONS)
    assert {name for name, a in ACTIONS.items() if a.how == "job"} == set(incident_actions.JOBS)


def test_they_are_part_of_the_package() -> None:
    names = [f.name for f in resources.files("runbooks").iterdir() if f.name.endswith(".toml")]
    assert len(names) == len(REQUIRED) + len(PROCEDURES) + len(CHECKLISTS)


FAULTS: list[tuple[str, str]] = [
    ('needs = ["nowhere"]', "it needs 'nowhere', which is no step"),
    ('action = { do = "fly" }\ncommand = "x"\n#', "a manual step runs no action"),
    ('command = "echo {nobody}"', "nothing fills {nobody}"),
    ('when = { decision = "one", is = ["x"] }', "it depends on 'one', which is no decision"),
    ('risk = "destroys"', "it destroys without a second person's approval"),
    ('risk = "changes"', "it changes and says nothing of how it is taken back"),
    ('ask = "time"', "only a decision has answers"),
]


@pytest.mark.parametrize(("line", "said"), FAULTS, ids=[said for _, said in FAULTS])
def test_lint_finds(line: str, said: str) -> None:
    assert any(said in found for found in lint(small(line))), lint(small(line))


def step(name: str, kind: str, more: str) -> str:
    head = f'\n[[step]]\nid = "{name}"\ntitle = "T"\nphase = "recover"\nkind = "{kind}"\n'
    return f'{head}expected = "1m"\ninstructions = "I."\n{more}\n'


def test_lint_finds_unknown_actions_and_parameters() -> None:
    text = step("a", "action", 'command = "c"\naction = { do = "fly" }')
    assert any("there is no action 'fly'" in f for f in lint(small(text)))
    text = step("a", "action", 'command = "c"\naction = { do = "restore", source = "x", t = "y" }')
    found = lint(small(text))
    assert any("needs 'to'" in f for f in found) and any("knows no 't'" in f for f in found)
    text = step("a", "action", 'action = { do = "backup" }')
    assert any("no bare command" in f for f in lint(small(text)))
    text = step("a", "check", 'command = "c"\naction = { do = "health", checks = "web" }')
    assert any("no health check is called 'web'" in f for f in lint(small(text)))
    assert lint(small(text), checks=("web",)) == []


def test_an_action_that_the_engine_lacks_is_an_error() -> None:
    text = step("a", "action", 'command = "c"\naction = { do = "backup" }')
    found = runbook_lint.lint([small(text)], today=TODAY, actions=(), checks=())
    assert [r.what for r in found] == ["the action 'backup' cannot be run by this engine"]


def test_lint_finds_circles_and_twins() -> None:
    text = step("a", "manual", 'needs = ["b"]') + step("b", "manual", 'needs = ["a"]')
    [found] = [f for f in lint(small(text)) if "circle" in f]
    assert re.search(r"a -> b -> a|b -> a -> b", found)
    twins = step("a", "manual", "") + step("a", "manual", "")
    assert any("two steps have this id" in f for f in lint(small(twins)))


def test_a_review_that_is_overdue_warns() -> None:
    assert lint(small(), today=date(2027, 3, 1)) == [
        "warning small/: its review is overdue by 30 days (owner: operations)"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id = 3", "expected a string"),
        (SMALL.replace("phase", "fase"), "unknown key"),
        (SMALL.replace('"assess"', '"later"'), "is not one of"),
        (SMALL.replace("2026-11-01", "soon"), "soon"),
        (SMALL.replace('"one"', '"../one"'), "no id"),
        ("a = [", "not TOML"),
        (SMALL.replace("Do it.", "Do\\u0007 it."), "control"),
    ],
)
def test_what_is_no_runbook_says_why(text: str, said: str) -> None:
    _, book, problems = runbook_reading.parse(text.encode(), "x.toml")
    assert book is None and any(said in problem for problem in problems), problems


def test_a_deployment_replaces_and_adds(tmp_path: Path) -> None:
    own = SMALL.replace('"small"', '"pre-flight"').replace('"Small"', '"Ours"')
    (tmp_path / "a.toml").write_text(own)
    (tmp_path / "b.toml").write_text(SMALL)
    (tmp_path / "c.toml").write_text("broken")
    shelf = runbook_reading.shelf(tmp_path)
    assert shelf.books["pre-flight"].title == "Ours" and "small" in shelf.books
    assert shelf.books["database-corruption"].title == "Database corruption"
    assert [Path(u.file).name for u in shelf.unread] == ["c.toml"]


def test_values_never_become_commands() -> None:
    values = {"writers": "a,b;rm -rf /", "name": "x$(id)"}
    assert fill_command("docker stop {writers}", values) == "docker stop a 'b;rm -rf /'"
    assert fill_command("echo {name}", values) == "echo 'x$(id)'"
    assert fill_command("echo {gone} {{.Mount}}", values) == "echo <gone> {{.Mount}}"
    assert fill("to {name}", values) == "to x$(id)"


def test_the_life_of_a_step_is_closed() -> None:
    states = {state for state, _ in LIFE} | set(LIFE.values())
    for state in states:
        assert moves(state), f"{state} is a dead end"
    assert after("running", "skip") is None and after("done", "begin") is None


@pytest.mark.parametrize("form", ["markdown", "html", "plain"])
def test_on_paper_everything_stands(books: dict[str, Runbook], form: str) -> None:
    made = runbook_text.whole_book(books.values(), {"host": "landsraad"}, TODAY)
    written: Any = getattr(document, form)
    text = written("Book", made)
    for book in books.values():
        assert book.title in text
    assert "<script" not in text
    if form == "html":
        assert "@media print" in text and "http" not in text.split("<body>")[0]


def test_a_document_escapes_what_it_holds() -> None:
    bad = "<b>x</b> | *y* \x1b[31m\n`z`"
    blocks = [
        document.Paragraph(bad),
        document.Grid(("a",), ((bad,),)),
        document.Code("``` " + bad),
    ]
    assert "<b>" not in document.html("t", blocks)
    for write in (document.html, document.markdown, document.plain):
        assert "\x1b" not in write("t", blocks)
    assert "| \\<b\\>x\\</b\\> \\|" in document.markdown("t", blocks)
    assert "````sh" in document.markdown("t", blocks)
