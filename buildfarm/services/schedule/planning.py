"""Planning: decides which waiting builds are ready and why the others wait.

libsolv answers what can be installed; :mod:`buildfarm.domain.schedule.plan` decides. The solver is
asked about one pinned generation of the build tag, the target's seeds, and the RPMs that the drop
itself will provide.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

from buildfarm import log
from buildfarm.domain.core.build import JUDGED, Build, BuildState, WaitKind
from buildfarm.domain.intake.drop import Approval, Drop, VendorRpm
from buildfarm.domain.schedule.plan import Node, Plan, plan
from buildfarm.domain.target.target import Target
from buildfarm.errors import BuildFarmError
from buildfarm.ports.solving import Universe
from buildfarm.ports.store import Transaction
from buildfarm.services.core import bootstrap_variants, builds, pausing
from buildfarm.services.core.hub import Hub
from buildfarm.services.publish import publishing
from buildfarm.services.schedule import drop_plans
from buildfarm.services.schedule.forecasting import Durations, Forecasting
from buildfarm.services.schedule.resolution import (
    Frontier,
    Question,
    Solved,
    blind,
    expected,
    solver_requests,
)
from buildfarm.services.schedule.universes import Universes

_PENDING = (
    BuildState.INGESTED, BuildState.DEBRANDED, BuildState.WAITING, BuildState.QUEUED,
    BuildState.BUILDING, BuildState.BUILT, BuildState.COMPARING, *JUDGED,
)  # fmt: skip
_AT_ONCE = 500
_BROKEN = (BuildState.FAILED, BuildState.ON_HOLD, BuildState.CANCELED, BuildState.EXCLUDED, *JUDGED)


class PlanningService:
    """Moves waiting builds to ``queued`` or writes down why they wait."""

    def __init__(self, hub: Hub, universes: Universes) -> None:
        self._hub = hub
        self._universes = universes
        self._durations = Durations(hub)
        self._forecasts = Forecasting(hub, self._durations)
        self._solved: dict[str, dict[str, Solved]] = {}

    @property
    def remaining_paths(self) -> Mapping[str, float]:
        """Seconds of work behind each build that is not done yet, by its id."""
        return self._forecasts.remaining_paths

    def plan(self, target: Target) -> dict[str, object]:
        """Plan one target and return what its builder tasks are pinned to from now on; empty if
        nothing can be built.
        """
        with self._hub.store.read() as tx:
            pause = pausing.paused(tx, target.name)
        if pause is not None:
            return self._all_wait(target, WaitKind.PAUSED, pausing.words(pause))
        try:
            opened = self._universes.open(target)
        except BuildFarmError as error:
            log.get().warning("plan.impossible", target=target.name, reason=str(error))
            return self._all_wait(target, WaitKind.UNRESOLVABLE, str(error))
        nodes = self._nodes(target, opened.universe)
        decided = plan(nodes)
        self._carry_out(target, decided, {node.key: node.name for node in nodes})
        self._forecasts.update(target, nodes)
        drop_plans.write(self._hub.store, self._durations, target, nodes, decided)
        return opened.pins()

    def _nodes(self, target: Target, universe: Universe) -> list[Node]:
        """Return what is still to be built and what each build takes from others.

        libsolv is asked about the frontier only: a build that waits for another one is solved again
        when that one has come or stopped, any other when what is there or expected changes.
        """
        with self._hub.store.read() as tx:
            found = tx.find(
                Build,
                target=target.name,
                scratch=False,
                superseded=False,
                state=tuple({*_PENDING, *_BROKEN}),
            )
            waiting = tx.find(
                Build, target=target.name, state=BuildState.WAITING, order_by="created,id"
            )
            wanted = solver_requests(tx, target.name, waiting)
        stuck = {build.id: build for build in found if _is_broken(target, build)}
        coming = {
            build.id: build
            for build in found
            if build.id not in stuck and target.tags.build not in build.tags
        }
        frontier = Frontier(self._solved.get(target.name, {}), universe, coming, stuck)

        @functools.cache  # most rounds ask nothing, and this reads the vendor's RPMs of all builds
        def question() -> Question:
            srpms = sorted({build.srpm_filename for build in found})
            with self._hub.store.read() as tx:
                vendor = [
                    rpm
                    for start in range(0, len(srpms), _AT_ONCE)
                    for rpm in tx.find(
                        VendorRpm,
                        target=target.name,
                        problem="",
                        sourcerpm=tuple(srpms[start : start + _AT_ONCE]),
                    )
                ]
            return Question(
                universe=universe, base=target.buildroot.packages,
                expected=expected(coming.values(), vendor), lost=expected(stuck.values(), vendor),
                known={**coming, **stuck}, blind=blind(coming.values(), vendor),
            )  # fmt: skip

        for request in [request for request in wanted if not frontier.holds(request)]:
            frontier.take(request, question().node(request))
        # what the repositories hold now may break a cycle
        for request in frontier.circling(wanted):
            frontier.take(request, question().node(request))
        self._solved[target.name] = frontier.solved
        nodes = [frontier.solved[build.id].node for build in waiting]
        known = {node.key for node in nodes}
        nodes += [
            Node(key=key, name=build.source, needs={}, broken={})
            for key, build in coming.items()
            if key not in known
        ]
        return nodes

    def _carry_out(self, target: Target, decided: Plan, names: Mapping[str, str]) -> None:
        with self._hub.store.begin() as tx:
            waiting = {
                build.id: build
                for build in tx.find(Build, target=target.name, state=BuildState.WAITING)
            }
            held = _held_drops(tx, target, {build.drop_id for build in waiting.values()})
            for decision in decided.decisions:
                build = waiting.get(decision.key)
                if build is None:
                    continue
                if decision.wait is None and build.drop_id in held:
                    builds.wait(tx, build, *held[build.drop_id])
                elif decision.wait is None:
                    cycle = tuple(sorted(names[key] for key in decision.cycle)) or build.cycle
                    note = decision.note or bootstrap_variants.note_of(build)
                    builds.move(tx, build, BuildState.QUEUED, actor="plan", why=note, cycle=cycle)
                elif decision.way_out is not None and build.drop_id not in held:
                    builds.wait(tx, build, decision.wait, decision.reason)
                    members_of_cycle = [waiting[key] for key in decision.cycle if key in waiting]
                    bootstrap_variants.take_way_out(
                        tx, target, build, decision.way_out, members_of_cycle
                    )
                else:
                    builds.wait(tx, build, decision.wait, decision.reason)

    def _all_wait(self, target: Target, kind: WaitKind, reason: str) -> dict[str, object]:
        """Let every waiting build wait for ``reason``; the builder tasks are pinned to nothing."""
        with self._hub.store.begin() as tx:
            for build in tx.find(Build, target=target.name, state=BuildState.WAITING):
                builds.wait(tx, build, kind, reason)
        return {}


def _held_drops(
    tx: Transaction, target: Target, drops: Iterable[str]
) -> dict[str, tuple[WaitKind, str]]:
    """Return the drops of which no build may begin, with the reason: they await approval or are
    paused.
    """
    held: dict[str, tuple[WaitKind, str]] = {}
    for drop in tx.find(Drop, target=target.name, id=tuple(drops)):
        if drop.approval is Approval.AWAITED:
            held[drop.id] = (WaitKind.APPROVAL, f"its drop {drop.reason}")
        elif pause := pausing.paused(tx, drop.id):
            held[drop.id] = (WaitKind.PAUSED, pausing.words(pause))
    return held


def _is_broken(target: Target, build: Build) -> bool:
    """Return whether a build has ended, or is refused by the build tag, so that no other build can
    take RPMs from it.
    """
    if build.state in JUDGED:
        return bool(build.gate_reason) and not publishing.takes(target, target.tags.build, build)
    return build.state in _BROKEN
