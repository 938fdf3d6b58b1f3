"""The command line's front: commands found by name and imported when used; one exit switch."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from engine.cli.console import drawing_options, open_console
from engine.cli.invocation import Invocation, shared
from engine.core.errors import Cancelled, MentatError, UsageError

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("init", "Set this host up: configuration, keys, repository."),
    "doctor": ("doctor", "Look at everything a backup and a recovery need."),
    "status": (
        "status",
        "Is everything recoverable now? The exit code says it too.",
    ),
    "backup": ("backup", "Back sources up, all or some."),
    "snapshots": ("snapshots", "List the snapshots there are."),
    "show": ("show", "Show one snapshot's manifest and whether its signature proves it."),
    "restore": ("restore", "Bring a snapshot back: to a directory, a container or in place."),
    "job": ("job", "List, attach to, read and cancel jobs."),
    "completion": ("completion", "Print the completion script for a shell."),
    "console": ("console", "Open the console (what mentat-dr alone does on a terminal)."),
}
UNEXPECTED = "This is a defect. Run it again with MENTAT_DR_DEBUG=1 and report what it prints."


class LazyGroup(click.Group):
    """Commands by table: --help imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        from importlib import import_module

        command: click.Command = import_module(f"engine.cli.{COMMANDS[cmd_name][0]}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, 1)
            hint = f"Did you mean {near[0]}?" if near else "See: mentat-dr --help"
            raise UsageError(f"there is no command {args[0]!r}", hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        from importlib.metadata import version

        click.echo(f"mentat-dr {version('mentat-dr')}")
        context.exit(0)


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version.",
)
@drawing_options
@shared
@click.pass_context
def group(context: click.Context, slow_link: bool, ascii_only: bool) -> None:
    """Disaster recovery for small production fleets.

    Alone on a terminal, mentat-dr opens the console.
    """
    if context.invoked_subcommand is None:
        invocation = context.ensure_object(Invocation)
        open_console(invocation, slow_link=slow_link, ascii_only=ascii_only)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; its exit code. The only place that turns errors into exit codes."""
    invocation = Invocation()
    # Click reads --json only when it gets there; an earlier mistake must still answer in JSON.
    invocation.json = "--json" in arguments
    try:
        code = group.main(
            list(arguments), prog_name="mentat-dr", standalone_mode=False, obj=invocation
        )
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except BrokenPipeError:
        _drop_stdout()
        return 1
    except BaseException as error:
        known = _translate(error)
        if known is None or os.environ.get("MENTAT_DR_DEBUG"):
            raise
        invocation.output.error(known)
        return known.exit_code


def _translate(error: BaseException) -> MentatError | None:
    """Every way a command can fail, as one of ours; None for what must go through."""
    if isinstance(error, MentatError):
        return error
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "mentat-dr"
        return UsageError(error.format_message(), f"See: {path} --help")
    if isinstance(error, click.ClickException):
        return UsageError(error.format_message(), "See: mentat-dr --help")
    if isinstance(error, KeyboardInterrupt | click.Abort | EOFError):
        return Cancelled("cancelled", "Nothing was started.")
    if isinstance(error, Exception):
        return MentatError(f"unexpected {type(error).__name__}: {error}", UNEXPECTED)
    return None


def _drop_stdout() -> None:
    """The reader of our output went away; keep Python from complaining about it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> NoReturn:
    """The `mentat-dr` program."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
