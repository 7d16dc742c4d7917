"""Our buildroot beside the vendor's where a reference is known, differences first, each with where
ours came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from buildfarm.domain.build.parity import Difference, Differs, parity, parse_nevra
from buildfarm.domain.core.build import JUDGED, Build, BuildState
from buildfarm.domain.core.nevra import NEVRA
from buildfarm.domain.core.records import ReferenceLock
from buildfarm.domain.core.task import Task, TaskKind
from buildfarm.domain.intake.drop import VendorRpm
from buildfarm.ports.store import Transaction
from buildfarm.services.build import references
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.core.convert import Json, find_each, stamp
from buildfarm_web.read_models.selfhosting.shares import Shares


def parities(
    hub: Hub, tx: Transaction, shares: Shares, build: Build, tasks: Sequence[Task]
) -> list[Json]:
    """One an arch: the reference, how many RPMs are the same, and what differs; empty where no
    reference is known.
    """
    newest = {task.arch: task for task in tasks if task.kind is TaskKind.BUILD and task.lock}
    found: list[Json] = []
    for arch, task in sorted(newest.items()):
        reference = references.of(tx, build.id, build.target, arch)
        if reference is not None:
            found.append(_beside(hub, tx, shares, build, task, reference))
    return found


def _beside(
    hub: Hub, tx: Transaction, shares: Shares, build: Build, task: Task, reference: ReferenceLock
) -> Json:
    lines = shares.lines(hub, tx, task.lock)
    ours: dict[NEVRA, bool] = {
        rpm: bool(one["ours"]) for one in lines if (rpm := parse_nevra(one["nevra"]))
    }
    found = parity(ours, [rpm for text in reference.rpms if (rpm := parse_nevra(text))])
    makers = _makers(
        tx, build.target, [one.name for one in found.differences if not one.built_here]
    )
    counts = {kind.value: sum(one.kind is kind for one in found.differences) for kind in Differs}
    return {
        "arch": task.arch,
        "task": task.id,
        "reference": {
            "of": "target" if reference.subject.startswith(references.TARGET) else "build",
            "form": reference.form, "actor": reference.actor, "created": stamp(reference.created),
            "rpms": len(reference.rpms), "digest": reference.digest,
        },
        "same": found.same,
        "counts": counts,
        "differences": [
            {
                "name": one.name, "kind": one.kind.value, "ours": one.ours, "theirs": one.theirs,
                "from": ("here" if one.built_here else "seed") if one.ours else "", "why": _why(one, makers.get(one.name)),
            }
            for one in found.differences
        ],
    }  # fmt: skip


def _makers(tx: Transaction, target: str, names: Iterable[str]) -> dict[str, Build | str]:
    """For RPMs that we did not build: our newest build of the source that makes them, or its name
    if there is none.
    """
    source_of = {
        rpm.name: rpm.source for rpm in find_each(tx, VendorRpm, "name", set(names), target=target)
    }
    builds: dict[str, Build] = {}
    for build in find_each(tx, Build, "source", set(source_of.values()), target=target):
        held = builds.get(build.source)
        if held is None or (held.nevra.evr, held.round) < (build.nevra.evr, build.round):
            builds[build.source] = build
    return {name: builds.get(source, source) for name, source in source_of.items()}


def _why(one: Difference, maker: Build | str | None) -> str:
    """Return what explains a difference: who builds the RPM here, and how far that is."""
    if one.built_here:
        return "built here"
    if isinstance(maker, Build):
        ready = maker.state in (BuildState.PUBLISHED, *JUDGED)
        return f"{maker.nvr} makes it here, " + (
            "which came later" if ready else f"which is {maker.state.value}"
        )
    if one.kind is Differs.MISSING:
        return f"{maker} makes it, which was in no drop" if maker else "no source of ours makes it"
    return "from a seed: no source of ours makes it"
