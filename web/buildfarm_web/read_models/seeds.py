"""What still comes from a seed and why, and how the self-hosted share went from generation to generation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from buildfarm.domain.build import Build, BuildState
from buildfarm.domain.drop import VendorRpm
from buildfarm.domain.repository import Artifact, Generation
from buildfarm.domain.selfhosting import Known, reached, share, why_from_seed
from buildfarm.domain.task import Task, TaskKind, TaskState
from buildfarm.ports import Transaction
from buildfarm.services import publishing
from buildfarm.services.hub import Hub
from buildfarm_web.read_models.plain import Json, find_each, stamp
from buildfarm_web.read_models.shares import Shares

_GENERATIONS = 200


def seeds(hub: Hub, tx: Transaction, shares: Shares, name: str) -> Json:
    """The seeds of a target's buildroots, the most used first, and its share over time. :raises NotFound: no such target."""
    target = hub.target(name)
    head = publishing.head(tx, target.tags.build)
    carried = find_each(tx, Build, "id", head.builds) if head else []
    locks = _locks(tx, carried)
    counted: Counter[str] = Counter()
    names: dict[str, str] = {}
    for digest in locks.values():
        for line in shares.lines(hub, tx, digest):
            if not line["ours"]:
                counted[line["nevra"]] += 1
                names[line["nevra"]] = line["name"]
    known = _known(tx, target.name, set(names.values()), carried)
    listed = [
        {
            "nevra": nevra,
            "name": names[nevra],
            "buildroots": count,
            "why": why_from_seed(known.get(names[nevra], Known())),
        }
        for nevra, count in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    ]
    return {
        "target": target.name,
        "buildroots": len(locks),
        "seeds": listed,
        "over_time": share_over_time(tx, target.tags.build),
        "transitive": _transitive(hub, tx, shares, locks),
        "circles": _circles(tx, target.name),
    }


def share_over_time(tx: Transaction, tag: str) -> list[Json]:
    """The self-hosted share of each generation of a build tag that came into force, the oldest first."""
    found = tx.find(Generation, tag=tag, order_by="number", descending=True, limit=_GENERATIONS)
    return [
        {
            "number": one.number, "ready": stamp(one.ready), "builds": len(one.builds), "ours": one.lock_ours,
            "all": one.lock_rpms, "share": share(one.lock_ours, one.lock_rpms),
        }
        for one in reversed(found)
        if one.ready is not None
    ]  # fmt: skip


def _locks(tx: Transaction, builds: Iterable[Build]) -> dict[str, str]:
    """The digest of the last lock of each build and arch, by ``build arch``."""
    newest: dict[str, Task] = {}
    for task in find_each(tx, Task, "subject", [b.id for b in builds], kind=TaskKind.BUILD, state=TaskState.CLOSED):
        key = f"{task.subject} {task.arch}"
        if task.lock and (key not in newest or newest[key].created <= task.created):
            newest[key] = task
    return {key: task.lock for key, task in newest.items()}


def _known(tx: Transaction, target: str, names: set[str], carried: Sequence[Build]) -> dict[str, Known]:
    """For each name what the farm has by it, and if it is not in the build tag, why."""
    by_id = {build.id: build for build in carried}
    found: dict[str, Known] = {}
    made = [rpm for rpm in find_each(tx, Artifact, "name", names) if not rpm.is_source]
    others = {build.id: build for build in find_each(tx, Build, "id", {rpm.build for rpm in made} - by_id.keys())}
    for rpm in sorted(made, key=lambda rpm: rpm.filename):
        if rpm.build in by_id:
            found[rpm.name] = Known(carried=rpm.filename.removesuffix(".rpm"))
        elif rpm.build in others and others[rpm.build].target == target:
            build = others[rpm.build]
            found.setdefault(
                rpm.name, Known(refused=f"{build.nvr} is {build.state}: {build.gate_reason or build.reason}")
            )
    vendor = find_each(tx, VendorRpm, "name", names - found.keys(), target=target)
    stuck = {
        build.srpm_filename: build
        for build in find_each(tx, Build, "srpm_filename", {rpm.sourcerpm for rpm in vendor}, target=target)
        if build.state is not BuildState.PUBLISHED
    }
    for shipped in vendor:
        if shipped.sourcerpm in stuck:
            build = stuck[shipped.sourcerpm]
            found[shipped.name] = Known(
                stuck=f"{build.nvr} is {build.state}{': ' if build.reason else ''}{build.reason}"
            )
    return found


def _transitive(hub: Hub, tx: Transaction, shares: Shares, locks: dict[str, str]) -> Json:
    """Of all RPMs in the buildroots of what the tag carries, in the buildroots of those, and so on, how many are ours."""
    lock_of: dict[str, list[str]] = {}
    ours: set[str] = set()
    ahead = {key.partition(" ")[0]: digest for key, digest in locks.items()}
    start: set[str] = set()
    done: set[str] = set()
    while ahead:
        headers = {build: {line["sha256"] for line in shares.lines(hub, tx, digest)} for build, digest in ahead.items()}
        if not done:
            start = set().union(*headers.values())
        done |= headers.keys()
        for artifact in find_each(tx, Artifact, "build", headers):
            if artifact.header:
                lock_of[artifact.header] = sorted(headers[artifact.build])
        needed = find_each(tx, Artifact, "header", set().union(*headers.values()) - {""})
        ours |= {artifact.header for artifact in needed}
        further = find_each(tx, Build, "id", {artifact.build for artifact in needed} - done)
        ahead = {key.partition(" ")[0]: digest for key, digest in _locks(tx, further).items()}
    everything = reached(start, lock_of)
    return {
        "ours": len(everything & ours),
        "all": len(everything),
        "share": share(len(everything & ours), len(everything)),
    }


def _circles(tx: Transaction, target: str) -> list[Json]:
    """Every build that needed its own circle, with its rounds: from which seed it came, and whether it got off it."""
    found = [build for build in tx.find(Build, target=target, order_by="source,round") if build.circle]
    return [
        {
            "id": build.id, "nvr": build.nvr, "round": build.round, "circle": list(build.circle), "seeded": list(build.seeded),
            "state": build.state.value, "successor": build.successor, "bootstrap": build.bootstrap,
        }
        for build in found
    ]  # fmt: skip
