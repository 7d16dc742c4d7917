"""Login settings: ``farm.yaml``, the rights that an OIDC issuer's groups give, and the limits of
failed attempts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

from buildfarm.domain.auth.account import LoginTries
from buildfarm.domain.auth.permissions import Role

WINDOW = timedelta(minutes=15)
TRIES_OF_ACCOUNT, TRIES_OF_ADDRESS = 5, 30
"""Tries within :data:`WINDOW` that fail, by account and by address, before the next is not looked
at.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """An OpenID Connect issuer.

    ``client_secret_file`` is relative to farm.yaml; ``title`` is what the button says.

    ``name_claim`` becomes the account's name; ``groups_claim`` lists groups, which ``roles`` and
    ``sigs`` translate.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    issuer: str
    client_id: str
    client_secret_file: str = ""
    title: str = "single sign-on"
    scopes: str = "openid profile"
    name_claim: str = "preferred_username"
    groups_claim: str = "groups"
    roles: dict[str, Role] = field(default_factory=dict)
    sigs: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def rights_of(self, groups: Collection[str]) -> tuple[Role, tuple[str, ...]]:
        """Return the highest role and all SIGs that these groups give; a person who speaks for a
        SIG is at least a maintainer.

        >>> known = OidcSettings(issuer="https://id", client_id="farm",
        ...                      roles={"releng": Role.ENGINEER}, sigs={"virt": ("virt",)})
        >>> known.rights_of(["virt", "other"])
        (<Role.MAINTAINER: 'maintainer'>, ('virt',))
        >>> known.rights_of(["releng"])[0], known.rights_of([])[0]
        (<Role.ENGINEER: 'engineer'>, <Role.VIEWER: 'viewer'>)
        """
        sigs = tuple(sorted({sig for group in groups for sig in self.sigs.get(group, ())}))
        given = [self.roles[group] for group in groups if group in self.roles]
        given.append(Role.MAINTAINER if sigs else Role.VIEWER)
        return max(given, key=lambda role: role.rank), sigs


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginSettings:
    """``login`` of ``farm.yaml``: with passwords, with an OIDC issuer, or both; when a session
    ends.

    ``proxies`` reverse proxies stand before the page and say for whom they ask (X-Forwarded-*).
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    passwords: bool = True
    oidc: OidcSettings | None = None
    session_hours: float = 72.0
    idle_hours: float = 8.0
    proxies: int = 0

    @property
    def longest(self) -> timedelta:
        """Return the longest duration of a session."""
        return timedelta(hours=self.session_hours)

    @property
    def idle(self) -> timedelta:
        """Return how long a session may be unused."""
        return timedelta(hours=self.idle_hours)


def groups_in(claims: Mapping[str, object], name: str) -> tuple[str, ...]:
    """Return the groups that a claim lists; a single word is one group, anything else none.

    >>> groups_in({"groups": ["a", 1]}, "groups"), groups_in({"groups": "a"}, "groups")
    (('a',), ('a',))
    >>> groups_in({}, "groups")
    ()
    """
    found = claims.get(name)
    listed = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return tuple(one for one in listed if isinstance(one, str))


def next_try(known: LoginTries, now: datetime) -> LoginTries:
    """Return ``known`` with one attempt more; a new count once the window is over."""
    if now - known.since >= WINDOW:
        return LoginTries(id=known.id, tries=1, since=now)
    return LoginTries(id=known.id, tries=known.tries + 1, since=known.since)


def seconds_to_wait(tries: LoginTries, most: int, now: datetime) -> int:
    """Return how long until the next try is looked at; 0 if this one is.

    >>> noon = datetime(2026, 3, 2, 12)
    >>> seconds_to_wait(LoginTries(id="a", tries=5, since=noon), 5, noon + timedelta(minutes=5))
    0
    >>> seconds_to_wait(LoginTries(id="a", tries=6, since=noon), 5, noon + timedelta(minutes=5))
    600
    """
    return 0 if tries.tries <= most else max(1, int((tries.since + WINDOW - now).total_seconds()))
