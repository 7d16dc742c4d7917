"""Accounts, tokens, sessions: who the farm knows and what they may do; never a secret but the one
that was just issued.
"""

from __future__ import annotations

from typing import Literal

from buildfarm.api.responses.core.base import Answer, Moment
from buildfarm.domain.auth.permissions import Action, Role

Way = Literal["password", "oidc"]
"""How somebody gets in."""


class Account(Answer):
    """One account; ``login`` says how its owner gets in."""

    name: str
    role: Role
    sigs: list[str]
    login: list[Way]
    disabled: bool
    created: Moment


class AccountList(Answer):
    """All accounts, by name."""

    accounts: list[Account]


class Token(Answer):
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


class IssuedToken(Token):
    """A new token; ``token`` is shown in this answer and never again."""

    token: str


class TokenList(Answer):
    """Tokens, the newest first."""

    tokens: list[Token]


class Allowed(Answer):
    """Something one may do."""

    action: Action
    words: str


class Refused(Answer):
    """Something one may not do, and the least role that may."""

    words: str
    needs: Role


class OpenSession(Answer):
    """A browser that is logged in; ``this`` is the one that asks."""

    created: Moment
    seen: Moment
    until: Moment
    this: bool


class OwnAccount(Answer):
    """Who one is here and what one may do."""

    name: str
    role: Role
    sigs: list[str]
    account: Account | None
    may: list[Allowed]
    may_not: list[Refused]
    tokens: list[Token]
    sessions: list[OpenSession]


class PasswordChanged(Answer):
    """One's own password is another now."""

    account: str
    changed: Literal[True]


class WaysIn(Answer):
    """How one can log in: with a ``password``, at an ``oidc`` issuer (its title); ``you`` is empty
    for nobody.
    """

    password: bool
    oidc: str
    you: str
