"""Pruning: deletes records that only guard against repeats, and old notices.

Records that trace anything (events, builds, drops) stay, and so do the files that a trigger has
seen, because they would be taken again.
"""

from __future__ import annotations

from datetime import timedelta

from buildfarm.domain.auth.account import LoginTries, Session
from buildfarm.domain.notify.notice import Notice
from buildfarm.domain.notify.subscription import Delivery
from buildfarm.domain.target.trigger import HookCall
from buildfarm.ports.blobs import BlobStore
from buildfarm.ports.store import Below, Store, Transaction
from buildfarm.services.core import idempotency

DAY = timedelta(days=1)
"""For uploads that a killed process left half-written; a living one writes more often."""
MONTH = timedelta(days=30)
"""For webhook messages (a repeat of an older one is stale, or names a drop that is known), ended
sessions and login tries.
"""
QUARTER = timedelta(days=90)
"""For notices: feeds tell the newest."""


def prune(store: Store, blobs: BlobStore) -> dict[str, int]:
    """Delete expired records and return how many of each kind, where there were any. Safe to
    repeat.
    """
    answers = idempotency.prune(store)
    uploads = blobs.sweep_temporary(older_than=DAY.total_seconds())
    with store.begin() as tx:
        old, long_ago = Below(tx.now - MONTH), Below(tx.now - QUARTER)
        gone = {
            "answers": answers,
            "uploads": uploads,
            "hook_calls": tx.remove(HookCall, received=old),
            "sessions": tx.remove(Session, ended=old) + tx.remove(Session, until=old),
            "login_tries": tx.remove(LoginTries, since=old),
            "notices": tx.remove(Notice, at=long_ago, **_told(tx)),
        }
        some = {kind: count for kind, count in gone.items() if count}
        if some:
            tx.event("store.pruned", "store", actor="scheduler", why="past its retention", **some)
    return some


def _told(tx: Transaction) -> dict[str, object]:
    """Return the notices before the first one that a delivery still refers to."""
    first = tx.select_fields(Delivery, ("notice",), order_by="notice", limit=1)
    return {"id": Below(first[0][0])} if first else {}
