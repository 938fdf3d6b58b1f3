"""What every command shares: its configuration, its way to print, and the door to the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from engine.cli.output import Output

if TYPE_CHECKING:
    from engine.api import Engine

F = TypeVar("F", bound=Callable[..., Any])


class Invocation:
    """One run of the command line."""

    def __init__(self) -> None:
        self.config: Path | None = None
        self.json = False
        self.plain = False

    @property
    def output(self) -> Output:
        return Output(json=self.json, plain=self.plain)

    def engine(self) -> Engine:
        """The engine over the chosen configuration. ConfigurationError."""
        from engine.api import Engine

        return Engine.open(self.config)


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(context: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value:
            setattr(
                context.ensure_object(Invocation), name, Path(value) if name == "config" else value
            )

    return callback


def shared(command: F) -> F:
    """Give a command --config, --json and --plain; they work before its name as well."""
    for option in (
        click.option(
            "--plain",
            is_flag=True,
            expose_value=False,
            callback=_keep("plain"),
            help="No colour, nothing redrawn.",
        ),
        click.option(
            "--json",
            is_flag=True,
            expose_value=False,
            callback=_keep("json"),
            help="One JSON document on stdout, messages on stderr.",
        ),
        click.option(
            "--config",
            metavar="FILE",
            type=click.Path(dir_okay=False),
            expose_value=False,
            callback=_keep("config"),
            help="Configuration ($MENTAT_DR_CONFIG, /etc/mentat-dr/config.toml).",
        ),
    ):
        command = option(command)
    return command


def finish(code: int) -> None:
    """End the command with this exit code."""
    raise click.exceptions.Exit(code)
