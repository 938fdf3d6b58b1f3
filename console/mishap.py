"""A fault of the console itself: said in two lines, without values that may be secret."""

from __future__ import annotations

import traceback
from pathlib import Path

from console.formatting import safe

REMEDY = "Jobs go on. Open the console again, or use mentat-dr job list."


def words(error: BaseException) -> str:
    """What failed and where, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "console" in Path(frame.filename).parts]
    where = ""
    if ours:
        last = ours[-1]
        where = f" ({Path(last.filename).name}:{last.lineno})"
    return safe(f"the console failed: {type(error).__name__}: {error}{where}")
