"""How an export leaves: to stdout as it is, or whole into a file."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from engine.cli.output import Output, absolute
from engine.core.errors import MentatError


def emit(output: Output, to: str, text: str, mode: int = 0o644) -> None:
    """Write the text to the file, whole or not at all, or to stdout. MentatError."""
    if not to:
        sys.stdout.write(text)
        return
    file = absolute(to)
    replace(file, text, mode)
    if output.json:
        output.document({"file": str(file)})
    else:
        output.line(f"written: {file}", "ok")


def replace(file: Path, text: str, mode: int) -> None:
    """Replace the file by this text. MentatError when it cannot be written."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
            Path(temporary).replace(file)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(temporary).unlink()
            raise
    except OSError as error:
        raise MentatError(
            f"{file} cannot be written: {error.strerror}", "Choose another place, or run as root."
        ) from error
