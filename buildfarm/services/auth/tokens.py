"""API tokens: shown once when issued, stored as a digest, valid until they end, never with more
permissions than their account.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from buildfarm.domain.auth.account import Account
from buildfarm.domain.auth.permissions import Action, Principal, Role, narrower
from buildfarm.domain.core.records import ApiToken
from buildfarm.errors import Conflict, InputError, NotAllowed, NotFound
from buildfarm.ports.store import Transaction
from buildfarm.services.auth import accounts
from buildfarm.services.core.hub import Hub
from buildfarm.services.core.tasks import token_hash

PREFIX = "bf_"
"""Prefix of our tokens, so that a scanner of published text can find them."""
LONGEST_DAYS = 366
_SHOWN, _LEAST = 16, 8
_USED_EVERY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A new token; ``secret`` is shown now and never again."""

    token: ApiToken
    secret: str


def issue(
    hub: Hub, by: Principal, *, account: str, name: str, role: Role | None = None,
    sigs: Sequence[str] = (), actions: Sequence[Action] = (), days: int = 90,
) -> Issued:  # fmt: skip
    """Make a token for ``account``, with no more rights than the account and ``by`` have, and no
    longer a life than ``by``'s token.

    :raises InputError: no name, or too long a life. :raises NotAllowed: it would have more rights.
    """
    if not name.strip() or not 1 <= days <= LONGEST_DAYS:
        raise InputError(
            "a token needs a name and ends", hint=f"--name TEXT, --days 1 to {LONGEST_DAYS}"
        )
    secret = PREFIX + secrets.token_urlsafe(32)
    with hub.store.begin() as tx:
        owner = accounts.find(tx, account)
        own = _principal_of(owner)
        wanted = role or min(own.role, by.role, key=lambda one: one.rank)
        givers = (own,) if by.account != account else (own, by)
        for giver in givers:
            if (refused := narrower(giver, wanted, sigs, actions)) is not None:
                raise NotAllowed(refused.why, hint=refused.next_step)
        if wanted is Role.MAINTAINER and not (sigs or owner.sigs):
            raise InputError("a maintainer's token speaks for at least one SIG", hint="--sig NAME")
        ends = tx.now + timedelta(days=days)
        made = ApiToken(
            id=token_hash(secret), name=name.strip(), role=wanted.value, account=account,
            sigs=tuple(sorted(set(sigs))), actions=tuple(sorted(set(actions))), created=tx.now,
            expires=min(ends, by.until or ends),
        )  # fmt: skip
        tx.add(made)
        tx.event(
            "token.issued",
            shown(made),
            actor=by.name,
            why=made.name,
            account=account,
            role=made.role,
        )
    return Issued(token=made, secret=secret)


def revoke(hub: Hub, by: Principal, identity: str, *, of: str = "", why: str = "") -> ApiToken:
    """End a token now, by the beginning of its digest as lists show it; ``of`` limits it to one
    account's.

    :raises NotFound: there is none. :raises Conflict: it is revoked already.
    """
    with hub.store.begin() as tx:
        found = _named(tx, identity, of)
        ended = tx.update(found, only_if={"revoked": None}, revoked=tx.now)
        if ended is None:
            raise Conflict(f"token {shown(found)} is revoked already")
        tx.event(
            "token.revoked",
            shown(found),
            actor=by.name,
            why=why or found.name,
            account=found.account,
        )
    return ended


def _named(tx: Transaction, identity: str, of: str) -> ApiToken:
    everybodys = tx.find(ApiToken, account=of) if of else tx.find(ApiToken)
    found = [
        token
        for token in everybodys
        if len(identity) >= _LEAST and shown(token).startswith(identity)
    ]
    if len(found) != 1:
        raise NotFound(f"no token {identity}", hint="`buildfarm token list` shows them")
    return found[0]


def shown(token: ApiToken) -> str:
    """Return how lists name a token: the beginning of its digest, which gives nothing away."""
    return token.id[:_SHOWN]


def recognise(hub: Hub, secret: str) -> Principal:
    """Return who sends this token.

    :raises NotAllowed: it is unknown, over or revoked, or its account is disabled.
    """
    with hub.store.read() as tx:
        token = tx.first(ApiToken, id=token_hash(secret))
        owner = tx.first(Account, id=token.account) if token is not None and token.account else None
        now = tx.now
    if token is None:
        raise NotAllowed(
            "this token is not known here",
            hint="the first one is in secrets/admin.token of the hub; /account issues others",
        )
    if token.revoked is not None or (token.expires is not None and token.expires <= now):
        word = "revoked" if token.revoked is not None else "over"
        raise NotAllowed(
            f"this token ({token.name}) is {word}", hint="issue another: `buildfarm token add`"
        )
    if token.account and (owner is None or owner.disabled):
        raise NotAllowed(f"the account {token.account} is disabled", hint="ask an admin")
    _note_use(hub, token, now)
    return _rights(token, owner)


def _rights(token: ApiToken, owner: Account | None) -> Principal:
    actions = frozenset(Action(word) for word in token.actions) if token.actions else None
    if owner is None:
        return Principal(
            name=token.name,
            role=Role.of(token.role),
            sigs=token.sigs,
            actions=actions,
            until=token.expires,
        )
    role = min(Role.of(token.role), owner.role, key=lambda one: one.rank)
    sigs = token.sigs or owner.sigs
    if (
        owner.role is Role.MAINTAINER
    ):  # an engineer's token may speak for any SIG, a maintainer's for his own
        sigs = tuple(sig for sig in sigs if sig in owner.sigs)
    return Principal(
        name=owner.id, role=role, sigs=sigs, account=owner.id, actions=actions, until=token.expires
    )


def _principal_of(account: Account) -> Principal:
    return Principal(name=account.id, role=account.role, sigs=account.sigs, account=account.id)


def _note_use(hub: Hub, token: ApiToken, now: datetime) -> None:
    """Write down that it was used, at most every few minutes: a request must not cost a write."""
    if token.used is None or now - token.used >= _USED_EVERY:
        with hub.store.begin() as tx:
            tx.update(token, used=tx.now)
