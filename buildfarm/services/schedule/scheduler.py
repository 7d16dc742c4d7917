"""The scheduler: one leader that moves every build on, plans, assigns and sweeps.

It makes no decision itself: the pipeline says what a build needs, the planning which builds are
ready, the sharing which worker gets a task. A tick is safe to repeat; the next one does what a
crash left undone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol

from buildfarm import log
from buildfarm.domain.core.build import JUDGED, Build, BuildState
from buildfarm.domain.core.pipeline import advance
from buildfarm.domain.core.task import ACTIVE, Task, TaskKind, TaskState
from buildfarm.domain.publish.repository import Artifact
from buildfarm.domain.target.target import Target
from buildfarm.errors import BuildFarmError, InfraError
from buildfarm.ports.store import Among, Transaction
from buildfarm.services.build import building, waivers  # fmt: skip
from buildfarm.services.core import builds, leader, pruning, tasks  # fmt: skip
from buildfarm.services.core.hub import Hub
from buildfarm.services.publish import collecting, composing, publishing  # fmt: skip
from buildfarm.services.schedule import task_handlers  # fmt: skip

_MOVING = (
    BuildState.INGESTED, BuildState.DEBRANDED, BuildState.QUEUED, BuildState.BUILT,
    BuildState.COMPARING,
)  # fmt: skip
_MADE_RPMS = (BuildState.BUILT, BuildState.COMPARING, *JUDGED)
_PAUSE_AFTER_FAILURE = timedelta(seconds=60)
"""Pause before a publish that failed for good is tried again, so that a full disk is not written
to in every tick.
"""
_BETWEEN_PRUNINGS = 3600.0

ActiveTasks = set[tuple[str, str, str]]


class Planner(Protocol):
    """Moves waiting builds of a target to ``queued`` or records why they wait."""

    def plan(self, target: Target) -> dict[str, object]:
        """Return what builder tasks of the target are pinned to (``generation``,
        ``buildroot_key``); empty if nothing can be built.
        """

    @property
    def remaining_paths(self) -> Mapping[str, float]:
        """Seconds of work behind each build, by its id."""


class Scheduler:
    """The scheduler's loop. ``owner`` names this process among those that may stand by."""

    def __init__(self, hub: Hub, planner: Planner, *, owner: str) -> None:
        self._hub = hub
        self._planner = planner
        self._owner = owner
        self._timing = hub.config.farm.timing
        self._next_sweep = 0.0
        self._next_pruning = 0.0

    def run(self, stopped: Callable[[], bool]) -> None:
        """Lead until ``stopped``, unless another scheduler does; a broken tick is logged and the
        next one tries again.
        """
        while not stopped():
            try:
                if self.lead():
                    self.tick()
                pause = min(self._timing.sweep, self._timing.leader_lease / 3)
                self._hub.wakeup.wait(pause)
            except InfraError as error:
                log.get().warning("scheduler.hindered", reason=str(error))
                time.sleep(1.0)
            except Exception:  # noqa: BLE001  # the farm goes on; the reason is in the log with its traceback
                log.get().exception("scheduler.broke")
                time.sleep(1.0)

    def lead(self) -> bool:
        """Take or renew the leader's lease; False while another scheduler holds it."""
        return leader.lead(
            self._hub.store, "scheduler", owner=self._owner, seconds=self._timing.leader_lease
        )

    def tick(self) -> None:
        """Run one round: sweep if it is time, move builds on, plan, publish, assign, send."""
        if time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + self._timing.sweep
            self.sweep()
        self._advance()
        pinned: dict[str, dict[str, object]] = {}
        for target in self._hub.config.targets.values():
            if self._has_builder_work(target):
                pinned[target.name] = self._planner.plan(target)
        self._advance()
        with self._hub.store.begin() as tx:
            for target in self._hub.config.targets.values():
                self._publish(tx, target)
            assigned = tasks.assign_free(
                tx,
                pinned=pinned,
                remaining_paths=self._planner.remaining_paths,
                sigs=self._hub.config.sigs,
                sharing=self._hub.config.farm.sharing,
            )
        tasks.send(self._hub.messages, assigned)

    def sweep(self) -> None:
        """Find lost messages and dead workers, repair the repositories' links, end expired waivers,
        and delete what is no longer needed.
        """
        with self._hub.store.begin() as tx:
            swept = tasks.sweep(tx, self._timing)
        for task in swept.gave_up:
            if task.kind.handler == "builder":
                building.gave_up(self._hub, task)
            else:
                task_handlers.broke_for_good(self._hub, task)
        tasks.send(self._hub.messages, swept.resend)
        publishing.repair_current_links(self._hub)
        composing.repair_released_links(self._hub)
        collecting.collect(self._hub)
        waivers.expire(self._hub)
        waivers.warn(self._hub)
        if time.monotonic() >= self._next_pruning:
            self._next_pruning = time.monotonic() + _BETWEEN_PRUNINGS
            pruning.prune(self._hub.store, self._hub.blobs)

    def _advance(self) -> None:
        """Give every build that moves by itself its next tasks or state."""
        with self._hub.store.read() as tx:
            moving = [
                key
                for (key,) in tx.select_fields(Build, ("id",), state=_MOVING, order_by="created")
            ]
            unsigned = Among(
                Artifact, "build", {"signed": ""}
            )  # all that a compared build can still need
            moving += [
                key
                for (key,) in tx.select_fields(
                    Build, ("id",), state=JUDGED, id=unsigned, order_by="created"
                )
            ]
        if not moving:
            return
        with self._hub.store.begin() as tx:
            active = {(t.kind.value, t.subject, t.arch) for t in tx.find(Task, state=ACTIVE)}
            for identity in moving:
                build = tx.get(Build, identity)
                try:
                    self._advance_one(tx, build, active)
                except BuildFarmError as error:
                    log.get().error("build.stuck", build=build.id, nvr=build.nvr, reason=str(error))

    def _advance_one(self, tx: Transaction, build: Build, active: ActiveTasks) -> None:
        if build.target not in self._hub.config.targets:
            return  # its target was taken out of the configuration; the page says so
        artifacts = tx.find(Artifact, build=build.id) if build.state in _MADE_RPMS else []
        following = advance(build, signed=bool(artifacts) and all(a.signed for a in artifacts))
        if following.state is BuildState.WAITING:
            builds.move(
                tx,
                build,
                following.state,
                actor="scheduler",
                why="to be planned",
                wait_kind="planning",
            )
        for kind in following.tasks:
            self._ensure(tx, build, kind, active)

    def _ensure(self, tx: Transaction, build: Build, kind: TaskKind, active: ActiveTasks) -> None:
        target = self._hub.target(build.target)
        handler = kind.handler
        arches: tuple[str, ...] = ("",)
        if handler == "builder":
            arches = build.arches if kind is TaskKind.BUILD else build.arches[:1]
        for arch in arches:
            if (kind.value, build.id, arch) not in active and not self._done(tx, build, kind, arch):
                queue = target.queue(arch, build.source) if handler == "builder" else handler
                requirements = (
                    target.machine_requirements_of(build.source) if kind is TaskKind.BUILD else None
                )
                tasks.ensure(
                    tx, kind, build.id, target=build.target, arch=arch, queue=queue,
                    priority=build.priority, owner=build.owner, requirements=requirements,
                )  # fmt: skip

    def _done(self, tx: Transaction, build: Build, kind: TaskKind, arch: str) -> bool:
        """Return whether this arch is finished; another arch of the build may still be building."""
        if kind is not TaskKind.BUILD:
            return False
        last = tx.first(
            Task,
            kind=kind,
            subject=build.id,
            arch=arch,
            state=TaskState.CLOSED,
            order_by="created",
            descending=True,
        )
        return last is not None and last.created >= build.state_since

    def _publish(self, tx: Transaction, target: Target) -> None:
        if not publishing.needs_publishing(
            tx, target, publishing.extra_metadata_now(self._hub, target)
        ):
            return
        for kind in (TaskKind.PUBLISH, TaskKind.SEAL):
            if tx.count(Task, kind=kind, target=target.name, state=ACTIVE):
                return
            failed = tx.first(
                Task,
                kind=kind,
                target=target.name,
                state=TaskState.FAILED,
                order_by="created",
                descending=True,
            )
            if (
                failed is not None
                and failed.finished
                and failed.finished + _PAUSE_AFTER_FAILURE > tx.now
            ):
                return
        tasks.ensure(
            tx, TaskKind.PUBLISH, target.name, target=target.name, queue="services", priority=10
        )

    def _has_builder_work(self, target: Target) -> bool:
        with self._hub.store.read() as tx:
            if tx.count(Build, target=target.name, state=BuildState.WAITING):
                return True
            return bool(
                tx.count(
                    Task,
                    target=target.name,
                    kind=(TaskKind.BUILD, TaskKind.SRPM),
                    state=TaskState.FREE,
                )
                or tx.count(
                    Build, target=target.name, state=(BuildState.QUEUED, BuildState.DEBRANDED)
                )
            )
