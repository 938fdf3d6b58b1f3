"""Rules of the house that no linter checks: sizes, names, and one exit code for every error."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cli.main import _translate
from engine.core import errors
from engine.core.errors import MentatError

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    file
    for package in ("engine", "console", "runbooks", "tests")
    for file in (ROOT / package).rglob("*.py")
)
OURS = [file for file in SOURCES if "tests" not in file.relative_to(ROOT).parts]
LINES = 400
FUNCTION_LINES = 50
_WORDS = "utils?|helpers?|managers?|common|misc|data|info|handle"
BANNED = re.compile(rf"(?:^|_)(?:{_WORDS})(?:_|$)|^_*process_")  # process: as a verb
# what an operator keeps, and what a server calls its data directory
ALLOWED = {"data_directory", "KeptData", "_data_volume"}
EXIT_CODES = {0, 1, 2, 3, 4, 5, 6, 7, 8, 130}


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", SOURCES, ids=name)
def test_modules_stay_small(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= LINES


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body; what the signature and the docstring promise does not count."""
    body = function.body[1:] if ast.get_docstring(function) and function.body[1:] else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1


@pytest.mark.parametrize("file", OURS, ids=name)
def test_functions_stay_small(file: Path) -> None:
    found = functions(ast.parse(file.read_text()))
    assert not {f.name: length(f) for f in found if length(f) >= FUNCTION_LINES}


def words(identifier: str) -> str:
    """`KeptData` and `kept_data` alike."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", identifier).lower()


@pytest.mark.parametrize("file", OURS, ids=name)
def test_names_say_something(file: Path) -> None:
    assert not BANNED.search(file.stem)
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            assert node.name in ALLOWED or not BANNED.search(words(node.name)), node.name


def tree(kind: type[MentatError]) -> Iterator[type[MentatError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


@pytest.mark.parametrize("kind", list(tree(MentatError)), ids=lambda kind: kind.__name__)
def test_every_error_has_its_exit_code_and_code(kind: type[MentatError]) -> None:
    assert kind.exit_code in EXIT_CODES
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.code)
    raised = kind("what is wrong", "what to do")
    assert _translate(raised) is raised
    drawn = errors.__doc__ or ""
    assert re.search(rf"\b{kind.__name__}\b", drawn), "draw it in the tree at the top"


def test_codes_are_unique() -> None:
    kinds = list(tree(MentatError))
    assert len({kind.code for kind in kinds}) == len(kinds)


def test_the_drawn_exit_codes_are_the_real_ones() -> None:
    for line in (errors.__doc__ or "").splitlines():
        drawn = re.match(r"[│├└─ ]*(\w+)\s+(\d+)\b", line)
        if drawn:
            assert getattr(errors, drawn[1]).exit_code == int(drawn[2])
