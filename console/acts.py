"""Actions with their keys and words: the one list that the key bar, the help and the command
palette are made from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Act:
    """action is a Textual action ("" for keys that a widget handles itself)."""

    key: str
    words: str
    action: str = ""
    more: str = ""  # one sentence for help and palette


GLOBAL_ACTS: tuple[Act, ...] = (
    Act("o", "overview", "app.goto('overview')", "Is everything recoverable, right now?"),
    Act("i", "inventory", "app.goto('inventory')", "All snapshots of all hosts."),
    Act("r", "restore", "app.restore", "Bring a source back, step by step."),
    Act("j", "jobs", "app.goto('jobs')", "What runs and what ran; attach, log, cancel."),
    Act("^p", "actions", "app.command_palette", "Find any action by its name."),
    Act("u", "ask again", "app.refresh_all", "Ask the store and this host again, now."),
    Act("?", "help", "app.help", "The keys of this screen."),
    Act("q", "quit", "app.quit", "Leave the console. Jobs go on."),
)
BACK = Act("esc", "back", "screen.back", "Also backspace; in tmux Esc waits half a second.")
