"""A vendor's web server on the loopback interface: files with validators as mirrors send them, and
every misbehaviour by script.
"""

from __future__ import annotations

import hashlib
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class VendorServer:
    """Serves ``folder``; ``script`` takes a path over.

    ``asked`` is every request: path, conditions, Host.
    """

    folder: Path
    port: int = 0
    script: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(
        self, path: str, status: int, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> None:
        """Let ``path`` answer just this."""

        def say(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, text in (headers or {}).items():
                handler.send_header(name, text)
            handler.end_headers()
            handler.wfile.write(body)

        self.script[path] = say

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.asked]

    def _handler(server: VendorServer) -> type[BaseHTTPRequestHandler]:  # noqa: N805  # the handler's own self is another
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                condition = self.headers.get("If-None-Match", "")
                server.asked.append((self.path, condition, self.headers.get("Host", "")))
                if script := server.script.get(self.path):
                    script(self)
                    return
                file = server.folder / self.path.lstrip("/")
                if not file.is_file():
                    self.send_error(404)
                    return
                data = file.read_bytes()
                etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
                same = condition == etag
                self.send_response(304 if same else 200)
                self.send_header("ETag", etag)
                self.send_header("Content-Length", "0" if same else str(len(data)))
                self.end_headers()
                if not same:
                    self.wfile.write(data)

            def send_response(self, code: int, message: str | None = None) -> None:
                server.statuses.append(code)
                super().send_response(code, message)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler

    @contextmanager
    def running(self, *, tls: ssl.SSLContext | None = None) -> Iterator[VendorServer]:
        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that goes away is part of the tests."""

        with Quiet(("127.0.0.1", 0), self._handler()) as server:
            self.port = server.server_port
            if tls is not None:
                server.socket = tls.wrap_socket(server.socket, server_side=True)
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()
