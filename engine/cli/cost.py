"""`mentat-dr cost`: what storage costs now, what it will cost, and elsewhere."""

from __future__ import annotations

import click

from engine.api import CostReport, Month
from engine.cli import text
from engine.cli.invocation import Invocation, shared
from engine.cli.output import Output, plain_value

_BILL = ("STORAGE", "REQUESTS", "RETRIEVAL", "EGRESS", "TOTAL")


@click.command("cost")
@click.option("--refresh/--cached", default=None, help="List the stores now / never.")
@shared
@click.pass_obj
def command(invocation: Invocation, refresh: bool | None) -> None:
    """What is stored, its monthly cost, the forecast, other providers, and a full restore.

    Prices are dated; your own go into prices.toml beside the configuration.
    """
    report = invocation.engine().costs.report(refresh=refresh)
    if invocation.output.json:
        invocation.output.document(document(report))
    else:
        show(invocation.output, report)


def document(report: CostReport) -> dict[str, object]:
    """The JSON of a report: its fields, and the totals worked out."""
    found: dict[str, object] = plain_value(report)
    found["dated"] = report.dated.isoformat()
    found["total"] = report.total
    found["stores"] = [
        plain_value(store)
        | {
            "now": plain_value(store.now) | {"total": store.now.total},
            "restore": plain_value(store.restore) | {"total": store.restore.total},
        }
        for store in report.stores
    ]
    found["compared"] = [plain_value(m) | {"total": m.total} for m in report.compared]
    return found


def show(output: Output, report: CostReport) -> None:
    """The report for people. Amounts per month, in the table's currency."""
    unit = report.currency
    output.line(
        f"{report.total:,.2f} {unit} a month, by prices of {report.dated.isoformat()}", "strong"
    )
    for note in report.notes:
        output.line(f"! {note}", "warning")
    output.line()
    _show_stores(output, report)
    output.line()
    _show_groups(output, report)
    output.line()
    for ahead in report.forecast:
        output.line(
            f"in {ahead.days:3} days: {ahead.total:,.2f} {unit} a month for "
            f"{text.size(ahead.bytes)}, as retention and growth are now"
        )
    if report.compared:
        output.line()
        _show_compared(output, report)


def _show_stores(output: Output, report: CostReport) -> None:
    head = ("STORE", "TIER", "STORED", *_BILL, "FULL RESTORE")
    rows = [
        (
            store.store,
            store.tier,
            text.size(store.bytes),
            *(f"{amount:,.2f}" for amount in _bill(store.now)),
            f"{store.restore.total:,.2f}",
        )
        for store in report.stores
    ]
    right = ("STORED", *_BILL, "FULL RESTORE")
    output.table(head, rows, right=right, spare=("RETRIEVAL", "REQUESTS", "TIER"))
    for store in report.stores:
        for note in store.now.notes:
            output.line(f"{store.store}: {note}")
        if store.restore.thaw_hours:
            output.line(f"{store.store}: a restore waits {store.restore.thaw_hours:g} h first")


def _show_groups(output: Output, report: CostReport) -> None:
    groups = [
        (g.host, g.kind, g.tier, g.storage_class, str(g.snapshots), text.size(g.bytes))
        for g in report.groups
    ]
    output.table(
        ("HOST", "KIND", "TIER", "CLASS", "SNAPSHOTS", "STORED"),
        groups,
        right=("SNAPSHOTS", "STORED"),
        spare=("CLASS",),
    )


def _show_compared(output: Output, report: CostReport) -> None:
    output.line(
        f"The primary elsewhere, reading {text.size(report.read_bytes)} of it a month:", "strong"
    )
    table = [(m.provider, *(f"{amount:,.2f}" for amount in _bill(m))) for m in report.compared]
    output.table(("PROVIDER", *_BILL), table, right=_BILL, spare=("RETRIEVAL", "REQUESTS"))


def _bill(month: Month) -> tuple[float, ...]:
    return (month.storage, month.requests, month.retrieval, month.egress, month.total)
