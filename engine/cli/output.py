"""What the command line prints: results on stdout, messages on stderr, nothing raw from outside."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from engine.cli.text import visible
from engine.core.errors import MentatError

_STYLES = {"ok": "32", "warning": "33", "critical": "1;31", "unknown": "35", "strong": "1"}


def plain_value(value: object) -> Any:
    """A value as JSON has it: times in ISO 8601 UTC, durations in seconds, dataclasses as objects.

    Whatever keeps itself out of its repr (a secret) stays out of JSON too.
    """
    if is_dataclass(value) and not isinstance(value, type):
        shown = (item for item in fields(value) if item.repr)
        return {item.name: plain_value(getattr(value, item.name)) for item in shown}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain_value(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


class Output:
    """Where a command prints. `json`: one document on stdout, everything else on stderr."""

    def __init__(self, *, json: bool = False, plain: bool = False) -> None:
        self.json = json
        self.plain = plain

    @property
    def people(self) -> TextIO:
        """Where text for people goes."""
        return sys.stderr if self.json else sys.stdout

    def draws(self) -> bool:
        """True when a line may be redrawn in place: a terminal that can, and nobody said no."""
        return not self.plain and _draws(sys.stderr)

    def _coloured(self, stream: TextIO) -> bool:
        return not self.plain and not os.environ.get("NO_COLOR") and _draws(stream)

    def style(self, text: str, style: str) -> str:
        """Colour that repeats what the words say; none under NO_COLOR or without a terminal."""
        if not self._coloured(self.people):
            return text
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"

    def line(self, text: object = "", style: str = "") -> None:
        """One line for people; control characters in it become visible."""
        safe = visible(text)
        print(self.style(safe, style) if style else safe, file=self.people, flush=True)

    def note(self, text: object) -> None:
        """A message beside the result, on stderr."""
        print(visible(text), file=sys.stderr, flush=True)

    def table(
        self,
        head: Sequence[str],
        rows: Sequence[Sequence[object]],
        *,
        right: Sequence[str] = (),
        spare: Sequence[str] = (),
    ) -> None:
        """Columns as wide as their longest cell. `right` names those aligned to the right,
        `spare` those left out, first to last, while the terminal is too narrow.

        The first cell of a row may be a level; it takes that level's colour.
        """
        cells = [list(head), *([visible(cell) for cell in row] for row in rows)]
        widths = {name: max(len(row[i]) for row in cells) for i, name in enumerate(head)}
        for name in spare:
            if sum(widths.values()) + 2 * (len(widths) - 1) > self._columns():
                del widths[name]
        shown = [i for i, name in enumerate(head) if name in widths]
        for number, row in enumerate(cells):
            padded = [
                row[i].rjust(widths[head[i]]) if head[i] in right else row[i].ljust(widths[head[i]])
                for i in shown
            ]
            if number and row[0] in _STYLES:
                padded[0] = self.style(padded[0], row[0])
            print("  ".join(padded).rstrip(), file=self.people)

    def _columns(self) -> int:
        """Of the terminal; without one, nothing is too wide."""
        if not self.people.isatty():
            return 10_000
        import shutil

        return shutil.get_terminal_size((80, 24)).columns

    def document(self, value: object) -> None:
        """The one JSON document of a command under --json."""
        import json

        json.dump(plain_value(value), sys.stdout, indent=2)
        sys.stdout.write("\n")

    def error(self, error: MentatError) -> None:
        """What is wrong, and what to do: two lines on stderr (and a document under --json)."""
        lines = error.message.split("\n")
        print(f"mentat-dr: {visible(lines[0])}", file=sys.stderr)
        for line in lines[1:]:
            print(visible(line), file=sys.stderr)
        if error.remedy:
            print(f"  -> {visible(error.remedy)}", file=sys.stderr)
        sys.stderr.flush()
        if self.json:
            what = {"code": error.code, "message": error.message, "remedy": error.remedy}
            self.document({"error": {**what, "exit_code": error.exit_code}})


def _draws(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def interactive() -> bool:
    """True when there is somebody to ask: a terminal to read from and one to write to."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str) -> str:
    """One line typed on the terminal; the question stands on stderr."""
    print(visible(question, lines=True), end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer:
        raise KeyboardInterrupt
    return answer.strip()


def absolute(path: str) -> Path:
    """The path from here, `~` included; not resolved, so that links stay the operator's choice."""
    return Path(path).expanduser().absolute()
