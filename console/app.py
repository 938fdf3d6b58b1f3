"""The console: one Textual app that watches and asks, and never does the work itself.

Jobs run in processes of their own. Quitting, a dropped link or a crash here touches none.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import events
from textual import screen as drawing
from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import CommandPalette
from textual.worker import Worker, WorkerState

from console import mishap, terminal
from console.answers import Answers
from console.asking import Asking
from console.door import Door
from console.feed import Feed
from console.ink import Ink
from console.messages import (
    InventoryArrived,
    JobAdvanced,
    JobsListed,
    KeysArrived,
    PostureArrived,
)
from console.model import Model
from console.palette import Actions
from console.screens.base import Dialog, MentatScreen
from console.screens.help import HelpScreen
from console.screens.inventory import InventoryScreen
from console.screens.job import JobScreen
from console.screens.jobs import JobsScreen
from console.screens.log import LogScreen
from console.screens.overview import OverviewScreen
from console.screens.restore.key import KeyPage
from console.screens.restore.point import PointPage
from console.screens.restore.source import SourcePage
from console.theme import NIGHT, SIXTEEN
from console.typeahead import TypeAhead
from engine.api import Engine, MentatError, SnapshotEntry

SURVEY = 300.0  # seconds between looks at the store; three times as long on a slow link

SLOW_FRAME = 0.2  # seconds between drawings on a slow link


def utc_now() -> datetime:
    return datetime.now(UTC)


class MentatApp(App[int]):
    CSS_PATH = "app.tcss"
    TITLE = "mentat-dr"
    COMMANDS: ClassVar = {Actions}
    MODES: ClassVar = {
        "overview": OverviewScreen,
        "inventory": InventoryScreen,
        "restore": SourcePage,
        "jobs": JobsScreen,
    }
    DEFAULT_MODE = "overview"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "goto('overview')", "Overview", show=False),
        Binding("i", "goto('inventory')", "Inventory", show=False),
        Binding("r", "restore", "Restore", show=False),
        Binding("j", "goto('jobs')", "Jobs", show=False),
        Binding("u", "refresh_all", "Ask again", show=False),
        Binding("question_mark", "help", "Help", show=False),
        Binding("q", "quit", "Quit", show=False),
    ]

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[], datetime] = utc_now,
        ascii_only: bool = False,
        many_colours: bool = True,
        no_colour: bool = False,
        slow_link: bool = False,
        ticking: bool = True,
    ) -> None:
        plain = no_colour or not many_colours
        # Textual decides on its colour filter here, so the kind of theme must be known now.
        super().__init__(ansi_color=True if plain else None)
        self.engine, self.clock = engine, clock
        self.ascii_only, self.slow_link, self._ticking = ascii_only, slow_link, ticking
        self.ink = Ink(ascii_only)
        self.model = Model()
        self.door = Door(engine)
        pace = (2.0, 15.0) if slow_link else (0.5, 5.0)
        self.feed = Feed(self.door, self.post_message, busy=pace[0], idle=pace[1])
        self.register_theme(NIGHT)
        self.register_theme(SIXTEEN)
        self.theme = "sixteen" if plain else "night"
        if ascii_only:
            self.add_class("-ascii")
        if slow_link:
            self.animation_level = "none"
        self._answers = Answers(self)
        self._typeahead = TypeAhead(self)
        self.asking = Asking(self)

    # ------------------------------------------------------------ life

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        if not self.is_headless:
            for number in (signal.SIGHUP, signal.SIGTERM):
                loop.add_signal_handler(number, self._leave_quietly)
        if self._ticking:
            self.set_interval(10.0 if self.slow_link else 1.0, self._tick)
        self.call_after_refresh(self._begin)

    def _leave_quietly(self) -> None:
        self.exit(0)

    def _begin(self) -> None:
        """After the first paint: now, and not before, the engine is asked."""
        self._answers.survey(first=True)
        self._follow_jobs()
        if self._ticking:
            self.set_interval(SURVEY * (3 if self.slow_link else 1), self.action_refresh_all)
            self.set_interval(60.0 if self.slow_link else 10.0, self.repaint)

    def _tick(self) -> None:
        screen = self.screen
        if isinstance(screen, MentatScreen | Dialog) and screen.is_mounted:
            screen.tick(self.clock())

    def repaint(self) -> None:
        """Draw the screen in view from the model."""
        screen = self.screen
        if isinstance(screen, MentatScreen | Dialog) and screen.is_mounted:
            screen.repaint()

    def _fatal_error(self) -> None:
        """Leave with two lines. Textual's own report shows local variables: passphrases too."""
        error = self._exception or sys.exc_info()[1]
        said = mishap.words(error) if error else "the console failed"
        self._exit_renderables.append(Text(f"mentat-dr: {said}\n{mishap.REMEDY}"))
        self._close_messages_no_wait()

    def _print_error_renderables(self) -> None:
        for renderable in self._exit_renderables[:1]:
            self.error_console.print(renderable)
        self._exit_renderables.clear()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        self.worker_changed(event)

    def worker_changed(self, event: Worker.StateChanged) -> None:
        """Background work that fails is said; the feed is begun anew."""
        if event.state is WorkerState.ERROR and event.worker.error:
            self.complain(mishap.words(event.worker.error), "u asks again.")
            if event.worker.group == "feed":
                self.set_timer(5.0, self._follow_jobs)

    def _follow_jobs(self) -> None:
        self.run_worker(self.feed.run(), group="feed", exit_on_error=False)

    # ------------------------------------------------------------ what the engine said

    def on_posture_arrived(self, message: PostureArrived) -> None:
        self._answers.posture(message)

    def on_inventory_arrived(self, message: InventoryArrived) -> None:
        self._answers.inventory(message)

    def on_keys_arrived(self, message: KeysArrived) -> None:
        self._answers.keys(message)

    def on_jobs_listed(self, message: JobsListed) -> None:
        self._answers.jobs(message)

    def on_job_advanced(self, message: JobAdvanced) -> None:
        self._answers.job(message)

    # ------------------------------------------------------------ going places

    async def on_event(self, event: events.Event) -> None:
        """Keys one at a time (see typeahead)."""
        fresh = isinstance(event, events.Key) and not event.is_forwarded
        if fresh and not self._typeahead.admits(event):  # type: ignore[arg-type]
            return
        await super().on_event(event)
        if fresh:
            self._typeahead.passed_on()

    def action_goto(self, mode: str) -> None:
        """Show a mode's first screen. Nothing here waits: a screen that waited for its own
        removal would wait for ever."""
        if self.current_mode == "restore":
            self._to_first()
            if isinstance(self.screen, SourcePage):
                self.screen.draft.forget()
        if mode != self.current_mode:
            self.switch_mode(mode)
        self._to_first()

    def _to_first(self) -> None:
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def action_help(self) -> None:
        screen = self.screen
        if isinstance(screen, MentatScreen):
            self.push_screen(HelpScreen(screen.heading, screen.current_acts()))

    def action_command_palette(self) -> None:
        if isinstance(self.screen, MentatScreen):
            self.push_screen(CommandPalette(placeholder="type part of an action"))

    def action_help_quit(self) -> None:
        """ctrl+c: say how to leave instead of leaving by accident."""
        self.notify("q leaves the console; jobs go on.", markup=False)

    async def action_quit(self) -> None:
        self.exit(0)

    def action_refresh_all(self) -> None:
        self._answers.survey()
        self.feed.wake()

    def show_inventory(self, source: str) -> None:
        self.action_goto("inventory")
        if isinstance(self.screen, InventoryScreen):
            self.screen.show_source(source)

    def show_log(self, job_id: str) -> None:
        self.push_screen(LogScreen(job_id))

    # ------------------------------------------------------------ restoring

    def action_restore(self) -> None:
        chosen = getattr(self.screen, "selected", lambda: None)()
        if isinstance(chosen, SnapshotEntry):
            self.begin_restore(chosen.id.source, chosen.id.host, chosen)
        elif chosen is not None:
            self.begin_restore(chosen.source, chosen.host)
        else:
            self.begin_restore()

    def begin_restore(
        self, source: str = "", host: str = "", entry: SnapshotEntry | None = None
    ) -> None:
        """Start the wizard anew, with the cursor on a source, or past a snapshot's page."""
        self.action_goto("restore")
        first = self.screen
        assert isinstance(first, SourcePage)
        first.begin(source, host)
        if entry is not None:
            draft = first.draft
            draft.source, draft.host, draft.entry = source, host, entry
            self.push_screen(PointPage(draft))
            self.push_screen(KeyPage(draft))

    def watch_job(self, job_id: str) -> None:
        """Show a job live, with the list of jobs behind it."""
        self.action_goto("jobs")
        self.feed.wake()
        self.push_screen(JobScreen(job_id))

    def complain(self, message: str, remedy: str = "") -> None:
        """Say what went wrong, over whatever is on screen."""
        words = "\n".join(self.ink.safe(line) for line in (message, remedy) if line)
        self.notify(words, severity="error", timeout=12, markup=False)


def main(
    config: Path | None = None,
    *,
    slow_link: bool = False,
    ascii_only: bool = False,
    no_colour: bool = False,
) -> int:
    """Open the console on this terminal; the exit code. Errors are said on stderr."""
    able = terminal.judge(os.environ)
    if not able.usable or not sys.stdin.isatty():
        name = os.environ.get("TERM", "")
        print(f"mentat-dr: cannot draw on this terminal (TERM={name!r})", file=sys.stderr)
        print("Use a command instead: mentat-dr status --plain", file=sys.stderr)
        return 2
    try:
        engine = Engine.open(config)
    except MentatError as error:
        print(f"mentat-dr: {error.message}", file=sys.stderr)
        if error.remedy:
            print(error.remedy, file=sys.stderr)
        return error.exit_code
    return serve(
        engine,
        replace(
            able,
            ascii_only=ascii_only or able.ascii_only,
            no_colour=no_colour or able.no_colour,
        ),
        slow_link=slow_link,
    )


def serve(engine: Engine, able: terminal.Terminal, *, slow_link: bool = False) -> int:
    """Run the console over this engine until the operator leaves; the exit code."""
    if able.no_colour:
        os.environ["NO_COLOR"] = "1"  # Textual looks here for its filter, and nowhere else
    app = MentatApp(
        engine,
        ascii_only=able.ascii_only,
        many_colours=able.many_colours,
        no_colour=able.no_colour,
        slow_link=slow_link,
    )
    if slow_link:
        # Textual reads its frame rate at import only, which is before this is known.
        setattr(drawing, "UPDATE_PERIOD", SLOW_FRAME)  # noqa: B010
    app.run(mouse=not slow_link)
    return app.return_code or 0


run = main
__all__ = ["MentatApp", "main", "run", "serve"]
