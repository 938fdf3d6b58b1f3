"""Acts that are asked about first. Each dialog shows the command line that does the same."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from console.screens.confirm import ConfirmDialog
from console.widgets.facts import Row
from engine.api import Job, KeptData

if TYPE_CHECKING:
    from console.app import MentatApp


class Asking:
    def __init__(self, desk: MentatApp) -> None:
        self._desk = desk

    def backup(self, sources: Sequence[str]) -> None:
        if not sources:
            return
        ink = self._desk.ink
        rows: list[Row] = [ink.say(f"Back up {', '.join(sources)} now.")]
        held = [j for j in self._desk.model.running if set(j.sources) & set(sources)]
        if held:
            rows.append(ink.say((f"{held[0].title} runs now and may hold it.", "warning")))
        rows.append(ink.say(("It runs as a job of its own; you can leave.", "muted")))
        command = shlex.join(["mentat-dr", "backup", *sources])
        dialog = ConfirmDialog("Back up now?", rows, command=command, yes="Back up")

        def start() -> str:
            return self._desk.engine.start_backup(tuple(sources))

        self._desk.push_screen(dialog, lambda yes: self._started("backup", start) if yes else None)

    def cancel(self, job: Job) -> None:
        if job.final:
            self._desk.notify("This job has ended already.", markup=False)
            return
        ink = self._desk.ink
        rows: list[Row] = [
            ink.say(f"Stop {job.title or job.operation}."),
            ink.say(
                ("It stops at once, cleans up, and puts containers back as they were.", "muted")
            ),
        ]
        command = shlex.join(["mentat-dr", "job", "cancel", job.id])
        dialog = ConfirmDialog(
            "Cancel this job?", rows, command=command, yes="Cancel the job", no="Let it run"
        )

        async def stop() -> None:
            answer = await self._desk.door.ask("cancel", self._desk.engine.cancel, job.id)
            if answer.trouble:
                self._desk.complain(answer.trouble.message, answer.trouble.remedy)
            elif not answer.value:
                self._desk.notify("It had ended already.", markup=False)
            self._desk.feed.wake()

        def answered(yes: bool | None) -> None:
            if yes:
                self._desk.run_worker(stop(), exit_on_error=False)

        self._desk.push_screen(dialog, answered)

    def release(self) -> None:
        """Ask to remove the oldest data put aside."""
        kept = self._desk.model.posture.kept if self._desk.model.posture else ()
        if not kept:
            self._desk.notify("No restore has put data aside.", markup=False)
            return
        oldest: KeptData = min(kept, key=lambda k: k.kept_at)
        ink = self._desk.ink
        rows: list[Row] = [
            ink.say(("DESTROYS  ", "critical"), oldest.what),
            ink.say(
                f"the data of {oldest.source} from before its last restore. It cannot be undone."
            ),
        ]
        command = shlex.join(
            ["mentat-dr", "restore", "--release", oldest.id, "--confirm", oldest.what]
        )
        dialog = ConfirmDialog(
            "Release old data?", rows, command=command, yes="Release", name=oldest.what
        )

        def start() -> str:
            return self._desk.engine.start_release(oldest.id, oldest.what)

        self._desk.push_screen(dialog, lambda yes: self._started("release", start) if yes else None)

    def _started(self, what: str, start: Callable[[], str]) -> None:
        async def work() -> None:
            answer = await self._desk.door.ask_within(30.0, what, start)
            if answer.value is None:
                assert answer.trouble is not None
                self._desk.complain(answer.trouble.message, answer.trouble.remedy)
                return
            self._desk.feed.wake()
            self._desk.watch_job(answer.value)

        self._desk.run_worker(work(), exit_on_error=False)
