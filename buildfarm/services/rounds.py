"""Circles of sources get off the seed: what is seeded is built again with its own circle, until nothing is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from buildfarm import wire
from buildfarm.domain.build import Build, BuildState, Gate, WaitKind
from buildfarm.domain.drop import VendorRpm
from buildfarm.domain.lag import spent_until
from buildfarm.domain.nevra import EVR
from buildfarm.domain.repository import Artifact
from buildfarm.domain.selfhosting import MAX_ROUNDS, LockLine, seeded_by
from buildfarm.domain.target import Target
from buildfarm.ports import Transaction
from buildfarm.services import tasks

_CHUNK = 500


def lock_lines(tx: Transaction, lock: Sequence[wire.InstalledRpm]) -> list[LockLine]:
    """A buildroot's RPMs, each with whether we built it (its header is one of our artifacts')."""
    headers = [rpm.sha256 for rpm in lock if rpm.sha256]
    ours: set[str] = set()
    for start in range(0, len(headers), _CHUNK):
        ours |= {artifact.header for artifact in tx.find(Artifact, header=tuple(headers[start : start + _CHUNK]))}
    return [
        LockLine(
            name=rpm.name,
            nevra=f"{rpm.name}-{EVR(epoch=rpm.epoch, version=rpm.version, release=rpm.release)}.{rpm.arch}",
            ours=rpm.sha256 in ours,
        )
        for rpm in lock
    ]


def note_lock(tx: Transaction, build: Build, lock: Sequence[wire.InstalledRpm]) -> Build:
    """Write down on a build what one of its buildroots was made of."""
    lines = lock_lines(tx, lock)
    seeded = seeded_by(lines, _made_by(tx, build)) if build.circle else ()
    ours = sum(line.ours for line in lines)
    changed = tx.change(
        build, seeded=tuple(sorted({*build.seeded, *seeded})), lock_ours=build.lock_ours + ours,
        lock_rpms=build.lock_rpms + len(lines),
    )  # fmt: skip
    return changed or build


def _made_by(tx: Transaction, build: Build) -> set[str]:
    """Names of the RPMs that the sources of a build's circle make, by their headers and by the vendor's binaries."""
    made = {rpm.name for rpm in tx.find(VendorRpm, target=build.target, source=build.circle)}
    for member in tx.find(Build, target=build.target, source=build.circle):
        made |= {text.split()[0] for text in member.provides if "(" not in text} | {member.source}
    return made


def begin_next(tx: Transaction, target: Target) -> list[Build]:
    """Build again what is seeded, once its whole circle stands in the build tag. The new builds."""
    held = tx.find(
        Build, target=target.name, state=BuildState.COMPARED, gate=Gate.REFUSED, successor="", order_by="created,id"
    )
    seeded = [build for build in held if build.seeded and build.round < MAX_ROUNDS]
    return [_again(tx, one) for one in seeded if all(_carries(tx, target, source) for source in one.circle)]


def _carries(tx: Transaction, target: Target, source: str) -> bool:
    """Whether the build tag has a build of a source, the newest one there is."""
    found = tx.find(Build, target=target.name, source=source, scratch=False)
    newest = max(found, key=lambda one: (one.nevra.evr, one.round), default=None)
    if newest is None:
        return False
    # a member that is one round ahead already has left its own earlier round in the tag
    return any(target.tags.build in one.tags for one in found if one.nevra.evr == newest.nevra.evr)


def _again(tx: Transaction, build: Build) -> Build:
    took = ", ".join(build.seeded)
    circle = ", ".join(build.circle)
    why = (
        f"round {build.round + 1}: built again with its circle ({circle}); round {build.round} took {took} from a seed"
    )
    return again(tx, build, why=why, drop=build.drop_id, actor="self-hosting")


def again(tx: Transaction, build: Build, *, why: str, drop: str, actor: str) -> Build:
    """The next round of a build: the same SRPM once more, in the buildroot of then."""
    fresh = build.state is BuildState.PUBLISHED  # its lag is over; what is built again owes the vendor nothing
    new = replace(
        build, id=tasks.new_id(), round=build.round + 1, drop_id=drop, state=BuildState.WAITING, state_since=tx.now,
        wait_kind=WaitKind.PLANNING.value, reason=why, verdict="", gate=Gate.NONE, gate_reason="", tags=(), attempt=1, override={},
        seeded=(), lock_ours=0, lock_rpms=0, created=tx.now, finished=None, stage_since=None,
        shipped=None if fresh else build.shipped, spent={} if fresh else spent_until(build, tx.now),
    )  # fmt: skip
    tx.add(new)
    tx.change(build, successor=new.id)
    tx.event("build.waiting", new.id, actor=actor, why=why, was=build.id, round=new.round)
    return new
