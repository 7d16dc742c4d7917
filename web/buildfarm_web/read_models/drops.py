"""Drops for reading: their builds, what is in the way, and how much of the vendor's drop ours can stand in for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from buildfarm.domain.build import Build, BuildState
from buildfarm.domain.drop import Drop, DropItem, DropState, ItemKind, VendorRpm
from buildfarm.domain.records import Comparison, Event
from buildfarm.domain.verdict import Verdict
from buildfarm.ports import Transaction
from buildfarm.services.hub import Hub
from buildfarm_web.read_models import builds
from buildfarm_web.read_models.findings import newest_comparisons, reading
from buildfarm_web.read_models.history import event_json
from buildfarm_web.read_models.outlook import drop_plan
from buildfarm_web.read_models.paging import page
from buildfarm_web.read_models.plain import Json, find_each, stamp
from buildfarm_web.read_models.waves import waves


def drop_json(tx: Transaction, drop: Drop) -> Json:
    """One drop as lists show it."""
    states = builds.by_state(tx, drop_id=drop.id)
    return {
        "id": drop.id,
        "target": drop.target,
        "name": drop.name,
        "state": drop.state.value,
        "reason": drop.reason,
        "trigger": drop.trigger,
        "owner": drop.owner,
        "scratch": drop.scratch,
        "priority": drop.priority,
        "approval": drop.approval.value,
        "created": stamp(drop.created),
        "states": states,
        "builds": sum(states.values()),
        "moving": drop.state is DropState.RECEIVED or builds.is_moving(tx, states, drop_id=drop.id),
    }


def drops(tx: Transaction, *, limit: int, target: str = "", cursor: str = "") -> Json:
    """A page of drops, the newest first."""
    where: dict[str, object] = {"target": target} if target else {}
    found = page(tx, Drop, "created,id", where, limit=limit, cursor=cursor)
    return {"drops": [drop_json(tx, drop) for drop in found.records], "cursor": found.cursor}


def drop_page(hub: Hub, tx: Transaction, name: str) -> Json:
    """One drop with its builds, counts, waves and compatibility. :raises NotFound: there is none."""
    drop = builds.find_drop(tx, name)
    items = tx.find(DropItem, drop_id=drop.id, order_by="kind,filename")
    own = tx.find(Build, drop_id=drop.id)
    elsewhere = {item.build for item in items if item.build} - {build.id for build in own}
    everything = [*own, *find_each(tx, Build, "id", elsewhere)]
    vendor = find_each(
        tx, VendorRpm, "sha256", (item.sha256 for item in items if item.kind is ItemKind.BINARY), target=drop.target
    )
    related = {build.id for build in everything}
    for build in find_each(tx, Build, "srpm_filename", (rpm.sourcerpm for rpm in vendor), target=drop.target):
        related.add(build.id)
    comparisons = newest_comparisons(tx, related)
    everything = [build for build in everything if not build.successor]  # of each circle the last round
    listed = builds.rows(hub, tx, sorted(everything, key=lambda build: (build.source, build.created)))
    history = tx.find(Event, subject=drop.id, order_by="id")
    return {
        **drop_json(tx, drop),
        "builds": listed,
        "counts": _counts(listed),
        "verdicts": builds.by_verdict(everything),
        "compatibility": compatibility(
            [item for item in items if item.kind is ItemKind.BINARY], vendor, comparisons.values()
        ),
        "plan": waves(everything, vendor),
        "outlook": drop_plan(tx, drop),
        "files": {
            "srpms": sum(item.kind is not ItemKind.BINARY for item in items),
            "binaries": sum(item.kind is ItemKind.BINARY for item in items),
            "problems": [
                {"filename": item.filename, "kind": item.kind.value, "sha256": item.sha256, "problem": item.problem}
                for item in items
                if item.problem
            ],
        },
        "needs_person": builds.with_next_step(hub, [row for row in listed if row["needs_person"]], everything),
        "events": [event_json(event) for event in history],
    }


def _counts(listed: Sequence[Json]) -> dict[str, int]:
    found = Counter(row["state"] for row in listed)
    return {state.value: found[state.value] for state in BuildState if found[state.value]}


def compatibility(
    items: Sequence[DropItem], vendor: Sequence[VendorRpm], comparisons: Iterable[Comparison]
) -> Json | None:
    """How many of the vendor's RPMs (``items``) ours can stand in for; ``None`` when the drop brought none.

    "100 %" counts over every vendor RPM: MISSING, ERROR and UNCOMPARED count against it, and what a waiver lifted is
    counted apart, in ``waived`` alone.
    """
    if not items:
        return None
    damaged = {rpm.sha256 for rpm in vendor if rpm.problem}
    judged: dict[str, tuple[str, bool]] = {}
    for comparison in sorted(comparisons, key=lambda comparison: comparison.created):
        found = reading(comparison)
        for pair in found["pairs"]:
            if pair["old"]:
                judged[pair.get("old_sha256") or pair["old"]] = (str(pair.get("verdict")), pair["waived"])
        for item in found["missing"]:
            judged[item.get("sha256") or item["rpm"]] = (str(item["verdict"]), item["waived"])
    verdicts = dict.fromkeys((verdict.value for verdict in Verdict), 0)
    compatible = waived = 0
    for item in items:
        verdict, is_waived = judged.get(item.sha256) or judged.get(item.filename) or (Verdict.UNCOMPARED.value, False)
        if item.problem or item.sha256 in damaged or verdict not in verdicts:
            verdict = Verdict.ERROR.value
        verdicts[verdict] += 1
        if Verdict(verdict).is_compatible:
            compatible += not is_waived
            waived += is_waived
    return {
        "compatible": compatible,
        "total": len(items),
        "waived": waived,
        "share": compatible / len(items),
        "by_verdict": {verdict: count for verdict, count in verdicts.items() if count},
    }
