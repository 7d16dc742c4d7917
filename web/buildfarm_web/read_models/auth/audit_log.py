"""The audit log: what people did to which thing, when and why; the newest first."""

from __future__ import annotations

from collections.abc import Sequence

from buildfarm.domain.auth.permissions import Action, Principal, possible
from buildfarm.domain.core.build import Build
from buildfarm.domain.core.records import Event
from buildfarm.domain.intake.drop import Drop
from buildfarm.ports.store import Transaction
from buildfarm_web.read_models.core.convert import Json, find_each
from buildfarm_web.read_models.core.history import event_json
from buildfarm_web.read_models.core.paging import page

_OF_ACCOUNTS = frozenset({"account", "token", "session"})
_PAGES = {"build": "/builds/", "drop": "/drops/", "target": "/targets/", "compose": "/composes/"}


def may_see(asker: Principal, event: Json) -> bool:
    """Return whether an event is everybody's to read: what happens to accounts is their owner's and
    the admins' matter.
    """
    if event["kind"].partition(".")[0] not in _OF_ACCOUNTS:
        return True
    return bool(
        asker.account and asker.account in (event["actor"], event["subject"])
    ) or not possible(asker, Action.ACCOUNTS)


def acts(
    tx: Transaction,
    asker: Principal,
    *,
    actor: str = "",
    subject: str = "",
    limit: int = 100,
    cursor: str = "",
) -> Json:
    """People's acts by ``actor`` on ``subject`` (empty: any) , a page after the other."""
    where: dict[str, object] = {"person": True}
    where |= {name: word for name, word in (("actor", actor), ("subject", subject)) if word}
    found = page(tx, Event, "id", where, limit=limit, cursor=cursor)
    shown = [
        item for item in (event_json(event) for event in found.records) if may_see(asker, item)
    ]
    names = _names(tx, shown)
    return {"acts": [{**item, **_thing(item, names)} for item in shown], "cursor": found.cursor}


def _thing(item: Json, names: dict[str, str]) -> Json:
    """Return what was acted on as people call it, and its page."""
    path = _PAGES.get(item["kind"].partition(".")[0], "")
    return {
        "about": names.get(item["subject"], item["subject"]),
        "page": f"{path}{item['subject']}" if path else "",
    }


def _names(tx: Transaction, shown: Sequence[Json]) -> dict[str, str]:
    subjects = {item["subject"] for item in shown}
    named = {build.id: build.nvr for build in find_each(tx, Build, "id", subjects)}
    return named | {drop.id: drop.name for drop in find_each(tx, Drop, "id", subjects)}
