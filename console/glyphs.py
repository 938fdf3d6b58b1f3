"""The signs the console draws with, and their ASCII twins. A sign repeats a word, never stands
for one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Glyphs:
    ok: str
    warning: str
    critical: str
    unknown: str
    done: str
    failed: str
    running: str
    waiting: str
    interrupted: str
    cancelled: str
    cursor: str
    mark: str
    full: str
    empty: str
    rule: str
    dot: str
    ellipsis: str
    arrow: str
    ascending: str
    descending: str
    unverified: str
    caret: str
    bullet: str


UNICODE = Glyphs(
    ok="●",
    warning="▲",
    critical="■",
    unknown="?",
    done="✓",
    failed="✗",
    running="▶",
    waiting="·",
    interrupted="◆",
    cancelled="○",
    cursor="▸",
    mark="✓",
    full="█",
    empty="░",
    rule="─",
    dot="·",
    ellipsis="…",
    arrow="→",
    ascending="↑",
    descending="↓",
    unverified="○",
    caret="›",
    bullet="•",
)

ASCII = Glyphs(
    ok="*",
    warning="!",
    critical="#",
    unknown="?",
    done="+",
    failed="x",
    running=">",
    waiting=".",
    interrupted="%",
    cancelled="-",
    cursor=">",
    mark="+",
    full="#",
    empty=".",
    rule="-",
    dot="-",
    ellipsis="..",
    arrow="->",
    ascending="^",
    descending="v",
    unverified="o",
    caret=">",
    bullet="*",
)
