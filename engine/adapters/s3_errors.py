"""The one place where botocore's and urllib3's exceptions become errors of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from engine.adapters.s3_meanings import BROKEN, CODES, FAMILIES, STATUSES, UNKNOWN, Meaning
from engine.core.errors import MentatError

_SAID_LIMIT = 300  # characters of a server's own words in a message


@cache
def vendor_errors() -> tuple[type[Exception], ...]:
    """What may come out of botocore's calls and its streams."""
    from botocore.exceptions import BotoCoreError, ClientError, UndefinedModelAttributeError
    from urllib3.exceptions import HTTPError

    return (BotoCoreError, ClientError, UndefinedModelAttributeError, HTTPError, OSError)


@contextmanager
def translated(store: str, doing: str) -> Iterator[None]:
    """Turn botocore's exceptions raised inside into ours. `doing` reads `writing v1/a/b`."""
    try:
        yield
    except vendor_errors() as error:
        raise translate(error, store, doing) from error


def translate(error: Exception, store: str, doing: str) -> MentatError:
    """The error of ours for an exception of botocore or urllib3."""
    meaning = meaning_of(error)
    said = _said(error)
    return meaning.error(f"{doing} in {store}: {meaning.what} ({said})", meaning.remedy)


def meaning_of(error: Exception) -> Meaning:
    """What an exception stands for: by error code, then HTTP status, then class."""
    code, status = code_and_status(error)
    if code in CODES:
        return CODES[code]
    if status in STATUSES:
        return STATUSES[status]
    if status:
        return UNKNOWN
    return family(type(error)) or (BROKEN if _is_transport(error) else UNKNOWN)


def family(kind: type[BaseException]) -> Meaning | None:
    """The meaning of an exception class, or of its nearest base that has one."""
    return next(
        (FAMILIES[base.__name__] for base in kind.__mro__ if base.__name__ in FAMILIES), None
    )


def code_and_status(error: Exception) -> tuple[str, int]:
    """The S3 error code and HTTP status; ("", 0) when the store gave no answer. A HEAD has no
    body, so its code is the status."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    if not isinstance(response, dict):
        return "", 0
    code = str(response.get("Error", {}).get("Code", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) or 0)
    if not status and code.isdigit():
        status = int(code)
    return code, status


def retries_of(error: BaseException) -> int:
    """How often botocore had sent this request again before it gave this error."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    return int(response.get("ResponseMetadata", {}).get("RetryAttempts", 0) or 0)


def _is_transport(error: Exception) -> bool:
    from urllib3.exceptions import HTTPError

    return isinstance(error, HTTPError | OSError)


def _said(error: Exception) -> str:
    response: dict[str, Any] = getattr(error, "response", None) or {}
    detail = response.get("Error", {}) if isinstance(response, dict) else {}
    if detail:
        text = f"{detail.get('Code', '')}: {detail.get('Message', '')}".strip(": ")
    else:
        text = str(error)
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line[:_SAID_LIMIT] or type(error).__name__
