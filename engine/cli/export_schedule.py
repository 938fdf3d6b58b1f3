"""`mentat-dr export cron|systemd`: what runs when."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from engine.api import Engine
from engine.cli.exporting import emit, replace
from engine.cli.invocation import Invocation, shared
from engine.cli.output import absolute
from engine.core.errors import MentatError


@click.command("cron")
@click.option("--to", "to", default="", metavar="FILE", help="Write it there instead.")
@click.option("--passphrase-file", default="", metavar="FILE", help="For what must decrypt.")
@shared
@click.pass_obj
def cron(invocation: Invocation, to: str, passphrase_file: str) -> None:
    """The schedule as a file for /etc/cron.d.

    Backups at 02:00, verification at 03:00, a database drill each Sunday at 04:00 and a full one
    on the first at 05:00, spread over half an hour by host, and more often where an RPO asks for
    it. A run that went well writes nothing.
    """
    engine = invocation.engine()
    emit(invocation.output, to, engine.monitoring.crontab(_program(), _key(passphrase_file)))
    _tell(invocation, engine, passphrase_file)


@click.command("systemd")
@click.option("--to", "to", default="", metavar="DIR", help="Write the units there.")
@click.option("--passphrase-file", default="", metavar="FILE", help="For what must decrypt.")
@shared
@click.pass_obj
def systemd(invocation: Invocation, to: str, passphrase_file: str) -> None:
    """The schedule as systemd services and timers.

    Then: systemctl daemon-reload && systemctl enable --now mentat-dr-*.timer
    """
    engine = invocation.engine()
    units = engine.monitoring.units(_program(), _key(passphrase_file))
    if to:
        _write(absolute(to), dict(units))
        invocation.output.line(f"{len(units)} units written to {absolute(to)}", "ok")
    elif invocation.json:
        invocation.output.document(units)
    else:
        for name, text in units.items():
            click.echo(f"# /etc/systemd/system/{name}\n{text}")
    _tell(invocation, engine, passphrase_file)


def _write(folder: Path, units: dict[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MentatError(
            f"{folder} cannot be made: {error.strerror}", "Choose another place, or run as root."
        ) from error
    for name, text in units.items():
        replace(folder / name, text, 0o644)


def _key(passphrase_file: str) -> str:
    return str(absolute(passphrase_file)) if passphrase_file else ""


def _tell(invocation: Invocation, engine: Engine, passphrase_file: str) -> None:
    for note in engine.monitoring.schedule_notes(_key(passphrase_file)):
        invocation.output.note(f"note: {note}")


def _program() -> str:
    """This program by its full path: cron has hardly a PATH."""
    beside = Path(sys.executable).with_name("mentat-dr")
    return str(beside) if beside.exists() else shutil.which("mentat-dr") or "mentat-dr"
