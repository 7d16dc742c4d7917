"""Uploads over a real socket: streamed to the disk, and whatever lies or never ends is refused and
leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.integration.web.scenarios import ENGINEER

LIMIT = 1 << 20
"""The application's blob_limit here."""


class Silent(WSGIRequestHandler):
    """Says nothing of each request."""

    protocol_version = "HTTP/1.1"  # without it no body is read in chunks

    def log(self, *_: object, **__: object) -> None:
        """Nothing."""


@pytest.fixture
def address(app: Flask) -> Iterator[tuple[str, int]]:
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Silent)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield "127.0.0.1", server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def put(
    address: tuple[str, int], sha256: str, headers: list[str], *body: bytes, close: bool = False
) -> bytes:
    """What the server answers to a request as it stands here, byte for byte."""
    head = [
        f"PUT /api/v1/blobs/{sha256} HTTP/1.1",
        "Host: hub",
        f"Authorization: Bearer {ENGINEER}",
        "Connection: close",
        *headers,
    ]
    with socket.create_connection(address, timeout=30) as wire:
        with contextlib.suppress(OSError):  # a server that has heard enough hangs up
            wire.sendall("\r\n".join([*head, "", ""]).encode())
            for part in body:
                wire.sendall(part)
        if close:
            wire.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(OSError):
            while part := wire.recv(65536):
                answer += part
        return answer


def files(folder: Path) -> list[Path]:
    return [file for file in (folder / "blobs").rglob("*") if file.is_file()]


def chunks(data: bytes, count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield f"{len(data):x}\r\n".encode() + data + b"\r\n"


def test_an_upload_in_chunks_is_kept_under_its_digest(address, tmp_path):
    before = files(tmp_path)
    data = b"x" * 5000
    sha256 = hashlib.sha256(data * 3).hexdigest()
    answer = put(address, sha256, ["Transfer-Encoding: chunked"], *chunks(data, 3), b"0\r\n\r\n")
    assert b" 201 " in answer.splitlines()[0]
    (new,) = set(files(tmp_path)) - set(before)
    assert (new.name, new.read_bytes()) == (sha256, data * 3)


@pytest.mark.parametrize(
    "way", ["endless", "boasts", "ends early", "longer than it says", "another file"]
)
def test_a_body_that_lies_or_never_ends_is_refused_and_the_disk_is_as_before(
    address, tmp_path, way
):
    before = files(tmp_path)
    sha256 = hashlib.sha256(b"what it should be").hexdigest()
    ways: dict[str, tuple[list[str], list[bytes], bool]] = {
        "endless": (
            ["Transfer-Encoding: chunked"],
            list(chunks(b"x" * 65536, 64)),
            True,
        ),  # the server drains what is left
        "boasts": ([f"Content-Length: {1 << 40}"], [b"x"], False),
        "ends early": (["Content-Length: 17"], [b"what it"], True),
        "longer than it says": (["Content-Length: 7"], [b"what it should be"], False),
        "another file": (["Content-Length: 17"], [b"what it was not.."], False),
    }
    headers, body, close = ways[way]
    answer = put(address, sha256, headers, *body, close=close)
    status = answer.split(b" ")[1]
    assert status in {
        "endless": (b"413", b"422"),
        "boasts": (b"413",),
        "ends early": (b"400", b"422"),
    }.get(way, (b"422",))
    assert b"application/problem+json" in answer
    assert files(tmp_path) == before
