"""Fetching over HTTP what the target allows: each URL and each redirect checked, and the very
address that was checked connected to.

A name is resolved once, here; the connection goes to the address, with the name in Host, SNI and
the certificate's check. So a name that answers differently a moment later (DNS rebinding) leads
nowhere else. No proxy, no cookie, no credentials.
"""

from __future__ import annotations

import email.utils
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urljoin

import httpx

from buildfarm.adapters.system.process import MEBIBYTE
from buildfarm.domain.target.allowed_url import AllowedUrl, is_public, parsed, permitted, port_of
from buildfarm.errors import InputError, NotNow

Resolve = Callable[[str, int], Sequence[str]]

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_SECONDS = 3600.0
"""One file in all: a server that sends a byte a minute is no server."""
_MOST_REDIRECTS = 5
_AGENT = "buildfarm"


def system_resolve(host: str, port: int) -> list[str]:
    """Every address of a name. :raises NotNow: it has none, or nobody answers."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise NotNow(
            f"{host}: {error.strerror or error}", hint="does the name resolve on the hub?"
        ) from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """See :class:`buildfarm.ports.fetching.Fetched`; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]


class Fetcher:
    """See :class:`buildfarm.ports.fetching.Fetch`.

    ``seconds`` bounds one file; ``trust`` says whose certificates hold (default: certifi's).
    """

    def __init__(
        self,
        *,
        resolve: Resolve = system_resolve,
        seconds: float = _SECONDS,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._resolve = resolve
        self._seconds = seconds
        # No connection is kept: one to an address was made for one name and must not serve another.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.Client(
            timeout=_TIMEOUT,
            trust_env=False,
            follow_redirects=False,
            limits=limits,
            verify=trust or True,
        )

    def close(self) -> None:
        """Let go of what it holds."""
        self._http.close()

    @contextmanager
    def __call__(
        self,
        url: str,
        *,
        allowed: Sequence[AllowedUrl],
        limit: int,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[Answer]:
        """Get ``url``; see :class:`buildfarm.ports.fetching.Fetch`."""
        first, deadline = url, time.monotonic() + self._seconds
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._send(url, allowed, headers or {})
            try:
                if answer.has_redirect_location:
                    url = urljoin(url, answer.headers["Location"])
                    continue
                _judge(answer, url, limit)
                chunks = _read(answer, url, limit, deadline)
                yield Answer(
                    status=answer.status_code, headers=dict(answer.headers.items()), chunks=chunks
                )
                return
            finally:
                answer.close()
        raise InputError(
            f"{first}: more than {_MOST_REDIRECTS} redirects", hint="give the URL it leads to"
        )

    def _send(
        self, url: str, allowed: Sequence[AllowedUrl], headers: Mapping[str, str]
    ) -> httpx.Response:
        rule, parts = permitted(url, allowed), parsed(url)
        host = parts.hostname or ""
        sent = {
            "Host": parts.netloc,
            "User-Agent": _AGENT,
            "Accept-Encoding": "identity",
            **headers,
        }
        problem: Exception | None = None
        for address in self._addresses(url, host, port_of(parts), private=rule.private):
            request = self._http.build_request(
                "GET",
                httpx.URL(url).copy_with(host=address),
                headers=sent,
                extensions={"sni_hostname": host},
            )
            try:
                return self._http.send(request, stream=True)
            except httpx.ConnectError as error:  # the next address may answer
                problem = error
            except httpx.HTTPError as error:
                raise NotNow(f"{url}: {error!r}") from error
        raise NotNow(f"{url}: {problem!r}") from problem

    def _addresses(self, url: str, host: str, port: int, *, private: bool) -> list[str]:
        """Return where to connect. :raises InputError: every address is one that the prefix does
        not allow.
        """
        found = self._resolve(host, port)
        usable = [
            one
            for one in found
            if private or is_public(ipaddress.ip_address(one.partition("%")[0]))
        ]
        if not usable:
            raise InputError(
                f"{url}: {host} is {', '.join(found)}, which is no public address",
                hint="`private: true` beside the prefix in upstream.allowed_urls allows it",
            )
        return usable


def _judge(answer: httpx.Response, url: str, limit: int) -> None:
    """:raises InputError, NotNow: the answer is not one to read."""
    status = answer.status_code
    if (
        status in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.REQUEST_TIMEOUT)
        or status >= httpx.codes.INTERNAL_SERVER_ERROR
    ):
        raise NotNow(
            f"{url} answers {status}", retry_after=seconds_of(answer.headers.get("Retry-After", ""))
        )
    if status not in (httpx.codes.OK, httpx.codes.NOT_MODIFIED):
        raise InputError(f"{url} answers {status}", hint="is the URL right, and open to the hub?")
    length = answer.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > limit:
        raise InputError(f"{url}: {length} bytes, at most {limit} are fetched")


def _read(answer: httpx.Response, url: str, limit: int, deadline: float) -> Iterator[bytes]:
    size = 0
    try:
        for chunk in answer.iter_raw(MEBIBYTE):
            size += len(chunk)
            if size > limit:
                raise InputError(f"{url}: goes on after {limit} bytes, no more are fetched")
            if time.monotonic() > deadline:
                raise NotNow(f"{url}: not at its end in time")
            yield chunk
    except httpx.HTTPError as error:
        raise NotNow(f"{url}: ended early: {error}") from error


def seconds_of(retry_after: str) -> float | None:
    """Return what a Retry-After header asks for (RFC 9110, 10.2.3): seconds, or a date."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        date = email.utils.parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (date - datetime.now(UTC)).total_seconds()) if date.tzinfo else None
