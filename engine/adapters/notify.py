"""Reaching people by apprise: mail, chat, webhooks and what else it knows, by URL."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from engine.core.errors import NotifyError
from engine.settings import Secret

_SECONDS = 20.0
_TYPES = {"ok": "success", "warning": "warning", "critical": "failure"}
_WORD = re.compile(r"[^\s/@:?&=#]{4,}")
_SCHEME = re.compile(r"([a-z0-9+]{2,20})://", re.IGNORECASE)


class AppriseNotifier:
    """One configured URL. It holds tokens, so it is revealed late and shown never."""

    def __init__(self, url: Secret, number: int) -> None:
        self._url = url
        self._number = number

    @property
    def name(self) -> str:
        return f"notifier {self._number}"

    def notify(self, title: str, body: str, level: str) -> None:
        """As Notifier promises, within 20 seconds."""
        url = self._url.reveal().strip()
        scheme = _SCHEME.match(url)
        name = f"{self.name} ({scheme[1]})" if scheme else self.name
        with _complaints() as said, warnings.catch_warnings():
            # What its services import is old: not our user's to hear of.
            warnings.simplefilter("ignore", DeprecationWarning)
            import apprise

            service = apprise.Apprise.instantiate(url)
            if service is None:
                raise NotifyError(
                    f"{name} has a URL that apprise does not understand",
                    "Correct it under [notify] urls; see apprise's list of services.",
                )
            desk = apprise.Apprise()
            desk.add(service)
            sent = desk.notify(
                body=body,
                title=title,
                notify_type=_TYPES.get(level, "info"),
                body_format="text",
                timeout=_SECONDS,
            )
        if not sent:
            why = _without_secrets(said[-1] if said else "it gave no reason", url)
            raise NotifyError(
                f"{name} could not send: {why}", "Check its URL under [notify] and the network."
            )


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What apprise says in its log while the block runs; it says why there and nowhere else."""
    said: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    log = logging.getLogger("apprise")
    ear = Ear(logging.WARNING)
    passing, log.propagate = log.propagate, False
    log.addHandler(ear)
    try:
        yield said
    finally:
        log.removeHandler(ear)
        log.propagate = passing


def _without_secrets(text: str, url: str) -> str:
    """The text without any word of the URL: which of them are tokens, only the service knows."""
    rest = url.partition("://")[2]
    for word in sorted(set(_WORD.findall(rest)), key=len, reverse=True):
        text = text.replace(word, "[...]")
    return " ".join(text.split())[:300]
