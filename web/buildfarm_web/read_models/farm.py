"""The farm at a glance: the overview page, its workers, its health."""

from __future__ import annotations

from buildfarm.domain.build import Build, BuildState
from buildfarm.domain.drop import DropState
from buildfarm.domain.task import Task, TaskState
from buildfarm.domain.verdict import Verdict
from buildfarm.domain.worker import Worker, WorkerState
from buildfarm.ports import Transaction
from buildfarm.services import publishing
from buildfarm.services.hub import Hub
from buildfarm_web.read_models import builds, tasks
from buildfarm_web.read_models.builds import Filters
from buildfarm_web.read_models.drops import drop_page, drops
from buildfarm_web.read_models.plain import Json, find_each, stamp
from buildfarm_web.read_models.shares import Shares, share_of_builds
from buildfarm_web.read_models.targets import target_json

_DROPS = 8
_NEEDS = 40
_RUNS = 240
_BUILDS = 30
_IN_SERVICE = (WorkerState.READY, WorkerState.DRAINED, WorkerState.LOST)
"""A guest whose one task is over is history: its builds name it."""


def workers(tx: Transaction) -> Json:
    """Every worker with what it does now; the hub's own stations (no builder) too."""
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


def overview(hub: Hub, tx: Transaction, shares: Shares, filters: Filters) -> Json:
    """What a person who comes in the morning wants to know first; ``filters`` choose the builds listed at its end."""
    listed = drops(tx, limit=_DROPS)["drops"]
    shown = [drop for drop in listed if drop["moving"] or drop["state"] == DropState.ON_HOLD] or listed[:1]
    targets = [target_json(tx, target) for _, target in sorted(hub.config.targets.items())]
    active = [target for target in targets if target["states"] or target["heads"]]
    states = builds.by_state(tx)
    return {
        "distribution": hub.config.farm.distribution,
        "now": stamp(tx.now),
        "targets": [{**target, **_figures(hub, tx, shares, target["name"])} for target in active],
        "idle_targets": [target["name"] for target in targets if target not in active],
        "states": states,
        "moving": builds.is_moving(tx, states) or any(drop["moving"] for drop in listed),
        "verdicts": {v.value: n for v in Verdict if (n := tx.count(Build, verdict=v.value, scratch=False))},
        "needs_person": builds.needs_person(hub, tx, limit=_NEEDS),
        "drops": [drop_page(hub, tx, drop["id"]) for drop in shown[:3]],
        **builds.find_builds(hub, tx, limit=_BUILDS, **filters),
        **workers(tx),
    }


def _figures(hub: Hub, tx: Transaction, shares: Shares, name: str) -> Json:
    target = hub.target(name)
    head = publishing.head(tx, target.tags.build)
    carried = find_each(tx, Build, "id", head.builds) if head else []
    share = share_of_builds(hub, tx, shares, carried)
    return {"self_hosted_share": share["share"], "published": tx.count(Build, target=name, state=BuildState.PUBLISHED)}


def health(tx: Transaction) -> Json:
    """Whether the store answers, and what waits."""
    return {
        "status": "ok",
        "now": stamp(tx.now),
        "workers": tx.count(Worker, state="ready"),
        "open_tasks": tx.count(Task, state=(TaskState.ASSIGNED, TaskState.OPEN)),
    }
