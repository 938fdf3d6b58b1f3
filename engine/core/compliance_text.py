"""A period's compliance as Markdown and as one HTML page."""

from __future__ import annotations

from html import escape

from engine.core.compliance import Compliance, SourceRecord
from engine.core.durations import format_duration
from engine.core.report_charts import bars
from engine.core.report_text import in_markdown, page

_HEAD = ("source", "kind", "RPO met", "longest gap", "days", "proofs", "slowest recovery", "RTO")


def markdown(found: Compliance) -> str:
    lines = [f"# Compliance of {in_markdown(found.host)}", "", _period(found), ""]
    lines += [f"- {line}" for line in _facts(found)]
    lines += ["", "## Exceptions", ""]
    lines += [f"- {in_markdown(line)}" for line in found.exceptions] or ["None."]
    lines += ["", "## Sources", "", f"| {' | '.join(_HEAD)} |", "|-|-|-|-|-|-|-|-|"]
    lines += [f"| {' | '.join(map(in_markdown, _row(r)))} |" for r in found.sources]
    return "\n".join(lines) + "\n"


def html(found: Compliance) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in _HEAD)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _row(r)) + "</tr>"
        for r in found.sources
    )
    facts = "".join(f"<li>{escape(line)}</li>" for line in _facts(found))
    listed = "".join(f'<li class="failed">{escape(line)}</li>' for line in found.exceptions)
    chart = bars(
        [(r.source, r.rpo_met, f"{r.rpo_met:.1%}") for r in found.sources],
        "Part of the period in which the RPO was met",
    )
    body = (
        f"<h1>Compliance of {escape(found.host)}</h1><p>{escape(_period(found))}</p>"
        f"<ul>{facts}</ul><h2>Exceptions</h2><ul>{listed or '<li>None.</li>'}</ul>"
        f"<h2>RPO met</h2>{chart}<h2>Sources</h2><table><tr>{head}</tr>{rows}</table>"
    )
    return page(escape(f"Compliance: {found.host}"), body)


def _period(found: Compliance) -> str:
    return f"{found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M} UTC"


def _facts(found: Compliance) -> list[str]:
    return [
        f"Verifications: {found.verifications}, of which {found.verifications_failed} failed",
        f"Drills: {found.drills}, of which {found.drills_failed} failed; "
        f"{found.full_drills} of all of the host",
        f"Keys checked: {found.key_checks} times",
        "All promises were kept" if found.met else f"Exceptions: {len(found.exceptions)}",
    ]


def _row(record: SourceRecord) -> tuple[str, ...]:
    measured = "never" if record.rto_measured is None else f"{record.rto_measured:.1f} s"
    return (
        record.source,
        record.kind,
        f"{record.rpo_met:.1%} of {format_duration(record.rpo)}",
        format_duration(record.longest_gap),
        f"{record.days} of {record.of_days}",
        str(record.proofs),
        measured,
        format_duration(record.rto),
    )
