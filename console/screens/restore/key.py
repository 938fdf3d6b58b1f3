"""Page 3: can it be decrypted here? Passed by at once when no passphrase is needed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from textual import on
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input

from console.door import Answer, Trouble
from console.explain import owner
from console.screens.restore.draft import Draft
from console.screens.restore.page import Page
from console.screens.restore.target import TargetPage
from console.widgets.controls import Line
from console.widgets.facts import Facts, Row
from console.widgets.panels import trouble_rows
from console.widgets.say import Say
from engine.api import Key

Stage = Literal["asking", "prompt", "checking", "failed"]


class KeyPage(Page):
    number = 3

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self._stage: Stage = "asking"
        self._trouble: Trouble | None = None
        self._prompted = False

    def body(self) -> Iterable[Widget]:
        yield Say(self.ink.say(("Can it be decrypted here?", "strong")), classes="question")
        with Horizontal(id="passphrase-line"):
            yield Say(self.ink.say(("passphrase ", "label")), id="passphrase-label")
            yield Line(id="passphrase", secret=True)
        yield Facts(self.ink, id="page-facts")

    def on_mount(self) -> None:
        super().on_mount()
        self.run_worker(self._begin(), exit_on_error=False)

    def paint(self) -> None:
        ink = self.ink
        rows: list[Row] = []
        if self._trouble:
            rows += [*trouble_rows(ink, self._trouble), ink.say("")]
        words = {
            "asking": "Looking for the secret key.",
            "checking": "Checking: a small message is encrypted and decrypted with the key.",
            "prompt": "The secret key wants its passphrase. It is used for this restore, is never"
            " written down and never shown.",
            "failed": "enter tries again; esc goes back.",
        }[self._stage]
        rows.append(ink.say((words, "muted")))
        self.query_one("#page-facts", Facts).show(rows)
        self.query_one("#passphrase-line").display = self._prompted

    def settle(self) -> None:
        """Keys typed ahead wait for the answer."""

    async def _begin(self) -> None:
        door = self.desk.door
        self._stage = "asking"
        self.repaint()
        if self.draft.key_words:
            self._go_on()
            return
        needed = await door.ask("key", door.engine.needs_passphrase)
        if needed.trouble:
            self._fail(needed.trouble)
        elif needed.value:
            self._prompt()
        else:
            await self._check(None)

    def _prompt(self) -> None:
        self._stage, self._prompted = "prompt", True
        self.repaint()
        self.query_one("#passphrase", Line).focus()
        self.call_later(self.ready.set)

    def _fail(self, trouble: Trouble) -> None:
        self._stage, self._trouble = "failed", trouble
        self.repaint()
        self.ready.set()

    @on(Input.Submitted, "#passphrase")
    def _submitted(self) -> None:
        if self._stage in ("checking", "asking"):
            return
        given = self.query_one("#passphrase", Line).take()
        self.run_worker(self._check(given), exit_on_error=False)

    async def _check(self, passphrase: str | None) -> None:
        door = self.desk.door
        self._stage, self._trouble = "checking", None
        self.ready.clear()
        self.repaint()
        answer: Answer[Key | None] = await door.ask("key", door.engine.check_key, passphrase)
        if not self.is_mounted:
            return
        if answer.trouble:
            self._refused(answer.trouble)
            return
        self.draft.passphrase = passphrase
        key = answer.value
        whose = owner(key) if key else "symmetric"
        self.draft.key_words = f"{whose}, " + ("passphrase checked" if passphrase else "opens")
        self._go_on()

    def _refused(self, trouble: Trouble) -> None:
        if trouble.code == "wrong-passphrase":
            self._trouble = trouble
            self._prompt()
        else:
            self._fail(trouble)

    def _go_on(self) -> None:
        self.app.switch_screen(TargetPage(self.draft))

    def key_enter(self) -> None:
        """After a failure that is not the passphrase: try again."""
        if self._stage == "failed":
            self._trouble = None
            self.run_worker(self._begin(), exit_on_error=False)
