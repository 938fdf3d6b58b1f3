"""The [verify] and [drill] tables, and a database's [[source.assertions]]."""

from __future__ import annotations

import re

from engine.settings import Assertion, DrillSettings, VerifySettings
from engine.settings_file.table import Table

_MEMORY = re.compile(r"[1-9][0-9]{0,6}[kmg]\Z")


def read_verify(table: Table) -> VerifySettings:
    usual = VerifySettings()
    found = VerifySettings(
        cover=table.duration("cover", usual.cover), memory=table.text("memory", usual.memory)
    )
    if not _MEMORY.match(found.memory):
        table.problem("memory", f'"{found.memory}" is no amount of memory; write one like "2g"')
    table.close()
    return found


def read_drill(table: Table) -> DrillSettings:
    found = DrillSettings(rto=table.duration("rto", DrillSettings().rto))
    table.close()
    return found


def read_assertions(table: Table) -> tuple[Assertion, ...]:
    found = []
    for item in table.tables("assertions"):
        found.append(
            Assertion(item.text("sql", required=True), item.text("expected", required=True))
        )
        item.close()
    return tuple(found)
