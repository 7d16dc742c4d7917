"""The audit log: what people did to which thing, when and why; the newest first."""

from __future__ import annotations

from collections.abc import Iterable

from buildfarm.api.responses.auth.audit_log import Act, ActList
from buildfarm.api.responses.core import events as responses
from buildfarm.api.responses.core.base import fields_of
from buildfarm.domain.auth.permissions import Action, Principal, possible
from buildfarm.domain.core.build import Build
from buildfarm.domain.core.records import Event
from buildfarm.domain.intake.drop import Drop
from buildfarm.ports.store import Transaction
from buildfarm_web.read_models.core.convert import find_each
from buildfarm_web.read_models.core.history import event_of
from buildfarm_web.read_models.core.paging import page

_OF_ACCOUNTS = frozenset({"account", "token", "session"})
_PAGES = {"build": "/builds/", "drop": "/drops/", "target": "/targets/", "compose": "/composes/"}


def may_see(asker: Principal, event: Event | responses.Event) -> bool:
    """Return whether an event is everybody's to read: what happens to accounts is their owner's and
    the admins' matter.
    """
    if event.kind.partition(".")[0] not in _OF_ACCOUNTS:
        return True
    return bool(asker.account and asker.account in (event.actor, event.subject)) or not possible(
        asker, Action.ACCOUNTS
    )


def acts(
    tx: Transaction,
    asker: Principal,
    *,
    actor: str = "",
    subject: str = "",
    limit: int = 100,
    cursor: str = "",
) -> ActList:
    """People's acts by ``actor`` on ``subject`` (empty: any) , a page after the other."""
    where: dict[str, object] = {"person": True}
    where |= {name: word for name, word in (("actor", actor), ("subject", subject)) if word}
    found = page(tx, Event, "id", where, limit=limit, cursor=cursor)
    shown = [event for event in found.records if may_see(asker, event)]
    names = _names(tx, {event.subject for event in shown})
    return ActList(acts=[_act(event, names) for event in shown], cursor=found.cursor)


def _act(event: Event, names: dict[str, str]) -> Act:
    """An act with what it was done to as people call it, and the page of that."""
    path = _PAGES.get(event.kind.partition(".")[0], "")
    return Act(
        **fields_of(event_of(event)),
        about=names.get(event.subject, event.subject),
        page=f"{path}{event.subject}" if path else "",
    )


def _names(tx: Transaction, subjects: Iterable[str]) -> dict[str, str]:
    named = {build.id: build.nvr for build in find_each(tx, Build, "id", subjects)}
    return named | {drop.id: drop.name for drop in find_each(tx, Drop, "id", subjects)}
