"""The fake engine may not drift from the real one: same calls, same parameters."""

from __future__ import annotations

import inspect

import pytest

from engine.api import Engine
from tests.console.fake_engine import FakeEngine

CALLS = [
    name
    for name, member in vars(Engine).items()
    if inspect.isfunction(member) and not name.startswith("_")
]


@pytest.mark.parametrize("name", CALLS)
def test_has_the_real_call_with_its_parameters(name: str) -> None:
    assert name in vars(FakeEngine), f"FakeEngine lacks {name}"
    real = inspect.signature(getattr(Engine, name))
    fake = inspect.signature(getattr(FakeEngine, name))
    assert [(p.name, p.kind, p.default) for p in fake.parameters.values()] == [
        (p.name, p.kind, p.default) for p in real.parameters.values()
    ]
