"""Reaching services by the standard library: no proxy, no cookies, certificates checked."""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.request

from engine.core.errors import MentatError
from engine.ports.reach import Fetched

LIMIT = 64 * 1024  # bytes of an answer that are looked at


class NetworkReach:
    """The port Reach."""

    def fetch(self, url: str, timeout: float) -> Fetched:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(url, headers={"User-Agent": "mentat-dr health"})
        try:
            with opener.open(request, timeout=timeout) as answer:
                return Fetched(answer.status, answer.read(LIMIT))
        except urllib.error.HTTPError as error:
            with error:
                return Fetched(error.code, error.read(LIMIT))
        except urllib.error.URLError as error:
            raise _unreachable(url, error.reason) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _unreachable(url, error) from error

    def connect(self, host: str, port: int, timeout: float) -> None:
        try:
            with socket.create_connection((host, port), timeout):
                return
        except OSError as error:
            raise _unreachable(f"{host}:{port}", error) from error


def _unreachable(what: str, error: object) -> MentatError:
    if isinstance(error, socket.gaierror):
        said = "the name does not resolve"
    elif isinstance(error, TimeoutError):
        said = "no answer in time"
    elif isinstance(error, ssl.SSLCertVerificationError):
        said = f"its certificate is not good: {error.verify_message}"
    elif isinstance(error, OSError) and error.strerror:
        said = error.strerror
    else:
        said = str(error) or type(error).__name__
    return MentatError(f"{what}: {said}", "Look at the service, its port and the way there.")
