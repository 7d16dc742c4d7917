"""Workers and which of them gets the next task."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from buildfarm.domain.task import Task


class WorkerState(enum.StrEnum):
    """``drained`` takes no new task and finishes what it has; ``lost`` has not been heard of.

    ``retired`` was a guest: its one task is over or its machine is gone, and nothing of it is believed any more.
    """

    READY = "ready"
    DRAINED = "drained"
    LOST = "lost"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One worker process. ``token_hash`` is the SHA-256 of its token; ``queues`` are what it consumes.

    The worker of a guest names the KVM host that made it, the digest of the image it boots from, and what the host says of the
    machine (``accelerator``, ``hypervisor``, …); it takes one task.
    """

    id: str
    token_hash: str
    arches: tuple[str, ...]
    queues: tuple[str, ...]
    builder: str
    slots: int = 1
    state: WorkerState = WorkerState.READY
    seen: datetime | None = None
    features: dict[str, object] = field(default_factory=dict)
    host: str = ""
    image: str = ""
    machine: dict[str, object] = field(default_factory=dict)

    @property
    def is_guest(self) -> bool:
        """Whether a KVM host made it for one task."""
        return bool(self.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine that runs guests (``buildfarm guests run``): what its guests may build, and when it was heard of."""

    id: str
    token_hash: str
    arches: tuple[str, ...]
    queues: tuple[str, ...]
    seen: datetime | None = None


def assign(
    tasks: Sequence[Task], workers: Sequence[Worker], busy: Mapping[str, int]
) -> tuple[list[tuple[Task, Worker]], dict[str, str]]:
    """Give free slots to tasks, in the order of ``tasks``; the rest get a reason.

    A worker on which the task's surroundings failed before is taken only if no other could do it.

    :return: the assignments, and for each task left over why it waits.
    """
    free = {worker.id: worker.slots - busy.get(worker.id, 0) for worker in workers if worker.state is WorkerState.READY}
    by_id = {worker.id: worker for worker in workers}
    given: list[tuple[Task, Worker]] = []
    left: dict[str, str] = {}
    for task in tasks:
        able = [w for w in workers if task.queue in w.queues and w.state is WorkerState.READY]
        if not able:
            left[task.id] = f"no worker in service takes {task.queue}"
            continue
        fresh = [w for w in able if w.id not in task.tried] or able
        open_ = sorted((w for w in fresh if free[w.id] > 0), key=lambda w: (-free[w.id], w.id))
        if not open_:
            count = sum(w.slots for w in able)
            left[task.id] = f"all {count} slots of {task.queue} are busy"
            continue
        chosen = by_id[open_[0].id]
        free[chosen.id] -= 1
        given.append((task, chosen))
    return given, left
