"""Overview: is everything recoverable, right now?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widget import Widget

from console.acts import Act
from console.explain import explain, key_words, short_kind, state_words
from console.formatting import age, clip, size, target, utc
from console.ink import LEVEL_ROLE, STATE_ROLE
from console.screens.base import MentatScreen
from console.widgets.columns import Cell, Column
from console.widgets.facts import Fact, Facts, Row
from console.widgets.panels import TITLE, moment, running_line, trouble_rows
from console.widgets.table import VirtualTable
from engine.api import STATE_WORDS, SourcePosture

LEVEL_ORDER = {"critical": 0, "unknown": 1, "warning": 2, "ok": 3}


class OverviewScreen(MentatScreen[None]):
    acts: ClassVar[tuple[Act, ...]] = (
        Act("enter", "its snapshots", "screen.open", "The inventory of this source."),
        Act("b", "back up now", "screen.backup", "Back up this source, or the marked ones."),
        Act("space", "mark", "screen.mark", "Mark several sources for b."),
        Act("w", "watch the job", "screen.watch", "Follow the job that runs."),
        Act("x", "release kept data", "screen.release", "Old data that restores put aside."),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "backup", show=False),
        Binding("space", "mark", show=False),
        Binding("w", "watch", show=False),
        Binding("x", "release", show=False),
        Binding("enter", "open", show=False),
    ]
    AUTO_FOCUS = "#sources"

    def body(self) -> Iterable[Widget]:
        with Horizontal(id="columns"):
            with Vertical(id="main"):
                yield VirtualTable[SourcePosture](
                    self._columns(),
                    identity=lambda s: (s.host, s.source),
                    search=lambda s: f"{s.host} {s.source} {s.kind}",
                    ink=self.ink,
                    markable=True,
                    empty="reading the last listing",
                    id="sources",
                )
                with VerticalScroll(id="below", can_focus=False):
                    yield Facts(self.ink, id="facts")
            with VerticalScroll(id="side", can_focus=False):
                yield Facts(self.ink, id="side-facts", label=16)

    def _columns(self) -> list[Column[SourcePosture]]:
        return [
            Column("state", "STATE", self._state, 11, sort=lambda s: LEVEL_ORDER[s.level]),
            Column("source", "SOURCE", lambda s: Cell(s.source, "strong"), 12, 28),
            Column("host", "HOST", lambda s: Cell(s.host, "muted"), 10, 16, drop=2),
            Column("kind", "KIND", lambda s: Cell(short_kind(s.kind), "muted"), 8, drop=1),
            Column("to", "RECOVERABLE TO", self._recoverable, 14),
            Column("target", "TARGET", lambda s: Cell(target(s.rpo)), 6),
            Column("proven", "PROVEN", self._proven, 12, 14),
            Column(
                "stored", "STORED", lambda s: Cell(size(s.stored_bytes)), 8, align="right", drop=4
            ),
        ]

    def _state(self, source: SourcePosture) -> Cell:
        words = f"{self.ink.level(source.level)} {state_words(source)}"
        return Cell(words, LEVEL_ROLE[source.level])

    def _recoverable(self, source: SourcePosture) -> Cell:
        if source.recoverable_to is None:
            return Cell("nothing", "critical")
        late = self.now - source.recoverable_to > source.rpo
        return Cell(age(source.recoverable_to, self.now), "critical" if late else "")

    def _proven(self, source: SourcePosture) -> Cell:
        if source.proven_at is None:
            return Cell("never", "warning")
        return Cell(age(source.proven_at, self.now))

    # ------------------------------------------------------------ drawing

    @property
    def table(self) -> VirtualTable[SourcePosture]:
        return self.query_one("#sources", VirtualTable)

    def paint(self) -> None:
        posture = self.model.posture
        table = self.table
        if posture is not None:
            table.empty = "no source is configured: mentat-dr init writes a configuration"
            table.set_rows(posture.sources)
        elif self.model.posture_trouble:
            table.empty = "nothing is known of the sources"
        room = max(4, self.size.height - 6)
        table.styles.height = max(2, min(table.total + 1, room - 7))
        self._paint_facts()

    @on(VirtualTable.Moved)
    def _moved(self) -> None:
        self._paint_facts()

    def _paint_facts(self) -> None:
        self.query_one("#side").display = self.wide
        above: list[Row] = [*self._running_rows(), *self._notices()]
        source = self.table.row
        explained = explain(self.ink, source, self.model, self.now) if source else []
        if source is not None and self.wide:
            self.query_one("#side-facts", Facts).show([*self._details(source), *explained])
            explained = []
        # What is wrong with the source under the cursor comes before what is in order.
        first, last = (explained, []) if source and source.level != "ok" else ([], explained)
        groups = [above, first, self._standing(), last]
        rows: list[Row] = []
        for group in groups:
            if group:
                rows += [*([self.ink.say("")] if rows else []), *group]
        self.query_one("#facts", Facts).show(rows)

    def _running_rows(self) -> list[Row]:
        cells = 20 if self.size.width >= 100 else 12
        rows: list[Row] = []
        for place, job in enumerate(self.model.running[:3]):
            label = "RUNNING" if place == 0 else ""
            line = running_line(self.ink, job, cells, self.now)
            watch = self.ink.say(line, ("   w", "key"), (" watch", "muted"))
            rows.append(Fact(label, watch if place == 0 else line, "progress"))
        if len(self.model.running) > 3:
            more = f"and {len(self.model.running) - 3} more"
            rows.append(Fact("", self.ink.say((more, "muted"))))
        return rows

    def _notices(self) -> list[Row]:
        rows: list[Row] = []
        posture, trouble = self.model.posture, self.model.posture_trouble
        if trouble:
            rows += trouble_rows(self.ink, trouble)
        if posture and not posture.store.reachable:
            rows += self._store()
        for level, text in posture.notices if posture else ():
            role = LEVEL_ROLE[level]
            rows.append(Fact(self.ink.level(level), self.ink.say((text, role)), role, 2))
        return rows

    def _standing(self) -> list[Row]:
        ink, model, now = self.ink, self.model, self.now
        rows: list[Row] = []
        dot = f" {ink.glyphs.dot} "
        ended = [job for job in model.jobs or () if job.final]
        for place, last in enumerate(ended[: 8 if self.size.height > 30 else 1]):
            when = age(last.ended_at or last.last_at, now)
            summary = last.result.summary if last.result else ""
            summary = last.failure.message if last.failure else summary
            rows.append(
                Fact(
                    "LAST" if place == 0 else "",
                    ink.say(
                        clip(ink.safe(last.title or last.operation), TITLE, ink.glyphs.ellipsis),
                        " ",
                        (STATE_WORDS[last.state], STATE_ROLE[last.state]),
                        f" {when}",
                        (dot + summary if summary else "", "muted"),
                    ),
                )
            )
        if model.jobs_trouble:
            rows.append(Fact("JOBS", ink.say((model.jobs_trouble.message, "critical"))))
        if model.posture and model.posture.store.reachable:
            rows += self._store()
        if model.keys is not None:
            level, words = key_words(model.keys, now)
            rows.append(Fact("KEYS", ink.say((words, "" if level == "ok" else LEVEL_ROLE[level]))))
        elif model.keys_trouble:
            rows.append(Fact("KEYS", ink.say((model.keys_trouble.message, "critical"))))
        for kept in model.posture.kept[:2] if model.posture else ():
            said = f"{kept.what} of {kept.source}, put aside {age(kept.kept_at, now)}"
            rows.append(Fact("KEPT", ink.say(said, (f"{dot}x releases it", "muted"))))
        return rows

    def _store(self) -> list[Row]:
        assert self.model.posture is not None
        ink, store, now = self.ink, self.model.posture.store, self.now
        dot = f" {ink.glyphs.dot} "
        listed = f"listed {age(store.listed_at, now)}" if store.listed_at else "never listed"
        if store.reachable:
            return [Fact("STORE", ink.say(store.name, (dot + listed, "muted")))]
        rows: list[Row] = [
            Fact("STORE", ink.say(store.name, dot, (store.problem or "unreachable", "critical")))
        ]
        rows.append(Fact("", ink.say((f"what you see was {listed}", "warning"))))
        if store.remedy:
            rows.append(Fact("", ink.say(f"{ink.glyphs.arrow} {store.remedy}")))
        return rows

    def _details(self, source: SourcePosture) -> list[Row]:
        ink, now = self.ink, self.now
        newest = source.snapshot.ref if source.snapshot else "none"
        return [
            ink.say((source.source, "title")),
            ink.say((f"{source.kind} on {source.host}", "muted")),
            ink.say(""),
            Fact("state", ink.say((state_words(source), LEVEL_ROLE[source.level]))),
            Fact("RPO target", ink.say(target(source.rpo))),
            Fact("RTO target", ink.say(target(source.rto))),
            Fact("recoverable to", moment(ink, source.recoverable_to, now)),
            Fact("proven", moment(ink, source.proven_at, now)),
            Fact("proven state", ink.say(utc(source.proven_to))),
            Fact("newest", ink.say(newest)),
            Fact("snapshots", ink.say(f"{source.snapshots:,}")),
            Fact("stored", ink.say(size(source.stored_bytes))),
            ink.say(""),
        ]

    # ------------------------------------------------------------ acts

    def current_acts(self) -> tuple[Act, ...]:
        hidden = set()
        if not self.model.running:
            hidden.add("w")
        if not (self.model.posture and self.model.posture.kept):
            hidden.add("x")
        return tuple(act for act in self.acts if act.key not in hidden)

    @on(VirtualTable.Chosen)
    def _chosen(self, event: VirtualTable.Chosen) -> None:
        self.action_open()

    def action_open(self) -> None:
        if self.table.row is not None:
            self.desk.show_inventory(self.table.row.source)

    def action_mark(self) -> None:
        self.table.toggle_mark()

    def action_backup(self) -> None:
        names = [source.source for source in self.table.chosen()]
        self.desk.asking.backup(names)

    def action_watch(self) -> None:
        if self.model.running:
            self.desk.watch_job(self.model.running[0].id)

    def action_release(self) -> None:
        self.desk.asking.release()

    def selected(self) -> Any:
        """The source that r restores."""
        return self.table.row
