"""Where a webhook may go on somebody's wish: not to the hub itself and not to its neighbours
(SSRF).

The judgement is that of :mod:`buildfarm.domain.target.allowed_url`. A host's addresses are looked
up once and the connection goes to one that was looked at, so that a name which changes its mind in
between gains nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from buildfarm.adapters.intake.fetching import system_resolve
from buildfarm.domain.target.allowed_url import AllowedUrl, is_public, parsed, port_of
from buildfarm.errors import NotAllowed


def address_of(url: str, prefixes: Sequence[str]) -> str:
    """The IP address to connect to for ``url``; what lies under one of ``prefixes`` may be at any.

    :raises InputError: it is no URL to post to.
    :raises NotNow: the name is not known.
    :raises NotAllowed: none of its addresses is a public one.
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
