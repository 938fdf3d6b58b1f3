"""A report as Markdown and as one self-contained HTML page."""

from __future__ import annotations

import re
from html import escape

from engine.core.report import Check, Outcome, Report
from engine.core.report_charts import phases_chart, rto_chart

WORDS: dict[Outcome, str] = {"passed": "passed", "warning": "WARNING", "failed": "FAILED"}
_MARKS = re.compile(r"([\\`*_\[\]<>|~])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_STYLE = """
body{font:15px/1.45 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}
td,th{border-bottom:1px solid #ccc;padding:.3rem .5rem;text-align:left;vertical-align:top}
.passed{color:#2f7d4f}.warning{color:#8a5a00;font-weight:bold}
.failed{color:#b23b3b;font-weight:bold}
"""


def in_markdown(text: str) -> str:
    """Foreign text on one line, with nothing in it that Markdown would read as a mark."""
    return _MARKS.sub(r"\\\1", _CONTROL.sub(" ", text))


def _seconds(value: float) -> str:
    if value < 60:
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m {seconds:02d}s" if hours else f"{minutes}m {seconds:02d}s"


def _facts(report: Report) -> list[tuple[str, str]]:
    rows = [
        ("Host", report.host),
        ("Environment", report.environment),
        ("Read from", report.store),
        ("Started", f"{report.started:%Y-%m-%d %H:%M:%S} UTC"),
        ("Took", _seconds(report.seconds)),
        ("Outcome", f"{WORDS[report.outcome]}: {report.summary}"),
        ("Job", report.id),
    ]
    whole = report.whole
    if whole is not None:
        met = "met" if whole.met else "MISSED"
        took, target = _seconds(whole.seconds), _seconds(whole.target_seconds)
        rows.append(("Recovery time", f"{took} of {target}: {met}"))
    return [(name, value) for name, value in rows if value]


def markdown(report: Report) -> str:
    """The report for people and for tickets; what is not in order comes first."""
    lines = [f"# {in_markdown(report.title)}: {in_markdown(report.host)}", ""]
    lines += [f"- {name}: {in_markdown(value)}" for name, value in _facts(report)]
    for check in _troubles(report):
        lines += ["", f"**{WORDS[check.outcome]}** {in_markdown(_named(check))}"]
        if check.remedy:
            lines.append(f"→ {in_markdown(check.remedy)}")
    if report.rto:
        lines += ["", "## Recovery times", "", "| source | measured | target | |", "|-|-|-|-|"]
        lines += [
            f"| {in_markdown(r.source or 'whole application')} | {_seconds(r.seconds)} | "
            f"{_seconds(r.target_seconds)} | {'met' if r.met else '**MISSED**'} |"
            for r in report.rto
        ]
    lines += ["", "## Checks", "", "| source | check | outcome | |", "|-|-|-|-|"]
    lines += [
        f"| {in_markdown(c.source)} | {in_markdown(c.name)} | {WORDS[c.outcome]} | "
        f"{in_markdown(c.message)} |"
        for c in report.checks
    ]
    if report.phases:
        lines += ["", "## Phases", "", "| phase | source | seconds | bytes |", "|-|-|-:|-:|"]
        lines += [
            f"| {in_markdown(p.name)} | {in_markdown(p.source)} | {p.seconds:.1f} | {p.bytes} |"
            for p in report.phases
        ]
    return "\n".join(lines) + "\n"


def _troubles(report: Report) -> list[Check]:
    bad = [c for c in report.checks if c.outcome == "failed"]
    return bad + [c for c in report.checks if c.outcome == "warning"]


def _named(check: Check) -> str:
    return f"{check.source} {check.name}: {check.message}".strip()


def html(report: Report) -> str:
    """One page with everything in it: no script and nothing loaded from elsewhere."""
    title = escape(f"{report.title}: {report.host}")
    facts = "".join(f"<tr><th>{n}</th><td>{escape(v)}</td></tr>" for n, v in _facts(report))
    parts = [f"<h1>{title}</h1><table>{facts}</table>"]
    if report.rto:
        parts.append(f"<h2>Recovery times</h2>{rto_chart(report.rto)}")
    if report.phases:
        parts.append(f"<h2>Phases</h2>{phases_chart(report.phases)}")
    rows = "".join(_row(check) for check in _troubles(report))
    if rows:
        parts.append(f"<h2>Not in order</h2><table>{rows}</table>")
    rows = "".join(_row(check) for check in report.checks)
    parts.append(f"<h2>Checks</h2><table>{rows}</table>")
    return page(title, "".join(parts))


def _row(check: Check) -> str:
    remedy = f"<br>→ {escape(check.remedy)}" if check.remedy else ""
    return (
        f"<tr><td>{escape(check.source)}</td><td>{escape(check.name)}</td>"
        f'<td class="{check.outcome}">{WORDS[check.outcome]}</td>'
        f"<td>{escape(check.message)}{remedy}</td></tr>"
    )


def page(title: str, body: str) -> str:
    """An HTML page around a body; both are markup already."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )
