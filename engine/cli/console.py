"""Opening the console: the engine knows it by name only."""

from __future__ import annotations

import os
import sys
from importlib import import_module, util

import click

from engine.cli.invocation import Invocation, finish, shared
from engine.core.errors import UsageError

ENTRY = "console.app"


def open_console(invocation: Invocation) -> None:
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
    code = import_module(ENTRY).run(invocation.config)
    finish(code if isinstance(code, int) else 0)


@click.command("console")
@shared
@click.pass_obj
def command(invocation: Invocation) -> None:
    """Open the console."""
    open_console(invocation)
