"""Page 4: where to. Alongside first: the default touches nothing that is live."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input

from console.acts import BACK, Act
from console.screens.restore.draft import Draft
from console.screens.restore.page import Page
from console.screens.restore.plan import PlanPage
from console.widgets.controls import Choices, Line, Option
from console.widgets.facts import Facts
from console.widgets.say import Say
from engine.api import Target

OPTIONS = (
    Option(
        "directory",
        "into a directory",
        ("Files to look at or copy from. Nothing that is live is touched.",),
    ),
    Option(
        "container",
        "into a fresh container or volume, alongside",
        ("Beside the live one, verified, left for you. Nothing live is touched.",),
    ),
    Option(
        "in-place",
        "in place",
        (
            "Restored beside the live data, verified, then switched in. What is live",
            "now is kept until you release it. You type a name before it begins.",
        ),
    ),
)


class TargetPage(Page):
    number = 4
    acts: ClassVar[tuple[Act, ...]] = (
        Act("1 2 3", "choose"),
        Act("enter", "go on"),
        Act("tab", "path or name"),
        BACK,
    )
    AUTO_FOCUS = "#where"

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)

    def body(self) -> Iterable[Widget]:
        yield Say(self.ink.say(("Where do you want it?", "strong")), classes="question")
        yield Choices(OPTIONS, self.ink, id="where")
        entry = self.draft.entry
        stamp = entry.id.ref.split("-")[0] if entry else "now"
        with Horizontal(id="path-line", classes="field"):
            yield Say(self.ink.say(("directory ", "label")), classes="field-label")
            yield Line(id="path", value=f"/var/tmp/restored/{self.draft.source}-{stamp}")
        with Horizontal(id="name-line", classes="field"):
            yield Say(self.ink.say(("name      ", "label")), classes="field-label")
            yield Line(id="name")
        yield Facts(self.ink, id="page-facts")

    @property
    def where(self) -> Choices:
        return self.query_one("#where", Choices)

    def paint(self) -> None:
        key = self.where.key
        self.query_one("#path-line").display = key == "directory"
        self.query_one("#name-line").display = key == "container"
        words = {
            "directory": "The directory must be empty or not exist yet.",
            "container": "Leave the name empty to have one made up.",
            "in-place": "",
        }[key]
        rows = [
            self.ink.say(
                ("key  ", "label"), (f"{self.ink.glyphs.done} ", "ok"), self.draft.key_words
            ),
            self.ink.say((words, "muted")),
        ]
        self.query_one("#page-facts", Facts).show(rows)

    @on(Choices.Moved)
    def _moved(self) -> None:
        self.paint()

    @on(Choices.Chosen)
    def _chosen(self) -> None:
        if self.where.key == "directory":
            self.query_one("#path", Line).focus()
        else:
            self._go_on()

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self._go_on()

    def _go_on(self) -> None:
        key = self.where.key
        path = self.query_one("#path", Line).value.strip()
        if key == "directory":
            if not path.startswith("/"):
                self._complain("Give an absolute path, one that begins with a slash.")
                return
            target = Target("directory", path=path)
        elif key == "container":
            target = Target("container", name=self.query_one("#name", Line).value.strip())
        else:
            target = Target("in-place")
        self.draft.target = target
        self.draft.accept_unsigned = ""
        self.app.push_screen(PlanPage(self.draft))

    def _complain(self, words: str) -> None:
        self.query_one("#page-facts", Facts).show([self.ink.say((words, "critical"))])
