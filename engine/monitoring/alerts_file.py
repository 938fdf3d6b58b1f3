"""`alerts.yml`: the rules as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.monitoring.rule import APP, Group, Rule

HEAD = """\
# Alert rules of mentat-dr, made by `mentat-dr export rules`.
# Check them with `promtool check rules`, put them where `rule_files` points, reload Prometheus.
# Let Prometheus scrape the Pushgateway with `honor_labels: true`.
groups:
"""


def render(groups: Sequence[Group]) -> str:
    """The YAML document; one group of rules for each category."""
    return HEAD + "".join(f"{line}\n" for group in groups for line in _group(group))


def _group(group: Group) -> Iterator[str]:
    yield f"  - name: {APP}-{group.category}"
    yield "    rules:"
    for rule in group.rules:
        yield from _rule(group, rule)


def _rule(group: Group, rule: Rule) -> Iterator[str]:
    yield f"      - alert: {rule.name}"
    yield f"        expr: {quoted(rule.expr)}"
    if rule.wait != "0m":
        yield f"        for: {rule.wait}"
    yield "        labels:"
    yield f"          app: {APP}"
    yield f"          category: {group.category}"
    yield f"          severity: {rule.severity}"
    yield "        annotations:"
    yield f"          summary: {quoted(rule.summary)}"
    yield f"          description: {quoted(rule.description)}"
    yield f"          runbook: {rule.runbook}"
    yield f"          command: {quoted(rule.command)}"


def quoted(text: str) -> str:
    """A YAML single-quoted scalar (YAML 1.2, 7.3.2) of text without line breaks."""
    if "\n" in text:
        raise ValueError("a line break cannot stand in this scalar")
    return "'" + text.replace("'", "''") + "'"
