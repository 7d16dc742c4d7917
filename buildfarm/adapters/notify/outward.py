"""Check the destination of a webhook: not the hub itself, nor its neighbours (SSRF).

The rules are those of :mod:`buildfarm.domain.target.allowed_url`. A host is resolved once and the
connection goes to a checked address, so that changing the name's address in between has no effect.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from buildfarm.adapters.intake.fetching import system_resolve
from buildfarm.domain.target.allowed_url import AllowedUrl, is_public, parsed, port_of
from buildfarm.errors import NotAllowed


def address_of(url: str, prefixes: Sequence[str]) -> str:
    """Return the IP address to connect to for ``url``; URLs below ``prefixes`` may have any.

    :raises InputError: it is not a URL to post to.
    :raises NotNow: the name does not resolve.
    :raises NotAllowed: none of its addresses is public.
    """
    parts = parsed(url)
    host = parts.hostname or ""
    excepted = any(AllowedUrl(prefix=prefix).covers(url) for prefix in prefixes)
    found = system_resolve(host, port_of(parts))
    usable = [
        one for one in found if excepted or is_public(ipaddress.ip_address(one.partition("%")[0]))
    ]
    if not usable:
        raise NotAllowed(
            f"{host} is {', '.join(found)}, not a public address",
            hint="`notifications.allowed_urls` in farm.yaml names exceptions",
        )
    return usable[0]
