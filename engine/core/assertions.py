"""An operator's assertion on a restored database: what was expected against what came."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

_COMPARED = re.compile(r"(<=|>=|!=|<|>|=)\s*(-?\d+(?:\.\d+)?)\Z")
_WAYS: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}


def holds(expected: str, found: str | None) -> bool:
    """Whether a value is as expected: the same text, or a number for `>= 1000` and the like.
    NULL and no row are never as expected."""
    if found is None:
        return False
    compared = _COMPARED.match(expected.strip())
    if compared is None:
        return found == expected
    try:
        return _WAYS[compared[1]](Decimal(found), Decimal(compared[2]))
    except InvalidOperation:
        return False
