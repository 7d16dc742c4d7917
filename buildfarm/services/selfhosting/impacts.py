"""Impacts of a new generation of the build tag: builds that need sonames it takes away are named,
and rebuilt if the target says so.
"""

from __future__ import annotations

from collections.abc import Collection

from buildfarm.domain.core.build import Build
from buildfarm.domain.intake.drop import Approval, Drop, DropState, drop_id
from buildfarm.domain.publish.repository import Artifact
from buildfarm.domain.selfhosting.impact import Impact, impact, lost
from buildfarm.domain.target.target import Target
from buildfarm.ports.store import Transaction
from buildfarm.services.selfhosting import rounds

EVENT = "target.provides_lost"


def after_switch(
    tx: Transaction, target: Target, before: Collection[str], now: Collection[str]
) -> list[Impact]:
    """Compare the builds of two generations; each impact is an event of the target."""
    found = []
    new = {build.source: build for build in tx.find(Build, id=tuple(set(now) - set(before)))}
    for old in tx.find(Build, id=tuple(set(before) - set(now))):
        successor = new.get(old.source)
        if successor is None:
            continue
        provided, provides = _provides(tx, old), _provides(tx, successor)
        if not lost(provided, provides):
            continue  # the common case: nothing else is read
        others = {one: tx.find(Artifact, build=one) for one in now if one != successor.id}
        still = {
            capability for made in others.values() for rpm in made for capability in rpm.provides
        }
        users = {key: [one for rpm in made for one in rpm.requires] for key, made in others.items()}
        if (one := impact(successor.source, provided, provides, users, still)) is not None:
            found.append(one)
            _tell(tx, target, one, by=successor)
    return found


def _provides(tx: Transaction, build: Build) -> set[str]:
    return {capability for rpm in tx.find(Artifact, build=build.id) for capability in rpm.provides}


def _tell(tx: Transaction, target: Target, found: Impact, *, by: Build) -> None:
    affected = tx.find(Build, id=tuple(found.affected))
    why = f"{by.nvr} no longer provides {', '.join(found.lost[:3])}{' …' if len(found.lost) > 3 else ''}"  # noqa: PLR2004  # as many as one reads
    tx.event(
        EVENT,
        target.name,
        actor="publish",
        why=why,
        by=by.id,
        lost=list(found.lost),
        affected=dict(found.affected),
    )
    if target.rebuild_on_change and affected:
        _rebuild(tx, target, affected, why)


def _rebuild(tx: Transaction, target: Target, affected: Collection[Build], why: str) -> None:
    """Make one drop of rebuilds, so that plan, approval, pause and page work as for any drop."""
    objection = target.trigger_limits.objection(len(affected))
    drop = Drop(
        id=drop_id(target.name, [f"{build.id} {build.round}" for build in affected]),
        target=target.name, name=f"{len(affected)} rebuilds: {why}", trigger="rebuild on change",
        owner="publish", state=DropState.INGESTED,
        approval=Approval.AWAITED if objection else Approval.NOT_NEEDED,
        reason=f"awaits approval: {objection}" if objection else "", created=tx.now,
    )  # fmt: skip
    if not tx.insert_or_ignore(drop):
        return
    tx.event("drop.received", drop.id, actor="publish", why=why, target=target.name)
    for build in affected:
        if not build.successor:
            rounds.again(tx, build, why=f"built again: {why}", drop=drop.id, actor="publish")
