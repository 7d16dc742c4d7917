"""Accounts, tokens, sessions: who the farm knows and what they may do; never a secret but the one
that was just issued.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from buildfarm.api.responses.core.base import ApiResponse, Moment
from buildfarm.domain.auth.permissions import Action, Role

Way = Literal["password", "oidc"]
"""A way to log in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account(ApiResponse):
    """One account; ``login`` says how its owner gets in."""

    name: str
    role: Role
    sigs: list[str]
    login: list[Way]
    disabled: bool
    created: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountList(ApiResponse):
    """All accounts, by name."""

    accounts: list[Account]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token(ApiResponse):
    """One token; ``id`` is the beginning of its digest, ``role`` what it was cut down to."""

    id: str
    name: str
    account: str
    role: str
    sigs: list[str]
    actions: list[Action]
    state: Literal["active", "over", "revoked"]
    created: Moment
    expires: Moment | None
    used: Moment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken(Token):
    """A new token; ``token`` is shown in this answer and never again."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenList(ApiResponse):
    """Tokens, the newest first."""

    tokens: list[Token]


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed(ApiResponse):
    """Something one may do."""

    action: Action
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(ApiResponse):
    """Something one may not do, and the least role that may."""

    words: str
    needs: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession(ApiResponse):
    """A browser that is logged in; ``this`` is the one that asks."""

    created: Moment
    seen: Moment
    until: Moment
    this: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnAccount(ApiResponse):
    """The caller's own account and what it may do."""

    name: str
    role: Role
    sigs: list[str]
    account: Account | None
    may: list[Allowed]
    may_not: list[Refused]
    tokens: list[Token]
    sessions: list[OpenSession]


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChanged(ApiResponse):
    """One's own password is another now."""

    account: str
    changed: Literal[True]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaysIn(ApiResponse):
    """Ways to log in: with a ``password``, at an ``oidc`` issuer (its title); ``you`` is empty
    for nobody.
    """

    password: bool
    oidc: str
    you: str
