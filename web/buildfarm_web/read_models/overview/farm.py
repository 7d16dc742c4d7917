"""The farm at a glance: the overview page, its workers, its health."""

from __future__ import annotations

from buildfarm.domain.core.build import BuildState
from buildfarm.domain.core.task import Task, TaskState
from buildfarm.domain.core.worker import Worker, WorkerState
from buildfarm.domain.intake.drop import DropState
from buildfarm.domain.selfhosting.seeds import share
from buildfarm.ports.store import Transaction
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.build import builds, tasks
from buildfarm_web.read_models.build.builds import Filters
from buildfarm_web.read_models.core.cache import Cache
from buildfarm_web.read_models.core.convert import Json, stamp
from buildfarm_web.read_models.intake.drops import drop_summary, drops
from buildfarm_web.read_models.target import targets

_DROPS = 8
_RUNS = 160
_BUILDS = 30
_IN_SERVICE = (WorkerState.READY, WorkerState.DRAINED, WorkerState.LOST)
"""A guest whose one task is over is history: its builds name it."""


def workers(tx: Transaction) -> Json:
    """Every worker with what it does now; the hub's own handlers (no builder) too."""
    busy: dict[str, list[Json]] = {}
    open_tasks = tx.find(Task, state=(TaskState.ASSIGNED, TaskState.OPEN), order_by="created")
    for task in tasks.named(tx, [tasks.task_json(task, tx.now) for task in open_tasks]):
        busy.setdefault(task["worker"], []).append(task)
    return {
        "workers": [
            {
                "id": worker.id,
                "state": worker.state.value,
                "builder": worker.builder,
                "arches": list(worker.arches),
                "queues": list(worker.queues),
                "reserved": list(worker.reserved),
                "slots": worker.slots,
                "seen": stamp(worker.seen),
                "features": worker.features,
                "host": worker.host,
                "image": worker.image,
                "machine": worker.machine,
                "tasks": busy.get(worker.id, []),
            }
            for worker in tx.find(Worker, order_by="id", state=_IN_SERVICE)
        ],
        "runs": tasks.recent_runs(tx, limit=_RUNS),
        "now": stamp(tx.now),
    }


def overview(hub: Hub, tx: Transaction, kept: Cache, filters: Filters) -> Json:
    """Return what a person who comes in the morning wants to know first; ``filters`` choose the
    builds listed at its end.
    """
    return {
        **kept.now("overview", tx, lambda: _overview(hub, tx)),
        "now": stamp(tx.now),
        **builds.find_builds(hub, tx, limit=_BUILDS, **filters),
    }


def _overview(hub: Hub, tx: Transaction) -> Json:
    listed = drops(tx, limit=_DROPS)["drops"]
    shown = [
        drop for drop in listed if drop["moving"] or drop["state"] == DropState.ON_HOLD
    ] or listed[:1]
    census, heads = builds.Census(tx), targets.heads_of(tx)
    known = targets.targets(hub, tx, census, heads)
    active = [target for target in known if target["states"] or target["heads"]]
    return {
        "distribution": hub.config.farm.distribution,
        "targets": [{**target, **_figures(hub, heads, target)} for target in active],
        "idle_targets": [target["name"] for target in known if target not in active],
        "states": census.states(),
        "moving": census.is_moving or any(drop["moving"] for drop in listed),
        "verdicts": census.verdicts(),
        "drops": [drop_summary(hub, tx, drop["id"]) for drop in shown[:3]],
        **workers(tx),
    }


def _figures(hub: Hub, heads: targets.Heads, target: Json) -> Json:
    head = heads.get(hub.target(target["name"]).tags.build)
    known = share(head.lock_ours, head.lock_rpms) if head else None
    return {"self_hosted_share": known, "published": target["states"].get(BuildState.PUBLISHED, 0)}


def health(tx: Transaction) -> Json:
    """Return whether the store answers, and what waits."""
    return {
        "status": "ok",
        "now": stamp(tx.now),
        "workers": tx.count(Worker, state="ready"),
        "open_tasks": tx.count(Task, state=(TaskState.ASSIGNED, TaskState.OPEN)),
    }
