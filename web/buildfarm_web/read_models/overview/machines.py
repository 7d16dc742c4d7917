"""The machines: KVM hosts, the guests that run now, the images they boot, and the guests that were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from buildfarm.domain.core.task import Task, TaskKind, TaskState
from buildfarm.domain.core.worker import Host, Worker, WorkerState
from buildfarm.ports.store import Transaction
from buildfarm_web.read_models.build.tasks import named, task_json
from buildfarm_web.read_models.core.convert import Json, Row, by_name, stamp

_LAST = 100
_WORKER = ("id", "state", "seen", "host", "image", "machine", "builder")


def machines(tx: Transaction) -> Json:
    """``{hosts, guests, images, last}``; ``last`` are the newest builds that ran in a guest, with
    what it was.
    """
    running = tx.select_fields(
        Worker,
        _WORKER,
        state=(WorkerState.READY, WorkerState.DRAINED, WorkerState.LOST),
        order_by="id",
    )
    guests = [guest for guest in by_name(_WORKER, running) if guest["host"]]
    busy = _busy(tx, guests)
    last = _last(tx)
    images = Counter(str(guest["image"]) for guest in guests)
    return {
        "now": stamp(tx.now),
        "hosts": [
            {
                "id": host.id, "arches": list(host.arches), "queues": list(host.queues), "seen": stamp(host.seen),
                "guests": sum(guest["host"] == host.id for guest in guests),
                "accelerators": _accelerators(guest for guest in guests if guest["host"] == host.id),
            }
            for host in tx.find(Host, order_by="id")
        ],
        "guests": [_guest(guest, busy) for guest in guests],
        "images": [
            {"digest": digest, "guests": images[digest], "builds": sum(one["image"] == digest for one in last)}
            for digest in sorted({*images, *(str(one["image"]) for one in last)} - {""})
        ],
        "last": last,
    }  # fmt: skip


def _accelerators(guests: Iterable[Row]) -> list[str]:
    return sorted({str(guest["machine"].get("accelerator", "")) for guest in guests} - {""})


def _guest(guest: Row, busy: Mapping[str, Json]) -> Json:
    return {
        "id": guest["id"], "state": guest["state"], "host": guest["host"], "image": guest["image"], "machine": guest["machine"],
        "seen": stamp(guest["seen"]), "task": busy.get(guest["id"]), "console": f"buildfarm guests console {guest['id']}",
    }  # fmt: skip


def _busy(tx: Transaction, guests: list[Row]) -> dict[str, Json]:
    names = tuple(guest["id"] for guest in guests)
    found = tx.find(Task, state=(TaskState.ASSIGNED, TaskState.OPEN), worker=names) if names else []
    return {task["worker"]: task for task in named(tx, [task_json(task, tx.now) for task in found])}


def _last(tx: Transaction) -> list[Json]:
    """The newest ended builds that say which guest they ran in."""
    ended: list[Task] = []
    for state in (TaskState.CLOSED, TaskState.FAILED):  # each walks along its index and stops
        ended += tx.find(
            Task,
            kind=TaskKind.BUILD,
            state=state,
            order_by="finished",
            descending=True,
            limit=_LAST,
        )
    ended.sort(key=lambda task: (task.finished or task.created, task.id), reverse=True)
    in_guests = [
        (task, host)
        for task in ended[:_LAST]
        if isinstance(host := task.result.get("host"), dict) and host.get("guest")
    ]
    return named(tx, [
        task_json(task, tx.now) | {"guest": host["guest"], "kvm_host": host.get("kvm_host", ""), "image": host.get("image", ""),
                                   "accelerator": host.get("accelerator", "")}
        for task, host in in_guests
    ])  # fmt: skip
