"""Accounts, tokens and sessions for reading: never a hash, never a secret."""

from __future__ import annotations

from buildfarm.domain.auth.account import Account, Session
from buildfarm.domain.auth.permissions import LEAST, SAID, Action, Principal, possible
from buildfarm.domain.core.records import ApiToken
from buildfarm.ports.store import Transaction, matching
from buildfarm.services.auth.tokens import shown
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.core.convert import Json, stamp


def account_json(account: Account) -> Json:
    """One account; ``login`` says how its owner gets in."""
    ways = [
        word for word, there in (("password", account.password), ("oidc", account.subject)) if there
    ]
    return {
        "name": account.id, "role": account.role.value, "sigs": list(account.sigs), "login": ways,
        "disabled": account.disabled, "created": stamp(account.created),
    }  # fmt: skip


def accounts(tx: Transaction) -> Json:
    """All accounts, by name."""
    return {"accounts": [account_json(account) for account in tx.find(Account, order_by="id")]}


def token_json(token: ApiToken, tx: Transaction) -> Json:
    """One token; ``state`` is ``active``, ``over`` or ``revoked``."""
    over = token.expires is not None and token.expires <= tx.now
    return {
        "id": shown(token), "name": token.name, "account": token.account, "role": token.role, "sigs": list(token.sigs),
        "actions": list(token.actions), "state": "revoked" if token.revoked else "over" if over else "active",
        "created": stamp(token.created), "expires": stamp(token.expires), "used": stamp(token.used),
    }  # fmt: skip


def tokens(tx: Transaction, *, account: str = "") -> Json:
    """Tokens, the newest first: one account's, or all."""
    where = matching(ApiToken, account=account) if account else {}
    found = tx.find(ApiToken, order_by="created,id", descending=True, **where)
    return {"tokens": [token_json(token, tx) for token in found]}


def own_account(hub: Hub, tx: Transaction, asker: Principal, session: str) -> Json:
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
    return {
        "name": asker.name,
        "role": asker.role.value,
        "sigs": list(asker.sigs),
        "account": account_json(account) if account else None,
        "may": [{"action": action.value, "words": SAID[action]} for action in Action if possible(asker, action) is None],
        "may_not": [{"words": SAID[action], "needs": LEAST[action].value} for action in Action if possible(asker, action)],
        "tokens": tokens(tx, account=asker.account)["tokens"] if account else [],
        "sessions": [
            {"created": stamp(one.created), "seen": stamp(one.seen), "until": stamp(one.until), "this": one.id == session}
            for one in sessions
            if one.is_open(tx.now, idle=idle)
        ],
    }  # fmt: skip
