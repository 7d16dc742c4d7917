"""KVM hosts, guests and images."""

from __future__ import annotations

from buildfarm.api.responses.build.tasks import Task
from buildfarm.api.responses.core.base import Answer, Json, Moment
from buildfarm.domain.core.worker import WorkerState


class KvmHost(Answer):
    """A host and how many guests run on it now."""

    id: str
    arches: list[str]
    queues: list[str]
    seen: Moment | None
    guests: int
    accelerators: list[str]


class Guest(Answer):
    """A guest that runs, with its task; ``console`` is the command that shows its console."""

    id: str
    state: WorkerState
    host: str
    image: str
    machine: Json
    seen: Moment | None
    task: Task | None
    console: str


class GuestImage(Answer):
    """An image by its digest: guests that run it now, and the newest builds that ran in it."""

    digest: str
    guests: int
    builds: int


class GuestRun(Task):
    """A build that ran in a guest, and which that was."""

    guest: str
    kvm_host: str
    image: str
    accelerator: str


class Machines(Answer):
    """The machines; ``last`` are the newest builds that ran in a guest."""

    now: Moment
    hosts: list[KvmHost]
    guests: list[Guest]
    images: list[GuestImage]
    last: list[GuestRun]
