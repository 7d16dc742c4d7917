"""Sessions of the page: opened by a login under a new id each time, stored as a digest, ended by
time, disuse or logout.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta

from buildfarm.domain.auth.account import Account, Session
from buildfarm.domain.auth.permissions import Principal
from buildfarm.ports.store import Transaction
from buildfarm.services.core.hub import Hub
from buildfarm.services.core.tasks import token_hash

_SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """The account that a session's cookie belongs to."""

    principal: Principal
    session: Session


def start(hub: Hub, account: Account, *, former: str = "", by: str) -> str:
    """Open a session, end the one that the browser came with, and return the value of its cookie.

    The id is made here and never taken from a request, so a person who knows the ``former`` one
    gains nothing (session fixation).
    """
    secret = secrets.token_urlsafe(32)
    with hub.store.begin() as tx:
        _end(tx, former)
        until = tx.now + hub.config.farm.login.longest
        tx.add(
            Session(
                id=token_hash(secret), account=account.id, created=tx.now, seen=tx.now, until=until
            )
        )
        tx.event("session.started", account.id, actor=account.id, why=by)
    return secret


def recognise(hub: Hub, secret: str) -> Recognised | None:
    """Return the account of a cookie; ``None`` if its session is unknown or over, or the account
    disabled.
    """
    with hub.store.read() as tx:
        session = tx.first(Session, id=token_hash(secret))
        account = tx.first(Account, id=session.account) if session else None
        now = tx.now
    if (
        session is None
        or account is None
        or account.disabled
        or not session.is_open(now, idle=hub.config.farm.login.idle)
    ):
        return None
    if now - session.seen >= _SEEN_EVERY:  # a request must not cost a write
        with hub.store.begin() as tx:
            tx.update(session, only_if={"ended": None}, seen=tx.now)
    principal = Principal(name=account.id, role=account.role, sigs=account.sigs, account=account.id)
    return Recognised(principal=principal, session=session)


def end(hub: Hub, secret: str) -> None:
    """Log out. Safe to repeat."""
    with hub.store.begin() as tx:
        _end(tx, secret)


def _end(tx: Transaction, secret: str) -> None:
    session = tx.first(Session, id=token_hash(secret)) if secret else None
    if (
        session is not None
        and tx.update(session, only_if={"ended": None}, ended=tx.now) is not None
    ):
        tx.event("session.ended", session.account, actor=session.account)


def end_others(hub: Hub, account: str, *, but: str) -> int:
    """End every other session of an account; how many there were."""
    with hub.store.begin() as tx:
        others = [
            one
            for one in tx.find(Session, account=account, ended=None)
            if one.id != but and one.until > tx.now
        ]
        for session in others:
            tx.update(session, ended=tx.now)
        if others:
            tx.event(
                "session.ended", account, actor=account, why="all others", sessions=len(others)
            )
    return len(others)
