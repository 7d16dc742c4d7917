"""Accounts and tokens: who the farm knows, and what programs show to be known."""

from __future__ import annotations

from collections.abc import Sequence

from buildfarm.api.responses.auth.accounts import (
    Account,
    AccountList,
    IssuedToken,
    Token,
    TokenList,
)
from buildfarm.client.transport import Transport, path_of
from buildfarm.domain.auth.permissions import Action, Role


class Accounts:
    """``/accounts``, for admins."""

    def __init__(self, transport: Transport) -> None:
        self._hub = transport

    def list(self) -> Sequence[Account]:
        """All accounts, by name."""
        return self._hub.read(AccountList, "/accounts").accounts

    def make(
        self, name: str, role: Role, *, sigs: Sequence[str] = (), password: str = "", reason: str = ""
    ) -> Account:  # fmt: skip
        """Make an account; without a password a token or an OIDC issuer lets its owner in."""
        body = {"name": name, "role": role, "sigs": [*sigs], "password": password, "reason": reason}
        return self._hub.change(Account, "/accounts", body)

    def set_rights(
        self, name: str, role: Role, *, sigs: Sequence[str] = (), reason: str
    ) -> Account:
        """Give it another role, and these SIGs alone."""
        body = {"role": role, "sigs": [*sigs], "reason": reason}
        return self._hub.change(Account, path_of("accounts", name, "rights"), body)

    def disable(self, name: str, *, reason: str) -> Account:
        """Close it: its sessions end, its tokens open nothing."""
        return self._hub.change(Account, path_of("accounts", name, "disable"), {"reason": reason})

    def enable(self, name: str, *, reason: str) -> Account:
        """Open it again."""
        return self._hub.change(Account, path_of("accounts", name, "enable"), {"reason": reason})

    def set_password(self, name: str, password: str) -> Account:
        """Give it another password; its sessions end."""
        return self._hub.change(
            Account, path_of("accounts", name, "password"), {"password": password}
        )


class Tokens:
    """``/tokens``: one's own, or (admins) anybody's."""

    def __init__(self, transport: Transport) -> None:
        self._hub = transport

    def list(self, *, account: str = "", everybodys: bool = False) -> Sequence[Token]:
        """Tokens, the newest first; never what they are."""
        return self._hub.read(
            TokenList, "/tokens", account=account, all="1" if everybodys else ""
        ).tokens

    def issue(
        self, name: str, *, account: str = "", role: Role | None = None, sigs: Sequence[str] = (), actions: Sequence[Action] = (),
        days: int = 90,
    ) -> IssuedToken:  # fmt: skip
        """Issue a token; its ``token`` is in this answer alone.

        Without a role it may as much as its account.
        """
        body = {
            "name": name,
            "account": account,
            "role": role,
            "sigs": [*sigs],
            "actions": [*actions],
            "days": days,
        }
        return self._hub.change(IssuedToken, "/tokens", body)

    def revoke(self, token: str, *, reason: str = "") -> Token:
        """End a token now, by the id that lists give it."""
        return self._hub.change(Token, path_of("tokens", token, "revoke"), {"reason": reason})
