"""Opening the console: the engine knows it by name only."""

from __future__ import annotations

import os
import sys
from importlib import import_module, util

import click

from engine.cli.invocation import F, Invocation, finish, shared
from engine.core.errors import UsageError

ENTRY = "console.app"


def drawing_options(command: F) -> F:
    """How the console is to draw."""
    slow = click.option("--slow-link", is_flag=True, help="Console: no animation, few redraws.")
    plain = click.option("--ascii", "ascii_only", is_flag=True, help="Console: ASCII signs only.")
    return slow(plain(command))


def open_console(invocation: Invocation, *, slow_link: bool, ascii_only: bool) -> None:
    """Run the console on this terminal. UsageError where there is none that it could draw on."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "the console needs a terminal, and there is none here",
            "Use a command (mentat-dr --help), or connect with ssh -t.",
        )
    if os.environ.get("TERM", "dumb") in ("dumb", "unknown", ""):
        raise UsageError(
            f"the console cannot draw on TERM={os.environ.get('TERM', '')!r}",
            "Set TERM (for example TERM=xterm-256color), or use a command: mentat-dr --help",
        )
    if util.find_spec("console") is None or util.find_spec(ENTRY) is None:
        raise UsageError("the console is not installed here", "Use a command: mentat-dr --help")
    code = import_module(ENTRY).run(
        invocation.config, slow_link=slow_link, ascii_only=ascii_only, no_colour=invocation.plain
    )
    finish(code if isinstance(code, int) else 0)


@click.command("console")
@drawing_options
@shared
@click.pass_obj
def command(invocation: Invocation, slow_link: bool, ascii_only: bool) -> None:
    """Open the console."""
    open_console(invocation, slow_link=slow_link, ascii_only=ascii_only)
