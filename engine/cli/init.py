"""`mentat-dr init`: configuration, keys and repository, by questions or by options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from engine.api import initialise
from engine.cli import init_ask, init_draft, source_spec
from engine.cli.invocation import Invocation, shared
from engine.cli.output import Output, absolute, interactive
from engine.cli.passphrases import Given, asked_twice
from engine.core.errors import ConfigurationError, UsageError
from engine.operations.initialise import Initialised
from engine.settings_file import locate

_OPTIONS = [
    click.option("--from-env", default="", metavar="FILE", help="Import a backup-config.env."),
    click.option("--host", default="", metavar="NAME", help="Name of this host."),
    click.option("--environment", default="", metavar="WORD", help="Shown on every screen."),
    click.option("--provider", type=click.Choice(init_ask.PROVIDERS[:-1]), help="Of the bucket."),
    click.option("--bucket", default="", metavar="NAME"),
    click.option("--prefix", default="", metavar="PREFIX", help="Within the bucket."),
    click.option("--endpoint", default="", metavar="URL"),
    click.option("--region", default="", metavar="REGION"),
    click.option("--access-key-file", default="", metavar="FILE", help="Mode 0600."),
    click.option("--secret-key-file", default="", metavar="FILE", help="Mode 0600."),
    click.option("--directory", default="", metavar="PATH", help="A directory store instead."),
    click.option("--local", default="", metavar="PATH", help="Keep a local copy there, too."),
    click.option("--source", multiple=True, metavar="SPEC", help=source_spec.SPELLING),
    click.option("--recipient", multiple=True, metavar="KEY", help="Fingerprint or address."),
    click.option("--generate-keys", is_flag=True, help="Make the key pair that can decrypt."),
    click.option("--import-key", multiple=True, metavar="FILE", help="Import who can decrypt."),
    click.option("--trust-key", multiple=True, metavar="FILE", help="To prove signatures only."),
    click.option("--signing-key", default="", metavar="KEY", help="Default: one is made."),
    click.option("--passphrase-file", default="", metavar="FILE", help="Of the key made."),
    click.option("--no-passphrase", is_flag=True, help="Leave the key made open: for tests."),
    click.option("--symmetric-file", default="", metavar="FILE", help="A passphrase, no keys."),
    click.option("--pushgateway", default="", metavar="URL"),
    click.option("--prometheus", default="", metavar="URL"),
    click.option("--alertmanager", default="", metavar="URL"),
    click.option("--force", is_flag=True, help="Start anew; the old configuration is kept."),
]


def _with_options(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command("init")
@_with_options
@shared
@click.pass_obj
def command(invocation: Invocation, /, **options: Any) -> None:
    """Set this host up. On a terminal it asks for what the options leave open.

    Without a bucket a directory store serves, and nothing is offsite.
    """
    output = invocation.output
    file = locate(invocation.config).absolute()
    making = init_draft.Making(file)
    if file.exists() and not options["force"]:
        _refuse(file)
    if options["from_env"]:
        init_draft.take_classic(making, options["from_env"])
    init_draft.take_options(making, options)
    keys = _keys(options)
    for remark in making.remarks:
        output.note(f"! {remark}")
    if interactive() and not invocation.plain:
        init_ask.wizard(output, making, keys)
    init_draft.settle(making)
    _passphrase(keys, options)
    done = initialise(making.draft(keys, force=options["force"]))
    if output.json:
        output.document(_document(done, making.remarks))
    else:
        _show(output, done)


def _refuse(file: Path) -> None:
    raise ConfigurationError(
        f"there is a configuration already: {file}",
        "Edit it, or start anew with --force, which keeps a copy.",
    )


def _keys(options: dict[str, Any]) -> init_draft.Keys:
    return init_draft.Keys(
        generate=options["generate_keys"],
        import_files=tuple(absolute(name) for name in options["import_key"]),
        trust_files=tuple(absolute(name) for name in options["trust_key"]),
    )


def _passphrase(keys: init_draft.Keys, options: dict[str, Any]) -> None:
    """The passphrase of the key that is made, unless it is to have none."""
    if not keys.generate or keys.passphrase or options["no_passphrase"]:
        return
    if options["passphrase_file"]:
        keys.passphrase = Given(options["passphrase_file"]).read()
    elif interactive():
        keys.passphrase = asked_twice("Passphrase for the new key")
    else:
        raise UsageError(
            "the new key needs a passphrase, and there is nobody to ask",
            "Add --passphrase-file FILE (mode 0600).",
        )


def _document(done: Initialised, remarks: list[str]) -> dict[str, object]:
    encryption = done.settings.encryption
    return {
        "config": done.settings.file,
        "host": done.settings.host,
        "offsite": done.settings.repository.provider != "directory",
        "recipients": encryption.recipients,
        "signing_key": encryption.signing_key,
        "carry_away": done.carry_away,
        "secrets": done.secrets,
        "kept_copy": done.kept_copy,
        "remarks": remarks,
    }


def _show(output: Output, done: Initialised) -> None:
    settings = done.settings
    output.line(f"configuration  {settings.file}", "strong")
    if done.kept_copy:
        output.line(f"former one     {done.kept_copy}")
    for path in done.secrets:
        output.line(f"secret         {path}")
    for fingerprint in settings.encryption.recipients:
        output.line(f"encrypted to   {fingerprint}")
    output.line(f"signed by      {settings.encryption.signing_key}")
    for source in settings.sources:
        output.line(f"source         {source.name} ({source.kind})")
    if settings.repository.provider == "directory":
        place = settings.repository.path
        output.line(f"!! NOTHING IS OFFSITE: backups stay on this machine, in {place}", "critical")
    if not settings.sources:
        output.line(f"! no sources yet: add [[source]] tables to {settings.file}", "warning")
    if done.carry_away:
        _show_carrying(output, done)
    output.line("Next:", "strong")
    output.line("  mentat-dr doctor      # is everything as a recovery needs it?")
    output.line("  mentat-dr backup      # the first backup")
    output.line("  mentat-dr status      # is everything recoverable?")


def _show_carrying(output: Output, done: Initialised) -> None:
    folder, host = done.carry_away[0].parent, done.settings.host
    output.line()
    if done.backup_key:
        output.line(
            "CARRY THE PRIVATE KEY AWAY NOW: without it nothing can be restored.", "critical"
        )
    else:
        output.line("Carry the signing key's public half away: it proves these backups.", "strong")
    output.line("From a machine that is not this one:")
    output.line(f"  scp -p 'root@{host}:{folder}/*' SAFE-PLACE/")
    output.line("  gpg --show-keys SAFE-PLACE/*.asc      # they arrived whole")
    if done.backup_key:
        output.line("Keep the private key and its passphrase in two safe places, apart.")
    output.line("Then here:")
    output.line(f"  shred -u {folder}/*")
    output.line()
