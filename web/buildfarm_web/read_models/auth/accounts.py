"""Accounts, tokens and sessions for reading: never a hash, never a secret."""

from __future__ import annotations

from buildfarm.api.responses.auth import accounts as responses
from buildfarm.domain.auth.account import Account, Session
from buildfarm.domain.auth.permissions import LEAST, SAID, Action, Principal, possible
from buildfarm.domain.core.records import ApiToken
from buildfarm.ports.store import Transaction, matching
from buildfarm.services.auth.tokens import shown
from buildfarm.services.core.hub import Hub


def account_of(account: Account) -> responses.Account:
    """One account; ``login`` says how its owner gets in."""
    ways: list[responses.Way] = ["password"] if account.password else []
    if account.subject:
        ways.append("oidc")
    return responses.Account(
        name=account.id, role=account.role, sigs=list(account.sigs), login=ways, disabled=account.disabled, created=account.created
    )  # fmt: skip


def accounts(tx: Transaction) -> responses.AccountList:
    """All accounts, by name."""
    found = tx.find(Account, order_by="id")
    return responses.AccountList(accounts=[account_of(account) for account in found])


def token_of(token: ApiToken, tx: Transaction) -> responses.Token:
    """One token; ``state`` is ``active``, ``over`` or ``revoked``."""
    over = token.expires is not None and token.expires <= tx.now
    return responses.Token(
        id=shown(token), name=token.name, account=token.account, role=token.role, sigs=list(token.sigs),
        actions=[Action(action) for action in token.actions], state="revoked" if token.revoked else "over" if over else "active",
        created=token.created, expires=token.expires, used=token.used,
    )  # fmt: skip


def tokens(tx: Transaction, *, account: str = "") -> responses.TokenList:
    """Tokens, the newest first: one account's, or all."""
    where = matching(ApiToken, account=account) if account else {}
    found = tx.find(ApiToken, order_by="created,id", descending=True, **where)
    return responses.TokenList(tokens=[token_of(token, tx) for token in found])


def own_account(hub: Hub, tx: Transaction, asker: Principal, session: str) -> responses.OwnAccount:
    """Return who one is here, what one may do, one's tokens and sessions.

    ``session`` is the id of the one that asks.
    """
    account = tx.first(Account, id=asker.account) if asker.account else None
    idle = hub.config.farm.login.idle
    sessions = (
        tx.find(Session, account=asker.account, ended=None, order_by="created", descending=True)
        if account
        else []
    )
    may = [action for action in Action if possible(asker, action) is None]
    return responses.OwnAccount(
        name=asker.name,
        role=asker.role,
        sigs=list(asker.sigs),
        account=account_of(account) if account else None,
        may=[responses.Allowed(action=action, words=SAID[action]) for action in may],
        may_not=[
            responses.Refused(words=SAID[action], needs=LEAST[action])
            for action in Action
            if action not in may
        ],
        tokens=tokens(tx, account=asker.account).tokens if account else [],
        sessions=[
            responses.OpenSession(
                created=one.created, seen=one.seen, until=one.until, this=one.id == session
            )
            for one in sessions
            if one.is_open(tx.now, idle=idle)
        ],
    )
