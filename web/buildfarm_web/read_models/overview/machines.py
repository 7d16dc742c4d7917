"""The machines: KVM hosts, the guests that run now, the images they boot, and the guests that were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from buildfarm.api.responses.build.tasks import NamedTask
from buildfarm.api.responses.core.base import fields_of
from buildfarm.api.responses.overview import machines as responses
from buildfarm.domain.core.task import Task, TaskKind, TaskState
from buildfarm.domain.core.worker import Host, Worker, WorkerState
from buildfarm.ports.store import Transaction
from buildfarm_web.read_models.build.tasks import named, task_json
from buildfarm_web.read_models.core.convert import Row, by_name, parsed

_LAST = 100
_WORKER = ("id", "state", "seen", "host", "image", "machine", "builder")


def machines(tx: Transaction) -> responses.Machines:
    """Return the machines, and the newest builds that ran in a guest with what it was."""
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
    return responses.Machines(
        now=tx.now,
        hosts=[
            responses.KvmHost(
                id=host.id,
                arches=list(host.arches),
                queues=list(host.queues),
                seen=host.seen,
                guests=sum(guest["host"] == host.id for guest in guests),
                accelerators=_accelerators(guest for guest in guests if guest["host"] == host.id),
            )
            for host in tx.find(Host, order_by="id")
        ],
        guests=[_guest(guest, busy) for guest in guests],
        images=[
            responses.GuestImage(
                digest=digest,
                guests=images[digest],
                builds=sum(one.image == digest for one in last),
            )
            for digest in sorted({*images, *(one.image for one in last)} - {""})
        ],
        last=last,
    )


def _accelerators(guests: Iterable[Row]) -> list[str]:
    return sorted({str(guest["machine"].get("accelerator", "")) for guest in guests} - {""})


def _guest(guest: Row, busy: Mapping[str, NamedTask]) -> responses.Guest:
    return responses.Guest(
        id=guest["id"],
        state=WorkerState(guest["state"]),
        host=guest["host"],
        image=guest["image"],
        machine=guest["machine"],
        seen=guest["seen"],
        task=busy.get(guest["id"]),
        console=f"buildfarm guests console {guest['id']}",
    )


def _busy(tx: Transaction, guests: list[Row]) -> dict[str, NamedTask]:
    names = tuple(guest["id"] for guest in guests)
    found = tx.find(Task, state=(TaskState.ASSIGNED, TaskState.OPEN), worker=names) if names else []
    listed = parsed(NamedTask, named(tx, [task_json(task, tx.now) for task in found]))
    return {task.worker: task for task in listed}


def _last(tx: Transaction) -> list[responses.GuestRun]:
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
    listed = named(tx, [task_json(task, tx.now) for task, _ in in_guests])
    return [
        responses.GuestRun(
            **fields_of(row),
            guest=host["guest"],
            kvm_host=host.get("kvm_host", ""),
            image=host.get("image", ""),
            accelerator=host.get("accelerator", ""),
        )
        for row, (_, host) in zip(listed, in_guests, strict=True)
    ]
