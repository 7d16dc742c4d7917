"""Waivers for reading: what each says, whether it is in force, and what it lifts now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date

from buildfarm.domain.build.waiver import WaiverRecord, WaiverUse
from buildfarm.ports.store import Above, Transaction
from buildfarm_web.read_models.build.waiver_requests import open_waiver_requests
from buildfarm_web.read_models.core.convert import Json, pick_each, stamp
from buildfarm_web.read_models.core.paging import page

_SOON_DAYS = 30


def waivers(tx: Transaction, *, everything: bool, limit: int = 1000, cursor: str = "") -> Json:
    """A page of waivers, the newest first; ``unused`` and ``expiring`` are ids of its waivers in
    force that want a look.
    """
    where: dict[str, object] = {} if everything else {"ended": None}
    records = page(tx, WaiverRecord, "created,id", where, limit=limit, cursor=cursor)
    lifts = _lifts(tx, (record.id for record in records.records))
    found = [_said(record, tx.now.date(), lifts.get(record.id, [])) for record in records.records]
    active = [item for item in found if item["state"] == "active"]
    return {
        "waivers": found,
        "unused": [item["id"] for item in active if not item["findings"]],
        "expiring": [item["id"] for item in active if item["days_left"] <= _SOON_DAYS],
        "asks": open_waiver_requests(tx),
        "cursor": records.cursor,
    }


def _lifts(tx: Transaction, ids: Iterable[str]) -> dict[str, list[tuple[str, int]]]:
    """For each waiver the builds in which it lifts something, and how much."""
    found: dict[str, list[tuple[str, int]]] = {}
    fields = ("waiver", "build", "findings")
    for waiver, build, findings in pick_each(
        tx, WaiverUse, fields, "waiver", ids, findings=Above(0)
    ):
        found.setdefault(waiver, []).append((build, findings))
    return found


def waiver_json(tx: Transaction, record: WaiverRecord) -> Json:
    """One waiver; ``state`` is ``active``, ``expired`` or ``revoked``."""
    return _said(record, tx.now.date(), _lifts(tx, [record.id]).get(record.id, []))


def _said(record: WaiverRecord, today: date, lifts: Sequence[tuple[str, int]]) -> Json:
    days_left = (record.waiver.expires - today).days
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
        "builds": sorted(build for build, _ in lifts),
        "findings": sum(findings for _, findings in lifts),
    }
