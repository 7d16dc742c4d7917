"""Waivers for reading: what each says, whether it is in force, and what it lifts now."""

from __future__ import annotations

from dataclasses import asdict

from buildfarm.domain.waiver import WaiverRecord, WaiverUse
from buildfarm.ports import Transaction
from buildfarm_web.read_models.paging import page
from buildfarm_web.read_models.plain import Json, stamp

_SOON_DAYS = 30


def waivers(tx: Transaction, *, everything: bool, limit: int = 1000, cursor: str = "") -> Json:
    """A page of waivers, the newest first; ``unused`` and ``expiring`` are ids of its waivers in force that want a look."""
    where: dict[str, object] = {} if everything else {"ended": None}
    records = page(tx, WaiverRecord, "created,id", where, limit=limit, cursor=cursor)
    found = [waiver_json(tx, record) for record in records.records]
    active = [item for item in found if item["state"] == "active"]
    return {
        "waivers": found,
        "unused": [item["id"] for item in active if not item["findings"]],
        "expiring": [item["id"] for item in active if item["days_left"] <= _SOON_DAYS],
        "cursor": records.cursor,
    }


def waiver_json(tx: Transaction, record: WaiverRecord) -> Json:
    """One waiver; ``state`` is ``active``, ``expired`` or ``revoked``."""
    uses = [use for use in tx.find(WaiverUse, waiver=record.id) if use.findings]
    days_left = (record.waiver.expires - tx.now.date()).days
    if record.ended is not None and record.ended_why.startswith("revoked"):
        state = "revoked"
    else:
        state = "active" if record.ended is None and days_left >= 0 else "expired"
    return {
        **asdict(record),
        "created": stamp(record.created),
        "ended": stamp(record.ended),
        "state": state,
        "days_left": days_left,
        "builds": [use.build for use in uses],
        "findings": sum(use.findings for use in uses),
    }
