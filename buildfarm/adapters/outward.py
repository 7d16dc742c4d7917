"""Where the hub may connect to on somebody's wish: not to itself and not to its neighbours (SSRF).

A host's addresses are looked up once and the connection goes to an address that was looked at, so that a name which changes
its mind in between gains nothing. farm.yaml names the exceptions by URL prefix.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from buildfarm.errors import InfraError, NotAllowed

_PORTS = {"http": 80, "https": 443}


def is_excepted(url: str, prefixes: Sequence[str]) -> bool:
    """Whether ``url`` lies under one of ``prefixes``: the same scheme, host and port, and the path goes on from the prefix's.

    >>> is_excepted("http://127.0.0.1:9000/hook", ["http://127.0.0.1:9000/"])
    True
    >>> is_excepted("http://127.0.0.1:9000.evil.example/", ["http://127.0.0.1:9000"])
    False
    """
    wanted = urlsplit(url)
    for prefix in map(urlsplit, prefixes):
        path = prefix.path.rstrip("/")
        if _place(prefix) == _place(wanted) and (wanted.path == path or wanted.path.startswith(f"{path}/") or not path):
            return True
    return False


def _place(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def address_of(url: str, prefixes: Sequence[str]) -> str:
    """The IP address to connect to for ``url``.

    :raises InfraError: the name is not known.
    :raises NotAllowed: one of its addresses is not a public one, and no prefix excepts it.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 443)
    try:
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise InfraError(f"{host}: {error}") from error
    if not is_excepted(url, prefixes):
        for address in found:
            if not is_public(address):
                raise NotAllowed(
                    f"{host} is {address}, not a public address",
                    hint="`telling.allowed_urls` in farm.yaml names exceptions",
                )
    return found[0]


def is_public(address: str) -> bool:
    """Whether an address is one of the internet's; what is mapped or translated into IPv6 counts as the IPv4 address it is.

    >>> [is_public(one) for one in ("93.184.215.14", "127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fe80::1%eth0")]
    [True, False, False, False, False, False, False]
    """
    known = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(known, ipaddress.IPv6Address):
        inner = known.ipv4_mapped or known.sixtofour or (known.teredo[1] if known.teredo else None)
        if known in _NAT64:
            inner = ipaddress.IPv4Address(int(known) & 0xFFFFFFFF)
        known = inner or known
    return known.is_global and not known.is_multicast and not known.is_reserved


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
