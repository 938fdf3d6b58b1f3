"""The [[health]] and [[contact]] tables: what is healthy, and who is called."""

from __future__ import annotations

import re
from datetime import timedelta

from engine.core.durations import format_duration
from engine.core.health import HEALTH_KINDS, Contact, HealthCheck, HealthKind
from engine.settings_file.table import Table

KEY_KINDS: dict[str, HealthKind] = {
    "url": "url",
    "status": "url",
    "tcp": "tcp",
    "command": "command",
    "container": "container",
    "source": "sql",
    "sql": "sql",
}
_TCP = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/]+):(\d{1,5})\Z")


def read_health(top: Table) -> tuple[HealthCheck, ...]:
    checks = []
    taken: set[str] = set()
    for table in top.tables("health"):
        check = _check(table)
        if check.name in taken:
            top.problems.append(f'health: two checks are called "{check.name}"')
        taken.add(check.name)
        checks.append(check)
    return tuple(checks)


def _check(table: Table) -> HealthCheck:
    kinds = [kind for kind in HEALTH_KINDS if table.has(kind)]
    name = table.name("name")
    targets = {key: table.text(key) for key in ("url", "tcp", "container")}
    argv = table.texts("command")
    kind = kinds[0] if kinds else "url"
    check = HealthCheck(
        name=name,
        kind=kind,
        target=targets.get(kind, ""),
        argv=argv,
        source=table.text("source"),
        sql=table.text("sql"),
        expect=table.text("expect"),
        status=table.count("status", 0, low=0, high=599),
        timeout=table.duration("timeout", timedelta(seconds=5)),
    )
    table.close()
    if len(kinds) != 1:
        table.problem("", f"give one of {', '.join(HEALTH_KINDS)}; found {len(kinds)}")
    else:
        _problems(table, check)
    return check


def _problems(table: Table, check: HealthCheck) -> None:
    for key, kind in KEY_KINDS.items():
        if table.has(key) and kind != check.kind:
            table.problem(key, f"does not belong to a {check.kind} check")
    if check.kind == "url" and not check.target.startswith(("http://", "https://")):
        table.problem("url", "must begin with http:// or https://")
    if check.kind == "tcp" and not _TCP.match(check.target):
        table.problem("tcp", 'must be "host:port"')
    if check.kind == "sql" and not check.source:
        table.problem("source", "is missing; name the database source to ask")
    if check.kind in ("container", "sql") and not (check.target or check.sql):
        table.problem(check.kind, "must not be empty")
    if check.kind == "command" and not check.argv:
        table.problem("command", "must name a program")
    if check.kind in ("tcp", "container") and check.expect:
        table.problem("expect", f"does not belong to a {check.kind} check")


def read_contacts(top: Table) -> tuple[Contact, ...]:
    return tuple(_contact(table) for table in top.tables("contact"))


def _contact(table: Table) -> Contact:
    wait = table.duration("wait", timedelta())
    contact = Contact(
        name=table.text("name", required=True),
        role=table.text("role"),
        reach=table.texts("reach", required=True),
        order=table.count("order", 1, low=1, high=99),
        wait=wait or None,
        note=table.text("note"),
    )
    table.close()
    return contact


def health_document(check: HealthCheck) -> dict[str, object]:
    """The table that reads back as this check."""
    table: dict[str, object] = {"name": check.name}
    if check.kind == "command":
        table["command"] = list(check.argv)
    elif check.kind == "sql":
        table |= {"sql": check.sql, "source": check.source}
    else:
        table[check.kind] = check.target
    if check.expect:
        table["expect"] = check.expect
    if check.status:
        table["status"] = check.status
    if check.timeout != timedelta(seconds=5):
        table["timeout"] = format_duration(check.timeout)
    return table


def contact_document(contact: Contact) -> dict[str, object]:
    """The table that reads back as this contact."""
    table: dict[str, object] = {"name": contact.name, "reach": list(contact.reach)}
    table["order"] = contact.order
    for key in ("role", "note"):
        if getattr(contact, key):
            table[key] = getattr(contact, key)
    if contact.wait:
        table["wait"] = format_duration(contact.wait)
    return table
