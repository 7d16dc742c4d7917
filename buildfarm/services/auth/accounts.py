"""Accounts: create, change and close them. A change that takes rights away takes effect at once,
sessions included.
"""

from __future__ import annotations

from collections.abc import Sequence

from buildfarm.domain.auth.account import Account, Session, checked_name, checked_password
from buildfarm.domain.auth.permissions import Role
from buildfarm.errors import Conflict, InputError, NotFound
from buildfarm.ports.authentication import Passwords
from buildfarm.ports.store import Transaction
from buildfarm.services.core.hub import Hub


def create(
    hub: Hub, name: str, *, role: Role, sigs: Sequence[str] = (),
    passwords: Passwords | None = None, password: str = "", actor: str, why: str = "",
) -> Account:  # fmt: skip
    """Make an account; without ``passwords`` a token alone lets its owner in.

    :raises InputError: name, password or a SIG will not do. :raises Conflict: the name is taken.
    """
    checked_name(name)
    _check_rights(hub, name, role, sigs)
    kept = passwords.hashed(checked_password(password, name)) if passwords is not None else ""
    with hub.store.begin() as tx:
        made = Account(
            id=name, role=role, sigs=tuple(sorted(set(sigs))), password=kept, created=tx.now
        )
        if not tx.insert_or_ignore(made):
            raise Conflict(
                f"there is an account {name} already", hint="`buildfarm account list` shows them"
            )
        tx.event(
            "account.created", name, actor=actor, why=why, role=role.value, sigs=list(made.sigs)
        )
    return made


def find(tx: Transaction, name: str) -> Account:
    """Return one account. :raises NotFound: there is none."""
    found = tx.first(Account, id=name)
    if found is None:
        raise NotFound(f"no account {name}", hint="`buildfarm account list` shows them")
    return found


def set_rights(
    hub: Hub, name: str, *, role: Role, sigs: Sequence[str], actor: str, why: str
) -> Account:
    """Give an account another role and other SIGs; its tokens and sessions have no more than that
    from now on.

    :raises InputError: no reason, or no such SIG. :raises NotFound: no such account.
    """
    _check_reason(name, why)
    _check_rights(hub, name, role, sigs)
    with hub.store.begin() as tx:
        return change_rights(
            tx, find(tx, name), role, tuple(sorted(set(sigs))), actor=actor, why=why
        )


def change_rights(
    tx: Transaction, account: Account, role: Role, sigs: tuple[str, ...], *, actor: str, why: str
) -> Account:
    """The change itself; nothing if it is none."""
    if (account.role, account.sigs) == (role, sigs):
        return account
    changed = tx.update(account, role=role, sigs=sigs) or account
    was = {"role": account.role.value, "sigs": list(account.sigs)}
    tx.event(
        "account.rights",
        account.id,
        actor=actor,
        why=why,
        was=was,
        now={"role": role.value, "sigs": list(sigs)},
    )
    return changed


def set_disabled(hub: Hub, name: str, *, disabled: bool, actor: str, why: str) -> Account:
    """Close an account or open it again; a closed one's sessions end, and its tokens open nothing.

    :raises InputError: no reason. :raises NotFound: no such account. :raises Conflict: it is so
        already.
    """
    _check_reason(name, why)
    with hub.store.begin() as tx:
        account = find(tx, name)
        changed = tx.update(account, only_if={"disabled": not disabled}, disabled=disabled)
        if changed is None:
            raise Conflict(f"account {name} is {'disabled' if disabled else 'enabled'} already")
        if disabled:
            end_sessions(tx, name)
        tx.event(f"account.{'disabled' if disabled else 'enabled'}", name, actor=actor, why=why)
    return changed


def set_password(
    hub: Hub, passwords: Passwords, name: str, password: str, *, actor: str, keep_session: str = ""
) -> Account:
    """Give an account another password; its sessions end, but for ``keep_session``.

    :raises InputError: the password will not do. :raises NotFound: no such account.
    """
    kept = passwords.hashed(checked_password(password, name))
    with hub.store.begin() as tx:
        changed = tx.update(find(tx, name), password=kept)
        assert changed is not None
        end_sessions(tx, name, but=keep_session)
        tx.event("account.password", name, actor=actor)
    return changed


def end_sessions(tx: Transaction, name: str, *, but: str = "") -> None:
    """End every session of an account, except one."""
    for session in tx.find(Session, account=name, ended=None):
        if session.id != but:
            tx.update(session, ended=tx.now)


def _check_reason(name: str, why: str) -> None:
    if not why.strip():
        raise InputError(f"account {name}: this needs a reason", hint="--reason TEXT")


def _check_rights(hub: Hub, name: str, role: Role, sigs: Sequence[str]) -> None:
    known = {*hub.config.farm.sigs, *hub.config.sigs.values()}
    if unknown := sorted(set(sigs) - known):
        raise InputError(
            f"no SIG {unknown[0]}",
            hint=f"one of {', '.join(sorted(known)) or 'none: `sigs` in farm.yaml'}",
        )
    if role is Role.MAINTAINER and not sigs:
        raise InputError(f"{name}: a maintainer speaks for at least one SIG", hint="--sig NAME")
