"""The options that say to which moment binary logs are replayed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def options(command: F) -> F:
    """--at, --before-transaction, --before, --before-position."""
    for name, metavar, words in (
        ("--before-position", "FILE:POS", "Up to this place in a binary log."),
        ("--before", "STATEMENT", 'Just before it, like "DROP TABLE shop.orders".'),
        ("--before-transaction", "GTID", "Up to the transaction before it."),
        ("--at", "TIME|GTID|latest", "To a moment (UTC unless it says a zone), or a transaction."),
    ):
        command = click.option(name, default="", metavar=metavar, help=words)(command)
    return command
