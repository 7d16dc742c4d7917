"""Provides that new builds removed, and the dependents not rebuilt since."""

from __future__ import annotations

from buildfarm.domain.core.build import Build
from buildfarm.domain.core.records import Event
from buildfarm.domain.target.target import Target
from buildfarm.ports.store import Transaction
from buildfarm.services.publish import publishing
from buildfarm.services.selfhosting.impacts import EVENT
from buildfarm_web.read_models.core.convert import Json, find_each, stamp

_NEWEST = 50


def impacts(tx: Transaction, target: Target) -> list[Json]:
    """The newest impacts that still concern somebody: what is lost, by whom, and whose RPMs in the
    build tag still need it.
    """
    rows = tx.find(
        Event, subject=target.name, kind=EVENT, order_by="id", descending=True, limit=_NEWEST
    )
    head = publishing.head(tx, target.tags.build) if rows else None
    carried = set(head.builds) if head else set()
    found = []
    for event in rows:
        affected = event.data.get("affected")
        needs = (
            {key: value for key, value in affected.items() if key in carried}
            if isinstance(affected, dict)
            else {}
        )
        if needs:
            named = find_each(tx, Build, "id", needs)
            found.append({
                "at": stamp(event.at), "why": event.why, "by": event.data.get("by"), "lost": event.data.get("lost"),
                "affected": [{"id": b.id, "nvr": b.nvr, "needs": needs[b.id], "rebuild": b.successor} for b in named],
            })  # fmt: skip
    return found
