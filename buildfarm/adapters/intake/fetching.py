"""Fetch over HTTP what the target allows; each URL and each redirect is checked.

A name is resolved once, and the connection goes to the checked address, with the name in Host, SNI
and the certificate's check. So a name that resolves differently a moment later (DNS rebinding)
cannot redirect the request. No proxy, no cookies, no credentials.
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
"""Limit for one whole file, against servers that send a byte a minute."""
_MOST_REDIRECTS = 5
_AGENT = "buildfarm"


def system_resolve(host: str, port: int) -> list[str]:
    """Return every address of a name. :raises NotNow: it has none, or no server answers."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise NotNow(
            f"{host}: {error.strerror or error}", hint="does the name resolve on the hub?"
        ) from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedResponse:
    """See :class:`buildfarm.ports.fetching.Fetched`; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]


class Fetcher:
    """See :class:`buildfarm.ports.fetching.Fetch`.

    ``seconds`` limits one file; ``trust`` holds the trusted certificates (default: certifi's).
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
        # Connections are not kept: one was made for a name and must not serve another.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.Client(
            timeout=_TIMEOUT,
            trust_env=False,
            follow_redirects=False,
            limits=limits,
            verify=trust or True,
        )

    def close(self) -> None:
        """Close the HTTP client."""
        self._http.close()

    @contextmanager
    def __call__(
        self,
        url: str,
        *,
        allowed: Sequence[AllowedUrl],
        limit: int,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[FetchedResponse]:
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
                yield FetchedResponse(
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
        """Return addresses to connect to. :raises InputError: the prefix allows none of them."""
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
    """Check the status and the announced length. :raises InputError, NotNow: do not read it."""
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
    """Return the delay of a Retry-After header (RFC 9110, 10.2.3): seconds, or a date."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        date = email.utils.parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (date - datetime.now(UTC)).total_seconds()) if date.tzinfo else None
