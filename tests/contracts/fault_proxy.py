"""A proxy before an S3 server that breaks what it is told to break, as networks and other
people's servers do. It passes everything else on as it is, signatures included."""

from __future__ import annotations

import http.client
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit


@dataclass
class Request:
    method: str
    path: str  # with the query
    headers: dict[str, str]  # names in lower case

    @property
    def is_part(self) -> bool:
        return self.method == "PUT" and "partNumber=" in self.path

    @property
    def is_completion(self) -> bool:
        return self.method == "POST" and "uploadId=" in self.path


@dataclass
class Fault:
    """What to do to one request. cut: close after so many bytes of the answer's body, 0 before
    any byte of it; after_sending: break only once the server has done it."""

    status: int = 0
    code: str = "Fault"
    message: str = "made for a test"
    cut: int | None = None
    after_sending: bool = False
    without_headers: tuple[str, ...] = ()
    edit: Callable[[bytes], bytes] | None = None


Rule = Callable[[Request], Fault | None]


@dataclass
class FaultProxy:
    """`rule` is asked at each request; `seen` is what came."""

    upstream: str
    endpoint: str = ""
    rule: Rule = lambda _: None
    seen: list[Request] = field(default_factory=list)

    def times(self, count: int, matches: Callable[[Request], bool], fault: Fault) -> None:
        """Break the first `count` requests that match."""
        left = [count]
        lock = threading.Lock()

        def rule(request: Request) -> Fault | None:
            if not matches(request):
                return None
            with lock:
                left[0] -= 1
                return fault if left[0] >= 0 else None

        self.rule = rule

    def always(self, matches: Callable[[Request], bool], fault: Fault) -> None:
        self.rule = lambda request: fault if matches(request) else None


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    proxy: FaultProxy

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        return

    def _serve(self) -> None:
        proxy = self.server.proxy
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers)
        proxy.seen.append(request)
        body = self.rfile.read(int(headers.get("content-length", 0)))
        fault = proxy.rule(request) or Fault()
        if fault.cut is not None and not fault.after_sending and request.method != "GET":
            self.close_connection = True
            return
        if fault.status and not fault.after_sending:
            self._refuse(fault)
            return
        status, fields, answer = self._ask(proxy.upstream, body)
        if fault.after_sending:
            if fault.status:
                self._refuse(fault)
            self.close_connection = True
            return
        self._answer(fault, status, fields, answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815

    def _ask(self, upstream: str, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(urlsplit(upstream).netloc, timeout=60)
        try:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    connection.putheader(name, value)
            connection.endheaders(body or None)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def _refuse(self, fault: Fault) -> None:
        text = f"<Error><Code>{fault.code}</Code><Message>{fault.message}</Message></Error>"
        body = b"" if self.command == "HEAD" else text.encode()
        self.send_response(fault.status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(
        self, fault: Fault, status: int, fields: list[tuple[str, str]], body: bytes
    ) -> None:
        if fault.edit:
            body = fault.edit(body)
        self.send_response_only(status)
        left_off = {"connection", "transfer-encoding", *fault.without_headers}
        if self.command != "HEAD":
            left_off.add("content-length")
        for name, value in fields:
            if name.lower() not in left_off:
                self.send_header(name, value)
        if self.command != "HEAD" and status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault.cut is not None:
            self.wfile.write(body[: fault.cut])
            self.close_connection = True
            return
        self.wfile.write(b"" if self.command == "HEAD" else body)


@contextmanager
def fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    """A proxy on a free port of the loopback, gone at the end."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.proxy = FaultProxy(upstream, f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.proxy
        finally:
            server.shutdown()
            thread.join()
