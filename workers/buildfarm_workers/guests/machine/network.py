"""The network of a guest: two addresses in a private network, for Redis and the hub. Nothing else.

QEMU's user-mode network shows a guest every loopback service of the host; with ``restrict=on`` it
shows none, and each ``guestfwd`` adds one. The ``cmd:`` form starts a connection for each of the
guest's (the ``tcp:`` form shares one among all, and Celery hangs on it).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

from buildfarm.errors import ConfigError

REDIS = ("10.0.2.100", 6379)
HUB = "10.0.2.101"
_PORTS = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The hub and Redis, as the host and the guest reach them.

    ``hosts`` is a line for the guest's /etc/hosts.
    """

    hub_url: str
    redis_url: str
    hosts: str
    forwards: tuple[tuple[str, int, str, int], ...]

    @property
    def netdev(self) -> str:
        """Return the option for QEMU's ``-netdev``."""
        words = ["user", "id=farm", "restrict=on", "ipv6=off"]
        words += [
            f"guestfwd=tcp:{address}:{port}-cmd:socat STDIO TCP:{target}:{target_port}"
            for address, port, target, target_port in self.forwards
        ]
        return ",".join(words)


def reach(hub_url: str, redis_url: str) -> Reach:
    """Translate the host's two URLs.

    A hub with a name keeps it, so that its certificate is still valid: the guest's /etc/hosts has
    the name.

    >>> found = reach("http://127.0.0.1:8080", "redis://w-a:s%2Fx@127.0.0.1:7777/0")
    >>> found.hub_url, found.redis_url
    ('http://10.0.2.101:8080', 'redis://w-a:s%2Fx@10.0.2.100:6379/0')
    >>> reach("https://hub.example/", "redis://r.example/0").hosts
    '10.0.2.101 hub.example'

    :raises ConfigError: an address that cannot be forwarded (a socket's path, a TLS Redis).
    """
    hub, redis = urlsplit(hub_url), urlsplit(redis_url)
    if hub.scheme not in ("http", "https") or not hub.hostname:
        raise ConfigError(
            f"{hub_url} is no address a guest could reach", hint="`hub_url` of host.yaml"
        )
    if redis.scheme != "redis" or not redis.hostname:
        raise ConfigError(
            "a guest reaches Redis by redis://host:port only", hint="`redis` of the hub's farm.yaml"
        )
    hub_port = hub.port or _PORTS[hub.scheme]
    named = not _is_local(hub.hostname)
    netloc = hub.netloc if named else f"{HUB}:{hub_port}"
    login = (
        f"{quote(redis.username or '', safe='%')}:{quote(redis.password or '', safe='%')}@"
        if redis.username
        else ""
    )
    return Reach(
        hub_url=urlunsplit(hub._replace(netloc=netloc)).rstrip("/"),
        redis_url=urlunsplit(redis._replace(netloc=f"{login}{REDIS[0]}:{REDIS[1]}")),
        hosts=f"{HUB} {hub.hostname}" if named else "",
        forwards=(
            (*REDIS, redis.hostname, redis.port or _PORTS["redis"]),
            (HUB, hub_port, hub.hostname, hub_port),
        ),
    )


def _is_local(host: str) -> bool:
    """Check for this machine's own name, or an address: neither works in the guest's /etc/hosts."""
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
