"""Login: with a password, whose failed attempts are counted, or as the person whom an OIDC issuer
names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from buildfarm import log
from buildfarm.domain.auth.account import Account, LoginTries, checked_name
from buildfarm.domain.auth.login import (
    TRIES_OF_ACCOUNT,
    TRIES_OF_ADDRESS,
    OidcSettings,
    groups_in,
    next_try,
    seconds_to_wait,
)
from buildfarm.errors import Conflict, InputError, NotAllowed, TooManyTries
from buildfarm.ports.authentication import IdentityProvider, Passwords
from buildfarm.ports.store import Transaction
from buildfarm.services.auth import accounts
from buildfarm.services.core.hub import Hub


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginTools:
    """Tools that check a login: passwords, and the OIDC issuer if there is one."""

    passwords: Passwords
    issuer: IdentityProvider | None = None


def with_password(
    hub: Hub, passwords: Passwords, name: str, password: str, *, address: str
) -> Account:
    """Return the account with this name and password; an unknown name takes as long as a wrong
    password.

    :raises TooManyTries: the account or the address has tried too often.
    :raises NotAllowed: wrong, or the account is disabled.
    """
    counted = {
        _key("account", name.casefold()): TRIES_OF_ACCOUNT,
        _key("address", address): TRIES_OF_ADDRESS,
    }
    with hub.store.begin() as tx:  # counted before it is looked at: tries side by side count, too
        wait = max(_count(tx, key, most) for key, most in counted.items())
    if wait:
        log.get().warning("login.too_many_tries", account=name[:64], seconds=wait)
        raise TooManyTries(
            "too many tries to log in",
            seconds=wait,
            hint=f"try again in {-(-wait // 60)} min, or ask an admin",
        )
    with hub.store.read() as tx:
        account = tx.first(Account, id=name)
    fits = passwords.fits(password, account.password if account else "")
    if account is None or not fits:
        log.get().warning("login.refused", account=name[:64])
        raise NotAllowed(
            "name or password is wrong",
            hint="after five tries an account rests for a quarter of an hour",
        )
    with hub.store.begin() as tx:
        for key in counted:
            _forgive(tx, key, all_of_it=key.startswith("account"))
    return _open(account)


def with_identity(hub: Hub, settings: OidcSettings, claims: Mapping[str, object]) -> Account:
    """Return the account of the person in the issuer's verified ``claims``; it is created at the
    first login, and its rights follow the groups.

    :raises NotAllowed: the issuer says no usable name, the name is another's, or the account is
        disabled.
    """
    subject = f"{settings.issuer} {claims.get('sub', '')}"
    role, sigs = settings.rights_of(groups_in(claims, settings.groups_claim))
    known = {*hub.config.farm.sigs, *hub.config.sigs.values()}
    sigs = tuple(sig for sig in sigs if sig in known)
    with hub.store.begin() as tx:
        account = tx.first(Account, subject=subject)
        if account is None:
            account = _introduce(tx, str(claims.get(settings.name_claim) or ""), subject, settings)
        why = f"groups at {settings.issuer}"
        account = accounts.change_rights(tx, account, role, sigs, actor=account.id, why=why)
    return _open(account)


def _introduce(tx: Transaction, name: str, subject: str, settings: OidcSettings) -> Account:
    try:
        checked_name(name)
    except InputError as error:
        raise NotAllowed(
            f"{settings.issuer} calls you {name!r}, which no account can be called", hint=error.hint
        ) from error
    made = Account(id=name, role=settings.rights_of(())[0], subject=subject, created=tx.now)
    if not tx.insert_or_ignore(made):
        raise NotAllowed(
            f"there is an account {name} that does not belong to this login",
            hint="ask an admin to rename or link it",
        )
    tx.event("account.created", name, actor=name, why=f"first login by {settings.issuer}")
    return made


def _open(account: Account) -> Account:
    if account.disabled:
        raise NotAllowed(f"the account {account.id} is disabled", hint="ask an admin")
    return account


def _key(kind: str, what: str) -> str:
    """Return a digest as the key, so that the table shows neither names that were typed nor
    addresses.
    """
    return f"{kind}:{hashlib.sha256(what.encode('utf-8', 'replace')).hexdigest()[:32]}"


def _count(tx: Transaction, key: str, most: int) -> int:
    """Count one try; the seconds to wait if it is one too many.

    :raises Conflict: others try at this very moment.
    """
    known = tx.first(LoginTries, id=key)
    if known is None:
        known = LoginTries(id=key, tries=0, since=tx.now)
        tx.insert_or_ignore(known)
    counted = next_try(known, tx.now)
    if (
        tx.update(known, only_if={"tries": known.tries}, tries=counted.tries, since=counted.since)
        is None
    ):
        raise Conflict("others try to log in at this very moment", hint="try again")
    return seconds_to_wait(counted, most, tx.now)


def _forgive(tx: Transaction, key: str, *, all_of_it: bool) -> None:
    known = tx.first(LoginTries, id=key)
    if known is not None:
        tx.update(known, tries=0 if all_of_it else max(0, known.tries - 1))
