"""Plan: which waiting builds are ready, in which order, and why the others wait.

libsolv answers what can be installed; :mod:`buildfarm.domain.schedule.plan` decides. Everything is
asked against one pinned generation of the build tag, the target's seeds, and what the drop itself
will still provide.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections import ChainMap, deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from buildfarm import log, wire
from buildfarm.domain.core.build import JUDGED, TO_BUILD, Build, BuildState, WaitKind
from buildfarm.domain.core.records import ForecastRecord
from buildfarm.domain.core.task import Task, TaskKind, TaskState
from buildfarm.domain.core.worker import Worker, WorkerState
from buildfarm.domain.intake.drop import Approval, Drop, DropState, VendorRpm
from buildfarm.domain.schedule.forecast import forecast, graph_of, seconds_of
from buildfarm.domain.schedule.plan import Node, PinnedRepository, Plan, plan
from buildfarm.domain.target.target import ExternalRepository, Target
from buildfarm.errors import BuildFarmError, InputError
from buildfarm.ports.solving import RemoteRepositories, Solver, Universe
from buildfarm.ports.store import Transaction
from buildfarm.services.core import bootstrap_variants, builds, pausing
from buildfarm.services.core.hub import Hub
from buildfarm.services.publish import buildroots, publishing
from buildfarm.services.publish.buildroots import OWN_PRIORITY, Layer
from buildfarm.services.schedule.resolution import (
    Frontier,
    Question,
    Solved,
    blind,
    expected,
    wishes,
)

_PENDING = (
    BuildState.INGESTED, BuildState.DEBRANDED, BuildState.WAITING, BuildState.QUEUED, BuildState.BUILDING,
    BuildState.BUILT, BuildState.COMPARING, *JUDGED,
)  # fmt: skip
_BETWEEN_FORECASTS = timedelta(seconds=5)
_HISTORY, _RECENT, _KEPT = 10_000, 100, 5
_AT_ONCE = 500
_BROKEN = (BuildState.FAILED, BuildState.ON_HOLD, BuildState.CANCELED, BuildState.EXCLUDED, *JUDGED)


class PlanningService:
    """Moves waiting builds to ``queued`` or writes down why they wait."""

    def __init__(self, hub: Hub, solver: Solver, remote: RemoteRepositories | None = None) -> None:
        self._hub = hub
        self._remote = remote
        self._solver = solver
        self._durations = Durations(hub)
        self._ways: dict[str, dict[str, float]] = {}
        self._written: dict[str, datetime] = {}
        self._solved: dict[str, dict[str, Solved]] = {}

    @property
    def ways(self) -> Mapping[str, float]:
        """Seconds of work behind each build that is not done yet, by its id: the longest goes
        first.
        """
        return ChainMap(*self._ways.values())

    def plan(self, target: Target) -> dict[str, object]:
        """Plan one target; what its builder tasks are pinned to from now on (empty: nothing can be
        built).
        """
        with self._hub.store.read() as tx:
            pause = pausing.paused(tx, target.name)
        if pause is not None:
            self._all_wait(target, WaitKind.PAUSED, pausing.words(pause))
            return {}
        try:
            layers, universe = self._open(target)
            base = universe.base(target.buildroot.packages)
            problem = (
                f"buildroot of {target.name}: {'; '.join(base.problems)}" if base.problems else ""
            )
        except BuildFarmError as error:
            layers, universe, base, problem = (), None, None, str(error)
        if universe is None or base is None or problem:
            log.get().warning("plan.impossible", target=target.name, reason=problem)
            self._all_wait(target, WaitKind.UNRESOLVABLE, problem)
            return {}
        nodes = self.nodes(target, universe)
        decided = plan(nodes)
        self._carry_out(target, decided, {node.key: node.name for node in nodes})
        self._look_ahead(target, nodes)
        self._plan_drops(target, nodes, decided)
        root = buildroots.buildroot(layers, target.arches[0], key=base.key)
        below = {"below": list(root.below)} if root.below else {}
        return {"generation": root.generation, "buildroot_key": base.key, **below}

    def buildroot(self, target: Target, arch: str) -> wire.Buildroot:
        """The buildroot that a task of ``arch`` would get now.

        :raises InputError: its base packages cannot be installed, or the target does not build for
            ``arch``.
        """
        if arch not in target.arches:
            raise InputError(
                f"{target.name} does not build for {arch}",
                hint=f"its arches: {', '.join(target.arches)}",
            )
        layers, universe = self._open(target)
        base = universe.base(target.buildroot.packages)
        if base.problems:
            raise InputError(f"buildroot of {target.name}: {'; '.join(base.problems)}")
        return buildroots.buildroot(layers, arch, key=base.key)

    def _open(self, target: Target) -> tuple[tuple[Layer, ...], Universe]:
        with self._hub.store.read() as tx:
            layers = buildroots.layers_now(self._hub, tx, target)
        arch = target.arches[0]
        own = [
            PinnedRepository(
                id=generation.tag,
                folder=self._hub.repos / generation.tag / str(generation.number) / arch,
                priority=OWN_PRIORITY + depth,
            )
            for depth, generation in enumerate(layer.generation for layer in layers)
            if generation is not None
        ]
        external = [
            PinnedRepository(
                id=repo.id, folder=self._folder(layer.target, repo, arch), priority=repo.priority
            )
            for layer in layers
            for repo in layer.target.external
            if repo.path or self._remote
        ]
        releasever = target.buildroot.releasever
        return layers, self._solver.open(
            [*own, *external], arch, modules=target.modules, releasever=releasever
        )

    def _folder(self, target: Target, repository: ExternalRepository, arch: str) -> Path:
        if repository.path or self._remote is None:
            return self._hub.config.path(repository.path)
        return self._remote.pin(
            repository.baseurl, arch=arch, releasever=target.buildroot.releasever
        )

    def nodes(self, target: Target, universe: Universe) -> list[Node]:
        """Return what is still to be built, and what each takes from others; changes nothing.

        libsolv is asked about the frontier only: a build that waits for another one is asked about
        again when that one has come or stopped, any other when what is there or expected changes.
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
            wanted = wishes(tx, target.name, waiting)
        stuck = {build.id: build for build in found if _is_broken(target, build)}
        coming = {
            build.id: build
            for build in found
            if build.id not in stuck and target.tags.build not in build.tags
        }
        frontier = Frontier(self._solved.get(target.name, {}), universe, coming, stuck)

        @functools.cache
        def question() -> (
            Question
        ):  # most rounds ask nothing, and this reads what the vendor made of all of them
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
                universe=universe, base=target.buildroot.packages, expected=expected(coming.values(), vendor),
                lost=expected(stuck.values(), vendor), known={**coming, **stuck}, blind=blind(coming.values(), vendor),
            )  # fmt: skip

        for wish in [wish for wish in wanted if not frontier.holds(wish)]:
            frontier.take(wish, question().node(wish))
        for wish in frontier.circling(
            wanted
        ):  # what the repositories hold now may break their cycle
            frontier.take(wish, question().node(wish))
        self._solved[target.name] = frontier.solved
        nodes = [frontier.solved[build.id].node for build in waiting]
        known = {node.key for node in nodes}
        nodes += [
            Node(key=key, name=build.source, needs={}, broken={})
            for key, build in coming.items()
            if key not in known
        ]
        return nodes

    def _look_ahead(self, target: Target, nodes: Sequence[Node]) -> None:
        """How long each build's way is, and, now and then, a forecast for people."""
        known = {node.key for node in nodes}
        with self._hub.store.begin() as tx:
            self._durations.learn(tx)
            there = {
                build.id: build for build in tx.find(Build, target=target.name, state=TO_BUILD)
            }
            ahead = {
                node.key: [key for key in node.needs if key in known]
                for node in nodes
                if node.key in there
            }
            needs = {
                key: [other for other in wanted if other in ahead and other != key]
                for key, wanted in ahead.items()
            }
            costs = {key: self._durations.of(there[key]) for key in needs}
            graph = graph_of(needs, costs)
            self._ways[target.name] = dict(zip(graph.names, graph.levels, strict=True))
            last = self._written.get(target.name)
            if last is not None and tx.now - last < _BETWEEN_FORECASTS:
                return
            self._written[target.name] = tx.now
            names = {key: there[key].nvr for key in needs}
            found = dataclasses.asdict(forecast(needs, costs, names, workers=_slots(tx, target)))
            record = ForecastRecord(id=target.name, forecast=found, created=tx.now)
            if not tx.insert_or_ignore(record):
                tx.update(tx.get(ForecastRecord, target.name), forecast=found, created=tx.now)

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

    def _plan_drops(self, target: Target, nodes: Sequence[Node], decided: Plan) -> None:
        """Write down the plan of each drop that came since, and of those that await approval as it
        is now.
        """
        by_key = {node.key: node for node in nodes}
        with self._hub.store.begin() as tx:
            there = {
                build.id: build
                for build in tx.find(Build, target=target.name, state=TO_BUILD)
                if build.id in by_key
            }
            for drop in tx.find(
                Drop, target=target.name, id=tuple({build.drop_id for build in there.values()})
            ):
                record = tx.first(ForecastRecord, id=drop.id)
                if drop.state is not DropState.INGESTED or (
                    record and drop.approval is not Approval.AWAITED
                ):
                    continue
                own = {key: build for key, build in there.items() if build.drop_id == drop.id}
                made = self._plan_of(own, by_key, decided, workers=_slots(tx, target))
                if record is None:
                    tx.add(ForecastRecord(id=drop.id, forecast=made, created=tx.now))
                elif record.forecast != made:
                    tx.update(record, forecast=made, created=tx.now)

    def _plan_of(
        self, own: Mapping[str, Build], by_key: Mapping[str, Node], decided: Plan, *, workers: int
    ) -> dict[str, object]:
        """The plan of a drop's builds as the page reads it: a forecast, what cannot be resolved,
        cycles and what closes them.
        """
        needs = {
            key: [other for other in by_key[key].needs if other in own and other != key]
            for key in own
        }
        costs = {key: self._durations.of(build) for key, build in own.items()}
        nvrs = {key: build.nvr for key, build in own.items()}
        problems = [
            {"nvr": nvrs[one.key], "kind": one.wait.value, "reason": one.reason}
            for one in decided.decisions
            if one.key in own and one.wait in (WaitKind.UNRESOLVABLE, WaitKind.CYCLE)
        ]
        cycles = [
            {
                "members": [by_key[key].name for key in cycle.members],
                "closing": [
                    [by_key[source].name, by_key[needed].name] for source, needed in cycle.closing
                ],
                "conditions": [
                    [by_key[key].name, by_key[key].condition]
                    for key in cycle.members
                    if by_key[key].condition
                ],
            }
            for cycle in decided.cycles
            if any(key in own for key in cycle.members)
        ]
        found = dataclasses.asdict(forecast(needs, costs, nvrs, workers=workers))
        return json.loads(json.dumps({**found, "problems": problems, "cycles": cycles}))  # type: ignore[no-any-return]  # as stored

    def _all_wait(self, target: Target, kind: WaitKind, reason: str) -> None:
        with self._hub.store.begin() as tx:
            for build in tx.find(Build, target=target.name, state=BuildState.WAITING):
                builds.wait(tx, build, kind, reason)


class Durations:
    """How long sources take, learned from the builds that went well; what was never built is
    guessed from its size.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._seconds: dict[str, deque[float]] = {}
        self._seen: set[str] = set()

    def of(self, build: Build) -> float:
        """Seconds that a build will take."""
        history = self._seconds.get(build.source, ())
        size = 0
        if not history and self._hub.blobs.has(build.srpm):
            size = self._hub.blobs.path(build.srpm).stat().st_size
        return seconds_of(list(history), size)

    def learn(self, tx: Transaction) -> None:
        """Take note of what was built since it was asked last."""
        self._learn(tx, _RECENT if self._seen else _HISTORY)

    def _learn(self, tx: Transaction, limit: int) -> None:
        found = tx.select_fields(
            Task, ("id", "subject", "started", "finished"), kind=TaskKind.BUILD, state=TaskState.CLOSED, order_by="finished",
            descending=True, limit=limit,
        )  # fmt: skip
        fresh = [row for row in found if row[0] not in self._seen and row[2] and row[3]]
        subjects = sorted({row[1] for row in fresh})
        sources = {
            build: source
            for start in range(0, len(subjects), _AT_ONCE)
            for build, source in tx.select_fields(
                Build, ("id", "source"), id=tuple(subjects[start : start + _AT_ONCE])
            )
        }
        for task, subject, started, finished in reversed(fresh):
            self._seen.add(task)
            seconds = (finished - started).total_seconds()
            if subject in sources and seconds:
                self._seconds.setdefault(sources[subject], deque(maxlen=_KEPT)).appendleft(seconds)


def _slots(tx: Transaction, target: Target) -> int:
    """Return how many of the target's builds can run at once now."""
    queues = {
        target.queue(arch, source)
        for arch in target.arches
        for source in ("", *target.large_sources)
    }
    return sum(w.slots for w in tx.find(Worker, state=WorkerState.READY) if queues & set(w.queues))


def _held_drops(
    tx: Transaction, target: Target, drops: Iterable[str]
) -> dict[str, tuple[WaitKind, str]]:
    """Drops of which nothing may begin, and why: they await approval or are paused."""
    held: dict[str, tuple[WaitKind, str]] = {}
    for drop in tx.find(Drop, target=target.name, id=tuple(drops)):
        if drop.approval is Approval.AWAITED:
            held[drop.id] = (WaitKind.APPROVAL, f"its drop {drop.reason}")
        elif pause := pausing.paused(tx, drop.id):
            held[drop.id] = (WaitKind.PAUSED, pausing.words(pause))
    return held


def _is_broken(target: Target, build: Build) -> bool:
    """Ended, or refused by the build tag: nobody can take RPMs from it as things are."""
    if build.state in JUDGED:
        return bool(build.gate_reason) and not publishing.takes(target, target.tags.build, build)
    return build.state in _BROKEN
