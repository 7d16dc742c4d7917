"""Accounts of people, their sessions, and the count of failed logins, as the store keeps them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from buildfarm.domain.auth.permissions import Role, is_person
from buildfarm.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
LEAST_PASSWORD, MOST_PASSWORD = 12, 1024
"""Characters of a password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person or program that the farm knows; ``id`` is its name, which appears in the history and
    never changes.

    ``password`` is an Argon2 hash, empty if there is none; ``subject`` is who the OIDC issuer says
    it is (``ISSUER SUBJECT``), empty for a local account.
    """

    id: str
    role: Role
    sigs: tuple[str, ...] = ()
    password: str = ""
    subject: str = ""
    disabled: bool = False
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A logged-in browser.

    ``id`` is the SHA-256 of what the cookie holds; ``until`` is its end at the latest.
    """

    id: str
    account: str
    created: datetime
    seen: datetime
    until: datetime
    ended: datetime | None = None

    def is_open(self, now: datetime, *, idle: timedelta) -> bool:
        """Return whether it still counts: neither ended, nor over, nor unused for ``idle``."""
        return self.ended is None and now < self.until and now - self.seen < idle


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginTries:
    """Count of failed logins of one account or address (``id``) since ``since``."""

    id: str
    tries: int
    since: datetime


def checked_name(name: str) -> str:
    """Return ``name`` if an account may have it. :raises InputError: it may not.

    >>> checked_name("ann.b")
    'ann.b'
    >>> checked_name("scheduler")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    buildfarm.errors.InputError: 'scheduler' cannot be an account's name (letters, digits and ...)
    """
    if not _NAME.fullmatch(name) or not is_person(name):
        raise InputError(
            f"{name!r} cannot be an account's name",
            hint="letters, digits and . _ @ -, at most 64, and no part of the farm",
        )
    return name


def checked_password(password: str, name: str) -> str:
    """Return ``password`` if it is strong enough (NIST SP 800-63B: length counts). :raises
    InputError: it is not.

    >>> checked_password("ann", "ann")
    Traceback (most recent call last):
    buildfarm.errors.InputError: the password has 3 characters, it needs 12 (a few words will do)
    """
    if len(password) < LEAST_PASSWORD:
        raise InputError(
            f"the password has {len(password)} characters, it needs {LEAST_PASSWORD}",
            hint="a few words will do",
        )
    if len(password) > MOST_PASSWORD or password.casefold() == name.casefold():
        raise InputError(
            "this password will not do",
            hint=f"not the name, and at most {MOST_PASSWORD} characters",
        )
    return password
