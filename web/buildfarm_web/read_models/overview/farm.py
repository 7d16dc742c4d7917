"""The farm at a glance: the overview page, its workers, its health."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.api.responses.build.builds import BuildList
from buildfarm.api.responses.build.source_status import MapGroup
from buildfarm.api.responses.build.tasks import NamedTask
from buildfarm.api.responses.core.base import fields_of
from buildfarm.api.responses.intake.drops import DropSummary
from buildfarm.api.responses.overview import farm as responses
from buildfarm.api.responses.overview.workers import Worker as WorkerRow
from buildfarm.api.responses.overview.workers import WorkerList
from buildfarm.api.responses.target.targets import Target
from buildfarm.domain.core.build import BuildState
from buildfarm.domain.core.task import Task, TaskState
from buildfarm.domain.core.verdict import Verdict
from buildfarm.domain.core.worker import Worker, WorkerState
from buildfarm.domain.intake.drop import DropState
from buildfarm.domain.selfhosting.seeds import share
from buildfarm.ports.store import Transaction
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.build import builds, tasks
from buildfarm_web.read_models.build.builds import Filters
from buildfarm_web.read_models.build.source_status import SourceStatusIndex, by_word, map_of
from buildfarm_web.read_models.core.convert import parsed
from buildfarm_web.read_models.intake.drops import drop_summary, drops
from buildfarm_web.read_models.overview.action_required import action_required
from buildfarm_web.read_models.target import targets
from buildfarm_web.read_models.target.lag import lag

_DROPS = 8
_RUNS = 160
_BUILDS = 30
_NEEDS = 6
"""Lines of each group of the action required; the rest is one link away."""
_IN_SERVICE = (WorkerState.READY, WorkerState.DRAINED, WorkerState.LOST)
"""A guest whose one task is over is history: its builds name it."""


def workers(tx: Transaction) -> WorkerList:
    """Every worker with what it does now; the hub's own handlers (no builder) too."""
    busy: dict[str, list[NamedTask]] = {}
    open_tasks = tx.find(Task, state=(TaskState.ASSIGNED, TaskState.OPEN), order_by="created")
    listed = tasks.named(tx, [tasks.task_json(task, tx.now) for task in open_tasks])
    for task in parsed(NamedTask, listed):
        busy.setdefault(task.worker, []).append(task)
    return WorkerList(
        workers=[
            WorkerRow(
                id=worker.id,
                state=worker.state,
                builder=worker.builder,
                arches=list(worker.arches),
                queues=list(worker.queues),
                reserved=list(worker.reserved),
                slots=worker.slots,
                seen=worker.seen,
                features=worker.features,
                host=worker.host,
                image=worker.image,
                machine=worker.machine,
                tasks=busy.get(worker.id, []),
            )
            for worker in tx.find(Worker, order_by="id", state=_IN_SERVICE)
        ],
        runs=parsed(NamedTask, tasks.recent_runs(tx, limit=_RUNS)),
        now=tx.now,
    )


def overview(
    hub: Hub, tx: Transaction, source_statuses: SourceStatusIndex, filters: Filters
) -> responses.Overview:
    """Return what a person who comes in the morning wants to know first; ``filters`` choose the
    builds listed at its end.
    """
    shared = source_statuses.kept.now("overview", tx, lambda: _shared(hub, tx))
    sources = source_statuses.of(hub, tx)
    found = BuildList.from_json(builds.find_builds(hub, tx, limit=_BUILDS, **filters))
    return responses.Overview(
        **fields_of(found),
        now=tx.now,
        distribution=hub.config.farm.distribution,
        workers=shared.workers.workers,
        runs=shared.workers.runs,
        targets=shared.targets,
        idle_targets=shared.idle_targets,
        states=shared.states,
        moving=shared.moving,
        verdicts=shared.verdicts,
        drops=shared.drops,
        action_required=action_required(hub, tx, source_statuses.kept, most=_NEEDS),
        words=by_word(sources),
        map=parsed(MapGroup, map_of(sources)),
        lag=lag(hub, tx, source_statuses),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    """Parts of the overview that are kept: they are read anew after each event alone."""

    workers: WorkerList
    targets: list[responses.TargetFigures]
    idle_targets: list[str]
    states: dict[BuildState, int]
    moving: bool
    verdicts: dict[Verdict, int]
    drops: list[DropSummary]


def _shared(hub: Hub, tx: Transaction) -> _Shared:
    listed = drops(tx, limit=_DROPS).drops
    shown = [drop for drop in listed if drop.moving or drop.state is DropState.ON_HOLD] or listed[
        :1
    ]
    census, heads = builds.Census(tx), targets.heads_of(tx)
    known = targets.targets(hub, tx, census, heads)
    active = [target for target in known if target.states or target.heads]
    return _Shared(
        workers=workers(tx),
        targets=[_figures(heads, target) for target in active],
        idle_targets=[target.name for target in known if target not in active],
        states=census.states(),
        moving=census.is_moving or any(drop.moving for drop in listed),
        verdicts=census.verdicts(),
        drops=[drop_summary(hub, tx, drop.id) for drop in shown[:3]],
    )


def _figures(heads: targets.Heads, target: Target) -> responses.TargetFigures:
    head = heads.get(target.tags.build)
    return responses.TargetFigures(
        **fields_of(target),
        self_hosted_share=share(head.lock_ours, head.lock_rpms) if head else None,
        published=target.states.get(BuildState.PUBLISHED, 0),
    )


def health(tx: Transaction) -> responses.Health:
    """Return whether the store answers, and what waits."""
    return responses.Health(
        status="ok",
        now=tx.now,
        workers=tx.count(Worker, state="ready"),
        open_tasks=tx.count(Task, state=(TaskState.ASSIGNED, TaskState.OPEN)),
    )
