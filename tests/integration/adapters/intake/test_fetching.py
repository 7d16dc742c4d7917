"""Fetching what a target allows from a real server, and being refused everything else."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from buildfarm.adapters.core.blobs import Blobs
from buildfarm.adapters.intake.fetching import Fetcher, seconds_of
from buildfarm.domain.target.allowed_url import AllowedUrl
from buildfarm.errors import BuildFarmError, InputError, NotNow
from tests.integration.vendor_server import VendorServer

DATA = b"an SRPM, as far as anybody looks"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[VendorServer]:
    (tmp_path / "el9").mkdir()
    (tmp_path / "el9" / "a.src.rpm").write_bytes(DATA)
    with VendorServer(tmp_path).running() as running:
        yield running


@pytest.fixture
def allowed(server: VendorServer) -> list[AllowedUrl]:
    return [AllowedUrl(prefix=f"{server.url}/el9/", private=True)]


@pytest.fixture
def fetch() -> Iterator[Fetcher]:
    with contextlib.closing(Fetcher()) as made:
        yield made


def read(fetch: Fetcher, url: str, allowed: list[AllowedUrl], *, limit: int = 1 << 20) -> bytes:
    with fetch(url, allowed=allowed, limit=limit) as answer:
        return b"".join(answer.chunks)


def test_a_file_under_an_allowed_prefix_comes_as_it_is(server, fetch, allowed):
    assert read(fetch, f"{server.url}/el9/a.src.rpm", allowed) == DATA


@pytest.mark.parametrize(
    "url",
    [
        "{server}/el9/../etc/passwd", "{server}/el9/%2e%2e/etc/passwd", "{server}/el90/a.src.rpm", "{server}/", "file:///etc/passwd",
        "gopher://127.0.0.1/x", "http://user:word@127.0.0.1:{port}/el9/a.src.rpm", "http://127.0.0.1:1/el9/a.src.rpm",
        "{server}/el9/a b", "{server}/el9/a.src.rpm#x", "http://[::1/el9/", "//127.0.0.1/el9/a", "",
    ],
)  # fmt: skip
def test_what_is_not_under_the_prefix_is_refused_without_asking_anybody(
    server, fetch, allowed, url
):
    with pytest.raises(InputError):
        read(fetch, url.format(server=server.url, port=server.port), allowed)
    assert server.asked == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "localhost", "[::ffff:127.0.0.1]"]
)
def test_an_address_inside_is_refused_unless_its_prefix_says_private(server, fetch, host):
    url = f"http://{host}:{server.port}/el9/a.src.rpm"
    with pytest.raises(InputError, match="no public address"):
        read(fetch, url, [AllowedUrl(prefix=f"http://{host}:{server.port}/")])
    assert server.asked == []


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1",
                                     "fe80::1", "fd00::1", "64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1", "::"])  # fmt: skip
def test_a_name_that_leads_inside_is_refused_whatever_the_range(address):
    with (
        contextlib.closing(Fetcher(resolve=lambda host, port: [address])) as fetch,
        pytest.raises(InputError, match="public"),
    ):
        read(fetch, "http://vendor.example/a.rpm", [AllowedUrl(prefix="http://vendor.example/")])


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(server, monkeypatch):
    """DNS rebinding: the second answer for the name would lead inside, and nobody asks for it."""
    answers = itertools.chain([["127.0.0.1"]], itertools.repeat(["10.9.9.9"]))
    asked = []

    def never(*arguments, **options):
        asked.append(arguments)
        raise AssertionError("a name was looked up behind the check")

    with contextlib.closing(Fetcher(resolve=lambda host, port: next(answers))) as fetch:
        real = socket.getaddrinfo
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *rest, **more: (
                never(host) if host == "vendor.example" else real(host, *rest, **more)
            ),
        )
        allowed = [AllowedUrl(prefix=f"http://vendor.example:{server.port}/el9", private=True)]
        assert read(fetch, f"http://vendor.example:{server.port}/el9/a.src.rpm", allowed) == DATA
    assert asked == []
    assert server.asked == [("/el9/a.src.rpm", "", f"vendor.example:{server.port}")]


def test_over_tls_the_certificate_must_be_the_names_though_an_address_is_connected_to(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=vendor.example", "-addext", "subjectAltName=DNS:vendor.example"]
    subprocess.run(
        [*made, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate, key)
    asked: list[str | None] = []
    served.sni_callback = lambda _, name, __: asked.append(name)
    (tmp_path / "a.rpm").write_bytes(DATA)
    trust = ssl.create_default_context(cafile=str(certificate))
    with (
        VendorServer(tmp_path).running(tls=served) as server,
        contextlib.closing(Fetcher(resolve=lambda host, port: ["127.0.0.1"], trust=trust)) as fetch,
    ):
        for name in ("vendor.example", "other.example"):
            prefix = f"https://{name}:{server.port}/"
            if name == "vendor.example":
                assert (
                    read(fetch, f"{prefix}a.rpm", [AllowedUrl(prefix=prefix, private=True)]) == DATA
                )
            else:
                with pytest.raises(NotNow, match="Hostname mismatch"):
                    read(fetch, f"{prefix}a.rpm", [AllowedUrl(prefix=prefix, private=True)])
    assert asked == ["vendor.example", "other.example"]


def test_a_redirect_is_followed_where_it_is_allowed_and_refused_elsewhere(server, fetch, allowed):
    server.answer("/el9/moved", 302, {"Location": "/el9/a.src.rpm"})
    assert read(fetch, f"{server.url}/el9/moved", allowed) == DATA
    for out in (
        "/secret",
        "http://169.254.169.254/latest/meta-data",
        f"http://localhost:{server.port}/el9/a.src.rpm",
        "file:///etc/passwd",
    ):
        server.answer("/el9/out", 307, {"Location": out})
        with pytest.raises(InputError):
            read(fetch, f"{server.url}/el9/out", allowed)
    assert "/secret" not in server.paths()
    server.answer("/el9/loop", 301, {"Location": "/el9/loop"})
    with pytest.raises(InputError, match="more than 5 redirects"):
        read(fetch, f"{server.url}/el9/loop", allowed)


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(b"10000\r\n" + b"0" * 0x10000 + b"\r\n")


def test_an_endless_body_ends_at_the_limit_and_leaves_nothing_on_the_disk(
    server, fetch, allowed, tmp_path
):
    server.script["/el9/endless"] = endless
    blobs = Blobs(tmp_path / "blobs")
    with (
        pytest.raises(InputError, match="goes on after"),
        fetch(f"{server.url}/el9/endless", allowed=allowed, limit=1 << 20) as answer,
    ):
        blobs.put_stream(answer.chunks)
    assert [file for file in (tmp_path / "blobs").rglob("*") if file.is_file()] == []


def test_lengths_that_lie_are_found_out(server, fetch, allowed):
    server.answer("/el9/boast", 200, {"Content-Length": str(1 << 40)})
    with pytest.raises(InputError, match="at most"):
        read(fetch, f"{server.url}/el9/boast", allowed)
    server.answer("/el9/short", 200, {"Content-Length": "1000"}, b"just this")
    with pytest.raises(NotNow, match="ended early"):
        read(fetch, f"{server.url}/el9/short", allowed)


def test_a_body_is_never_decoded_so_that_no_bomb_goes_off(server, fetch, allowed):
    packed = b"\x1f\x8b not even gzip"
    server.answer(
        "/el9/packed", 200, {"Content-Encoding": "gzip", "Content-Length": str(len(packed))}, packed
    )
    assert read(fetch, f"{server.url}/el9/packed", allowed) == packed


def test_a_server_that_asks_to_come_later_is_told_apart_from_one_that_has_nothing(
    server, fetch, allowed
):
    server.answer("/el9/busy", 503, {"Retry-After": "120"})
    with pytest.raises(NotNow) as busy:
        read(fetch, f"{server.url}/el9/busy", allowed)
    assert busy.value.retry_after == 120
    with pytest.raises(InputError, match="answers 404"):
        read(fetch, f"{server.url}/el9/nothing", allowed)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        where = f"http://127.0.0.1:{nobody.getsockname()[1]}/"
        with pytest.raises(NotNow):
            read(fetch, where, [AllowedUrl(prefix=where, private=True)])


def test_a_server_that_drips_is_given_up(server, allowed):
    """The time for one file is over before its end; each byte alone came in time."""
    go = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(1000):
                handler.wfile.write(b"x" * (1 << 20))
                go.wait(0.01)

    server.script["/el9/drip"] = drip
    with (
        contextlib.closing(Fetcher(seconds=0.05)) as fetch,
        pytest.raises(BuildFarmError, match="not at its end in time"),
    ):
        read(fetch, f"{server.url}/el9/drip", allowed, limit=1 << 40)


def test_retry_after_may_be_a_date():
    assert seconds_of("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert seconds_of("") is None
    assert seconds_of("soon") is None
