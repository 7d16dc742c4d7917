"""RPMs that still come from a seed and why, and how the self-hosted share went from generation to
generation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.task import Task, TaskKind, TaskState
from buildfarm.domain.intake.drop import VendorRpm
from buildfarm.domain.publish.repository import Artifact, Generation
from buildfarm.domain.selfhosting.seeds import Known, reached, share, why_from_seed
from buildfarm.ports.store import Transaction
from buildfarm.services.core.hub import Hub
from buildfarm.services.publish import publishing
from buildfarm_web.read_models.core.convert import Json, find_each, pick_each, stamp
from buildfarm_web.read_models.selfhosting.shares import Shares

_GENERATIONS = 200
_SOURCES = (".src.rpm", ".nosrc.rpm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """RPMs that the buildroots behind one generation of a build tag took from elsewhere; they stay
    as they are.

    ``seeds`` are the RPMs that are not ours: their names, and in how many buildroots each is.
    """

    buildroots: int
    seeds: Mapping[str, tuple[str, int]]
    transitive: Json


def seeds(hub: Hub, tx: Transaction, shares: Shares, name: str) -> Json:
    """The seeds of a target's buildroots, the most used first, and its share over time.

    :raises NotFound: no such target.
    """
    target = hub.target(name)
    head = publishing.head(tx, target.tags.build)
    carried = head.builds if head else ()
    key = head.id if head else ""
    counted: Counted = shares.kept(key, lambda: _counted(hub, tx, shares, carried))
    known = _known(tx, target.name, {one for one, _ in counted.seeds.values()}, set(carried))
    listed = [
        {
            "nevra": nevra,
            "name": one,
            "buildroots": count,
            "why": why_from_seed(known.get(one, Known())),
        }
        for nevra, (one, count) in sorted(
            counted.seeds.items(), key=lambda item: (-item[1][1], item[0])
        )
    ]
    return {
        "target": target.name,
        "buildroots": counted.buildroots,
        "seeds": listed,
        "over_time": share_over_time(tx, target.tags.build),
        "transitive": counted.transitive,
        "cycles": _cycles(tx, target.name),
    }


def _counted(hub: Hub, tx: Transaction, shares: Shares, carried: Iterable[str]) -> Counted:
    locks = _locks(tx, carried)
    found: Counter[str] = Counter()
    names: dict[str, str] = {}
    for digest in locks.values():
        for line in shares.lines(hub, tx, digest):
            if not line["ours"]:
                found[line["nevra"]] += 1
                names[line["nevra"]] = line["name"]
    seeds = {nevra: (names[nevra], count) for nevra, count in found.items()}
    return Counted(
        buildroots=len(locks), seeds=seeds, transitive=_transitive(hub, tx, shares, locks)
    )


def share_over_time(tx: Transaction, tag: str) -> list[Json]:
    """The self-hosted share of each generation of a build tag that came into force, the oldest
    first.
    """
    asked = ("number", "ready", "sources", "lock_ours", "lock_rpms")
    found = tx.select_fields(
        Generation, asked, tag=tag, order_by="number", descending=True, limit=_GENERATIONS
    )
    return [
        {"number": number, "ready": stamp(ready), "builds": sources, "ours": ours, "all": rpms, "share": share(ours, rpms)}
        for number, ready, sources, ours, rpms in reversed(found)
        if ready is not None
    ]  # fmt: skip


def _locks(tx: Transaction, builds: Iterable[str]) -> dict[str, str]:
    """The digest of the last lock of each build and arch, by ``build arch``."""
    newest: dict[str, tuple[datetime, str]] = {}
    asked = ("subject", "arch", "created", "lock")
    for subject, arch, created, lock in pick_each(
        tx, Task, asked, "subject", builds, kind=TaskKind.BUILD, state=TaskState.CLOSED
    ):
        key = f"{subject} {arch}"
        if lock and (key not in newest or newest[key][0] <= created):
            newest[key] = (created, lock)
    return {key: lock for key, (_, lock) in newest.items()}


def _known(
    tx: Transaction, target: str, names: set[str], carried: Collection[str]
) -> dict[str, Known]:
    """For each name what the farm has by it, and if it is not in the build tag, why."""
    found: dict[str, Known] = {}
    made = pick_each(tx, Artifact, ("filename", "name", "build"), "name", names)
    rpms = sorted(row for row in made if not row[0].endswith(_SOURCES))
    others = {
        build.id: build
        for build in find_each(
            tx, Build, "id", {build for *_, build in rpms if build not in carried}, superseded=False
        )
    }
    for filename, name, build_id in rpms:
        if build_id in carried:
            found[name] = Known(carried=filename.removesuffix(".rpm"))
        elif build_id in others and others[build_id].target == target:
            build = others[build_id]
            words = f"{build.nvr} is {build.state}: {build.gate_reason or build.reason}"
            found.setdefault(name, Known(refused=words))
    vendor = pick_each(
        tx, VendorRpm, ("name", "sourcerpm"), "name", names - found.keys(), target=target
    )
    srpms = {sourcerpm for _, sourcerpm in vendor}
    stuck = {
        build.srpm_filename: build
        for build in find_each(tx, Build, "srpm_filename", srpms, target=target, superseded=False)
        if build.state is not BuildState.PUBLISHED
    }
    for name, sourcerpm in vendor:
        if sourcerpm in stuck:
            build = stuck[sourcerpm]
            found[name] = Known(
                stuck=f"{build.nvr} is {build.state}{': ' if build.reason else ''}{build.reason}"
            )
    return found


def _transitive(hub: Hub, tx: Transaction, shares: Shares, locks: dict[str, str]) -> Json:
    """Of all RPMs in the buildroots of what the tag carries, in the buildroots of those, and so on,
    how many are ours.
    """
    lock_of: dict[str, list[str]] = {}
    ours: set[str] = set()
    ahead = {key.partition(" ")[0]: digest for key, digest in locks.items()}
    start: set[str] = set()
    done: set[str] = set()
    while ahead:
        headers = {
            build: {line["sha256"] for line in shares.lines(hub, tx, digest)}
            for build, digest in ahead.items()
        }
        if not done:
            start = set().union(*headers.values())
        done |= headers.keys()
        for header, build in pick_each(tx, Artifact, ("header", "build"), "build", headers):
            if header:
                lock_of[header] = sorted(headers[build])
        needed = pick_each(
            tx, Artifact, ("header", "build"), "header", set().union(*headers.values()) - {""}
        )
        ours |= {header for header, _ in needed}
        ahead = {
            key.partition(" ")[0]: digest
            for key, digest in _locks(tx, {b for _, b in needed} - done).items()
        }
    everything = reached(start, lock_of)
    return {
        "ours": len(everything & ours),
        "all": len(everything),
        "share": share(len(everything & ours), len(everything)),
    }


def _cycles(tx: Transaction, target: str) -> list[Json]:
    """Every build that needed its own cycle, with its rounds: from which seed it came, and whether
    it got off it.
    """
    circling = {
        source
        for source, cycle in tx.select_fields(
            Build, ("source", "cycle"), target=target, superseded=False
        )
        if cycle
    }
    found = [
        build for build in find_each(tx, Build, "source", circling, target=target) if build.cycle
    ]
    found.sort(key=lambda build: (build.source, build.round))
    return [
        {
            "id": build.id, "nvr": build.nvr, "round": build.round, "cycle": list(build.cycle), "seeded": list(build.seeded),
            "state": build.state.value, "successor": build.successor, "bootstrap": build.bootstrap,
        }
        for build in found
    ]  # fmt: skip
