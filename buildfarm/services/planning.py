"""Plan: which waiting builds are ready, in which order, and why the others wait.

libsolv answers what can be installed; :mod:`buildfarm.domain.plan` decides. Everything is asked against one pinned
generation of the build tag, the target's seeds, and what the drop itself will still provide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from buildfarm import log, wire
from buildfarm.domain.build import Build, BuildState, WaitKind
from buildfarm.domain.drop import VendorRpm
from buildfarm.domain.nevra import EVR
from buildfarm.domain.plan import Expected, Node, PinnedRepository, Plan, plan
from buildfarm.domain.repository import Generation
from buildfarm.domain.target import Target
from buildfarm.errors import BuildFarmError, InputError
from buildfarm.ports import Solver, Universe
from buildfarm.services import building, builds, publishing
from buildfarm.services.building import OWN_PRIORITY
from buildfarm.services.hub import Hub

_PENDING = (
    BuildState.INGESTED, BuildState.DEBRANDED, BuildState.WAITING, BuildState.QUEUED, BuildState.BUILDING,
    BuildState.BUILT, BuildState.COMPARING, BuildState.COMPARED,
)  # fmt: skip
_BROKEN = (BuildState.FAILED, BuildState.ON_HOLD, BuildState.CANCELED, BuildState.EXCLUDED, BuildState.COMPARED)


class PlanningService:
    """Moves waiting builds to ``queued`` or writes down why they wait."""

    def __init__(self, hub: Hub, solver: Solver) -> None:
        self._hub = hub
        self._solver = solver

    def plan(self, target: Target) -> dict[str, object]:
        """Plan one target; what its builder tasks are pinned to from now on (empty: nothing can be built)."""
        try:
            generation, universe = self._open(target)
            base = universe.base(target.buildroot.packages)
            problem = f"buildroot of {target.name}: {'; '.join(base.problems)}" if base.problems else ""
        except BuildFarmError as error:
            generation, universe, base, problem = None, None, None, str(error)
        if universe is None or base is None or problem:
            self._all_wait(target, problem)
            return {}
        self._carry_out(target, self.dry_run(target, universe))
        return {"generation": generation.id if generation else "", "buildroot_key": base.key}

    def buildroot(self, target: Target, arch: str) -> wire.Buildroot:
        """The buildroot that a task of ``arch`` would get now.

        :raises InputError: its base packages cannot be installed, or the target does not build for ``arch``.
        """
        if arch not in target.arches:
            raise InputError(f"{target.name} does not build for {arch}", hint=f"its arches: {', '.join(target.arches)}")
        generation, universe = self._open(target)
        base = universe.base(target.buildroot.packages)
        if base.problems:
            raise InputError(f"buildroot of {target.name}: {'; '.join(base.problems)}")
        return building.buildroot(target, generation, arch, key=base.key)

    def _open(self, target: Target) -> tuple[Generation | None, Universe]:
        with self._hub.store.read() as tx:
            generation = publishing.head(tx, target.tags.build)
        arch = target.arches[0]
        repositories = [
            PinnedRepository(id=repo.id, folder=self._hub.config.path(repo.path), priority=repo.priority)
            for repo in target.external
            if repo.path
        ]
        if generation is not None:
            folder = self._hub.repos / generation.tag / str(generation.number) / arch
            own = PinnedRepository(id=generation.tag, folder=folder, priority=OWN_PRIORITY)
            repositories.insert(0, own)
        return generation, self._solver.open(repositories, arch)

    def dry_run(self, target: Target, universe: Universe) -> Plan:
        """Decide for every waiting build; changes nothing."""
        with self._hub.store.read() as tx:
            found = tx.find(Build, target=target.name, scratch=False, state=tuple({*_PENDING, *_BROKEN}))
            waiting = tx.find(Build, target=target.name, state=BuildState.WAITING, order_by="created,id")
            vendor = tx.find(VendorRpm, target=target.name, problem="")
        stuck = {build.id: build for build in found if _is_broken(target, build)}
        coming = {build.id: build for build in found if build.id not in stuck and target.tags.build not in build.tags}
        expected = _expected(coming.values(), vendor)
        lost = _expected(stuck.values(), vendor)
        packages = target.buildroot.packages
        nodes = [_node(build, universe, packages, expected, lost, known={**coming, **stuck}) for build in waiting]
        known = {node.key for node in nodes}
        nodes += [
            Node(key=key, name=build.source, needs={}, broken={}) for key, build in coming.items() if key not in known
        ]
        return plan(nodes)

    def _carry_out(self, target: Target, decided: Plan) -> None:
        with self._hub.store.begin() as tx:
            waiting = {build.id: build for build in tx.find(Build, target=target.name, state=BuildState.WAITING)}
            for decision in decided.decisions:
                build = waiting.get(decision.key)
                if build is None:
                    continue
                if decision.wait is None:
                    builds.move(tx, build, BuildState.QUEUED, actor="plan", why=decision.note)
                else:
                    builds.wait(tx, build, decision.wait, decision.reason)

    def _all_wait(self, target: Target, reason: str) -> None:
        log.get().warning("plan.impossible", target=target.name, reason=reason)
        with self._hub.store.begin() as tx:
            for build in tx.find(Build, target=target.name, state=BuildState.WAITING):
                builds.wait(tx, build, WaitKind.UNRESOLVABLE, reason)


def _is_broken(target: Target, build: Build) -> bool:
    """Ended, or refused by the build tag: nobody can take RPMs from it as things are."""
    if build.state is BuildState.COMPARED:
        return bool(build.gate_reason) and not publishing.takes(target, target.tags.build, build)
    return build.state in _BROKEN


def _node(
    build: Build, universe: Universe, base: Sequence[str], expected: Sequence[Expected], lost: Sequence[Expected],
    *, known: Mapping[str, Build],
) -> Node:  # fmt: skip
    answer = universe.resolve(build.requires, base, [rpm for rpm in expected if rpm.build != build.id])
    broken: dict[str, str] = {}
    problem = "; ".join(answer.problems)
    if problem and lost:
        with_lost = universe.resolve(build.requires, base, [*expected, *lost])
        stuck = {rpm.build for rpm in lost}
        broken = {
            f"{name} from {known[key].nvr}": f"{known[key].state}, {known[key].reason or known[key].gate_reason}"
            for key, name in with_lost.taken.items()
            if key in stuck
        }
    now = universe.resolve(build.requires, base, ()) if answer.taken else None
    return Node(
        key=build.id,
        name=build.source,
        needs=answer.taken,
        broken=broken,
        problem="" if broken else problem,
        resolves_now=now is not None and not now.problems,
    )


def _expected(sources: Iterable[Build], vendor: Sequence[VendorRpm]) -> tuple[Expected, ...]:
    """What builds will provide: by the vendor's binaries where we have them, else by the SRPM's own Provides."""
    by_srpm: dict[str, list[VendorRpm]] = {}
    for rpm in vendor:
        by_srpm.setdefault(rpm.sourcerpm, []).append(rpm)
    made: list[Expected] = []
    for build in sources:
        known = by_srpm.get(build.srpm_filename, [])
        made += [_from_vendor(build, rpm) for rpm in known] or _from_header(build)
    return tuple(made)


def _from_vendor(build: Build, rpm: VendorRpm) -> Expected:
    return Expected(
        build=build.id, name=rpm.name, evr=rpm.evr, arch=rpm.arch, provides=rpm.provides,
        requires=tuple(text for text in rpm.requires if not text.startswith("/")),
    )  # fmt: skip


def _from_header(build: Build) -> list[Expected]:
    """An SRPM's header carries the Provides of its sub-packages (rpm 4.16 and later), not those found while building."""
    evr = str(EVR(epoch=build.epoch, version=build.version, release=build.debranded_release or build.release))
    names = sorted({text.split()[0] for text in build.provides} | {build.source})
    return [Expected(build=build.id, name=name, evr=evr, arch="noarch") for name in names if "(" not in name]
