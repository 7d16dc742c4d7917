"""Rounds: seeded cycles of sources are built again with their own RPMs until no member is
seeded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from buildfarm import wire
from buildfarm.domain.core.build import JUDGED, Build, BuildState, Gate, WaitKind
from buildfarm.domain.core.lag import spent_until
from buildfarm.domain.core.nevra import EVR
from buildfarm.domain.intake.drop import VendorRpm
from buildfarm.domain.publish.repository import Artifact
from buildfarm.domain.selfhosting.seeds import MAX_ROUNDS, LockLine, seeded_by
from buildfarm.domain.target.target import Target
from buildfarm.ports.store import Transaction
from buildfarm.services.core import tasks

_CHUNK = 500


def lock_lines(tx: Transaction, lock: Sequence[wire.InstalledRpm]) -> list[LockLine]:
    """A buildroot's RPMs, each with whether we built it (its header is one of our artifacts')."""
    headers = [rpm.sha256 for rpm in lock if rpm.sha256]
    ours: dict[str, str] = {}
    for start in range(0, len(headers), _CHUNK):
        found = tx.find(Artifact, header=tuple(headers[start : start + _CHUNK]))
        ours |= {artifact.header: artifact.build for artifact in found}
    made = sorted(set(ours.values()))
    conditions: dict[str, str] = {}
    for start in range(0, len(made), _CHUNK):
        conditions |= {
            one.id: one.bootstrap for one in tx.find(Build, id=tuple(made[start : start + _CHUNK]))
        }
    return [
        LockLine(
            name=rpm.name,
            nevra=f"{rpm.name}-{EVR(epoch=rpm.epoch, version=rpm.version, release=rpm.release)}.{rpm.arch}",
            ours=rpm.sha256 in ours,
            bootstrap=conditions.get(ours.get(rpm.sha256, ""), ""),
        )
        for rpm in lock
    ]


def note_lock(tx: Transaction, build: Build, lock: Sequence[wire.InstalledRpm]) -> Build:
    """Write down on a build what one of its buildroots was made of."""
    lines = lock_lines(tx, lock)
    seeded = seeded_by(lines, _made_by(tx, build)) if build.cycle else ()
    ours = sum(line.ours for line in lines)
    changed = tx.update(
        build, seeded=tuple(sorted({*build.seeded, *seeded})), lock_ours=build.lock_ours + ours,
        lock_rpms=build.lock_rpms + len(lines),
    )  # fmt: skip
    return changed or build


def _made_by(tx: Transaction, build: Build) -> set[str]:
    """Return the names of the RPMs that the sources of a build's cycle make, by their headers and
    by the vendor's binaries.
    """
    made = {rpm.name for rpm in tx.find(VendorRpm, target=build.target, source=build.cycle)}
    for member in tx.find(Build, target=build.target, source=build.cycle):
        made |= {text.split()[0] for text in member.provides if "(" not in text} | {member.source}
    return made


def begin_next(tx: Transaction, target: Target) -> list[Build]:
    """Build again what is seeded or bootstrapped, once its whole cycle stands in the build tag.

    The new builds.
    """
    held = tx.find(
        Build,
        target=target.name,
        state=JUDGED,
        gate=Gate.REFUSED,
        successor="",
        order_by="created,id",
    )
    seeded = [
        build for build in held if (build.seeded or build.bootstrap) and build.round < MAX_ROUNDS
    ]
    return [
        _again(tx, one)
        for one in seeded
        if all(_stands(tx, target, source, one) for source in one.cycle)
    ]


def _stands(tx: Transaction, target: Target, source: str, build: Build) -> bool:
    """Return whether a member of a build's cycle is there to build it with: what is under a
    bootstrap condition goes first itself.
    """
    carried = _carried(tx, target, source)
    return carried is not None and (bool(build.bootstrap) or not carried.bootstrap)


def _carried(tx: Transaction, target: Target, source: str) -> Build | None:
    """The newest build of a source in the build tag, if nothing newer of it is still to come
    there.
    """
    found = tx.find(Build, target=target.name, source=source, scratch=False)
    newest = max(found, key=lambda one: (one.nevra.evr, one.round), default=None)
    if newest is None:
        return None
    # a member that is one round ahead already has left its own earlier round in the tag
    there = [
        one for one in found if target.tags.build in one.tags and one.nevra.evr == newest.nevra.evr
    ]
    return max(there, key=lambda one: one.round, default=None)


def _again(tx: Transaction, build: Build) -> Build:
    took = (
        f"was built with {build.bootstrap}"
        if build.bootstrap
        else f"took {', '.join(build.seeded)} from a seed"
    )
    cycle = ", ".join(build.cycle)
    why = (
        f"round {build.round + 1}: built again with its cycle ({cycle}); round {build.round} {took}"
    )
    return again(tx, build, why=why, drop=build.drop_id, actor="self-hosting")


def again(tx: Transaction, build: Build, *, why: str, drop: str, actor: str) -> Build:
    """The next round of a build: the same SRPM once more, in the buildroot of then."""
    fresh = (
        build.state is BuildState.PUBLISHED
    )  # its lag is over; what is built again owes the vendor nothing
    new = replace(
        build, id=tasks.new_id(), round=build.round + 1, drop_id=drop, state=BuildState.WAITING,
        state_since=tx.now, wait_kind=WaitKind.PLANNING.value, reason=why, verdict="",
        gate=Gate.NONE, gate_reason="", tags=(), attempt=1, override={}, seeded=(), lock_ours=0,
        lock_rpms=0, finding="", brand_hits=0, source_brand_hits=0, superseded=False, bootstrap="",
        replans=0, created=tx.now, finished=None, stage_since=None,
        shipped=None if fresh else build.shipped, spent={} if fresh else spent_until(build, tx.now),
    )  # fmt: skip
    tx.add(new)
    tx.update(build, successor=new.id)
    tx.event("build.waiting", new.id, actor=actor, why=why, was=build.id, round=new.round)
    return new
