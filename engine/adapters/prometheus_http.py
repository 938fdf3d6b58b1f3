"""Asking Prometheus and the Alertmanager over HTTP: soon an answer or an error of ours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.core.errors import MonitoringError

if TYPE_CHECKING:
    import requests

TIMEOUT = (3.0, 6.0)  # seconds to connect, and between bytes
_ANSWER_LIMIT = 32 << 20


class Http:
    """One server. `name` is how it is called in errors; `key` its key under [monitoring]."""

    def __init__(self, url: str, name: str, key: str) -> None:
        self.url = url.rstrip("/")
        self.name = name
        self._key = key
        self._session: requests.Session | None = None

    @property
    def session(self) -> requests.Session:
        """Tries once more when a connection breaks or a proxy in between has no answer."""
        if self._session is None:
            import requests
            from requests.adapters import HTTPAdapter
            from urllib3.util import Retry

            retry = Retry(
                total=1,
                backoff_factor=0.2,
                status_forcelist=(502, 503, 504),
                raise_on_status=False,
            )
            self._session = requests.Session()
            for scheme in ("http://", "https://"):
                self._session.mount(scheme, HTTPAdapter(max_retries=retry))
        return self._session

    def get(self, path: str, **params: str) -> Any:
        """The JSON behind a path. MonitoringError."""
        return self._ask("GET", path, params=params)

    def post(self, path: str, document: Mapping[str, Any]) -> Any:
        return self._ask("POST", path, document=document)

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path)

    def _ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        document: Mapping[str, Any] | None = None,
    ) -> Any:
        import requests

        try:
            with self.session.request(
                method,
                self.url + path,
                params=params,
                json=document,
                timeout=TIMEOUT,
                stream=True,
            ) as response:
                body = response.raw.read(_ANSWER_LIMIT + 1, decode_content=True)
                if response.status_code >= 300:
                    said = body[:200].decode("utf-8", "replace").strip()
                    raise self.error(f"it answered {response.status_code} {said}")
                return _parsed(body) if body else None
        except requests.RequestException as error:
            raise self.error(reason(error)) from error
        except (OSError, ValueError) as error:
            raise self.error(f"its answer makes no sense ({error})") from error

    def error(self, what: str) -> MonitoringError:
        return MonitoringError(
            f"{self.name} at {self.url} cannot be used: {what}",
            f"Check `{self._key}` under [monitoring], and that it runs.",
        )


def _parsed(body: bytes) -> Any:
    import json

    if len(body) > _ANSWER_LIMIT:
        raise ValueError("it is far too long")
    return json.loads(body)


def reason(error: BaseException) -> str:
    """The innermost reason of a failed connection, in a few words."""
    found: BaseException = error
    while (inner := found.__cause__ or found.__context__) is not None:
        found = inner
    text = getattr(found, "strerror", None) or str(found) or type(found).__name__
    return str(text).splitlines()[0][:200]


def table(value: object) -> dict[str, Any]:
    """A JSON object, or an empty one: what a server says is never trusted to be of a form."""
    return value if isinstance(value, dict) else {}


def rows(value: object) -> list[dict[str, Any]]:
    return [table(item) for item in value] if isinstance(value, list) else []


def texts(value: object) -> dict[str, str]:
    """Labels or annotations."""
    return {str(name): str(text) for name, text in table(value).items()}


def moment(value: object) -> datetime | None:
    """A time as RFC 3339 spells it; None for what is none, and for Go's zero time."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    if found.tzinfo is None or found.year < 1970:
        return None
    return found.astimezone(UTC)
