"""The two lines on top of every screen: where am I, is it live, and is everything recoverable."""

from __future__ import annotations

from datetime import datetime

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content

from console.formatting import age, clock
from console.ink import LEVEL_ROLE, Ink
from console.model import Model
from console.widgets.say import Say
from engine.api import Level


class HeaderBar(Vertical):
    """`mentat-dr  host · environment · LIVE` with the screen's heading and a UTC clock, and the
    posture line below."""

    def __init__(self, ink: Ink, host: str, environment: str, *, seconds: bool) -> None:
        super().__init__()
        self._ink, self._host, self._environment = ink, host, environment
        self._seconds = seconds

    def compose(self) -> ComposeResult:
        with Horizontal(id="header-top"):
            yield Say(self._identity(), id="identity")
            yield Say(id="heading")
            yield Say(id="clock")
        yield Say(id="posture")

    def _identity(self) -> Content:
        dot = f" {self._ink.glyphs.dot} "
        return self._ink.say(
            ("mentat-dr", "title"),
            "  ",
            (self._host, "strong"),
            (dot, "muted"),
            self._environment,
            (dot, "muted"),
            ("LIVE", "live"),
        )

    def tick(self, now: datetime) -> None:
        self.query_one("#clock", Say).show(self._ink.say((clock(now, self._seconds), "muted")))

    def show(self, heading: str, model: Model, now: datetime) -> None:
        self.query_one("#heading", Say).show(self._ink.say((heading, "strong")))
        self.query_one("#posture", Say).show(posture_line(self._ink, model, now))
        self.tick(now)


def posture_line(ink: Ink, model: Model, now: datetime) -> Content:
    """One line: how many sources miss their targets, the store, the loudest notice."""
    posture = model.posture
    if posture is None:
        if model.posture_trouble:
            return ink.say((f"{ink.glyphs.unknown} {model.posture_trouble.message}", "unknown"))
        return ink.say((f"{ink.glyphs.waiting} reading the last listing", "muted"))
    level, sentence = _sources(model)
    separator = (f" {ink.glyphs.dot} ", "muted")
    parts: list[Content | str | tuple[str, str]] = [
        (f"{ink.level(level)} ", LEVEL_ROLE[level]),
        (sentence, LEVEL_ROLE[level]),
    ]
    store = posture.store
    if not store.offsite:
        parts += ["  ", (" NOTHING IS OFFSITE ", "loud"), " "]
    else:
        parts.append(separator)
    if not store.reachable:
        said = f"store unreachable, listing of {age(store.listed_at, now)}"
        parts.append((said if store.listed_at else "store unreachable, no listing", "critical"))
    elif not model.posture_fresh:
        parts.append((f"store not asked yet, listing of {age(store.listed_at, now)}", "muted"))
    else:
        parts.append(("store ok", "ok"))
    serious = [text for notice, text in posture.notices if notice == "critical"]
    if serious and store.offsite:
        parts += [separator, (serious[0], "critical")]
    return ink.say(*parts)


def _sources(model: Model) -> tuple[Level, str]:
    assert model.posture is not None
    sources = model.posture.sources
    total = len(sources)
    if not total:
        return "unknown", "no source is configured"
    for level, one, many in (
        ("critical", "misses its RPO", "miss their RPO"),
        ("unknown", "is unknown", "are unknown"),
        ("warning", "needs a look", "need a look"),
    ):
        bad = [s for s in sources if s.level == level]
        if bad:
            words = one if len(bad) == 1 else many
            noun = "source" if total == 1 else "sources"
            return bad[0].level, f"{len(bad)} of {total} {noun} {words}"
    if total == 1:
        return "ok", "the one source is recoverable"
    return "ok", f"all {total} sources are recoverable"
