"""Allowed URLs: the farm fetches only below prefixes that the target names, and only from addresses
of the public internet.

A URL in a drop comes from outside, and its sender must not reach through the hub what he cannot
reach himself (server-side request forgery, OWASP A10:2021). So the scheme, host, port and path are
compared with the configuration, and the address that the name resolves to is checked before a
connection is made.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import SplitResult, unquote, urlsplit

from buildfarm.errors import InputError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedUrl:
    """A prefix under which everything may be fetched; ``private``: also where its address is not
    one of the public internet.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    prefix: str
    private: bool = False

    def covers(self, url: str) -> bool:
        """Return whether ``url`` lies under the prefix; a prefix ends at a slash.

        >>> allowed = AllowedUrl(prefix="https://vendor.example/el9")
        >>> allowed.covers("https://VENDOR.example:443/el9/a.rpm")
        True
        >>> allowed.covers("https://vendor.example/el90/a.rpm")
        False
        """
        ours, theirs = parsed(self.prefix), parsed(url)
        same_place = (ours.scheme, ours.hostname, port_of(ours)) == (
            theirs.scheme,
            theirs.hostname,
            port_of(theirs),
        )
        return same_place and f"{theirs.path}/".startswith(f"{ours.path.rstrip('/')}/")


def parsed(url: str) -> SplitResult:
    """A URL's parts. :raises InputError: it is none that the farm would fetch (scheme, user, dots,
    control characters).

    >>> parsed("https://vendor.example/a/b.rpm").path
    '/a/b.rpm'
    """
    try:
        parts = urlsplit(url)
        port_of(parts)
    except ValueError as error:
        raise InputError(f"{url!r} is no URL: {error}") from error
    decoded = unquote(parts.path)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise InputError(f"{url}: only http and https are fetched", hint="give the whole URL")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InputError(
            f"{parts.scheme}://{parts.hostname}…: a URL with a user, a password or a fragment is "
            "not fetched"
        )
    if not url.isprintable() or not decoded.isprintable() or " " in url or "\\" in decoded:
        raise InputError(
            f"{url!r}: holds characters that no URL of ours has", hint="encode them with %"
        )
    if {".", ".."} & set(decoded.split("/")):
        raise InputError(
            f"{url}: a path with . or .. is not fetched", hint="give the path it leads to"
        )
    return parts


def port_of(parts: SplitResult) -> int:
    """The port, or the scheme's own. :raises ValueError: it is no number."""
    return parts.port or _PORTS.get(parts.scheme, 0)


def permitted(url: str, allowed: Iterable[AllowedUrl]) -> AllowedUrl:
    """The prefix that covers ``url`` (one that may be private before others).

    :raises InputError: none does.
    """
    known = list(allowed)
    found = [one for one in known if one.covers(url)]
    if not found:
        names = ", ".join(one.prefix for one in known) or "none"
        raise InputError(
            f"{url}: not under a URL that the target allows (allowed: {names})",
            hint="upload the file, or add a prefix to upstream.allowed_urls of the target",
        )
    return max(found, key=lambda one: one.private)


def is_public(address: Address) -> bool:
    """Return whether an address is one of the public internet (RFC 6890); an IPv4 address inside an
    IPv6 one counts as itself.

    >>> addresses = ("9.9.9.9", "127.0.0.1", "::ffff:10.0.0.1", "169.254.169.254", "ff02::1")
    >>> [is_public(ipaddress.ip_address(one)) for one in addresses]
    [True, False, False, False, False]
    """
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved
