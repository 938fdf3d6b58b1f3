"""`mentat-dr export kit`: the recovery kit as a folder, to keep offline."""

from __future__ import annotations

import click

from engine.cli.invocation import Invocation, shared
from engine.cli.output import absolute
from engine.core.errors import UsageError


@click.command("kit")
@click.argument("folder", type=click.Path())
@shared
@click.pass_obj
def kit(invocation: Invocation, folder: str) -> None:
    """Write the recovery kit into FOLDER: wheels of the product and all it needs, the
    configuration without secrets, the public keys, runbooks, install.sh and RECOVERY.md.

    It holds no secret. With it, the bucket's credentials and the private key a bare machine
    becomes the host again. Backups upload the same kit, encrypted, by themselves.
    """
    target = absolute(folder)
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"{target} is not empty", "Choose an empty or a new folder.")
    written = invocation.engine().hosts.write_kit(target)
    output = invocation.output
    if output.json:
        output.document({"folder": target, "files": written})
        return
    output.line(f"{len(written)} files written to {target}", "strong")
    output.line(f"install on a bare machine: sh {target}/install.sh")
