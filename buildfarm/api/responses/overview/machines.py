"""KVM hosts, guests and images."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.api.responses.build.tasks import NamedTask
from buildfarm.api.responses.core.base import ApiResponse, JsonObject, Moment
from buildfarm.domain.core.worker import WorkerState


@dataclass(frozen=True, slots=True, kw_only=True)
class KvmHost(ApiResponse):
    """A host and how many guests run on it now."""

    id: str
    arches: list[str]
    queues: list[str]
    seen: Moment | None
    guests: int
    accelerators: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest(ApiResponse):
    """A guest that runs, with its task; ``console`` is the command that shows its console."""

    id: str
    state: WorkerState
    host: str
    image: str
    machine: JsonObject
    seen: Moment | None
    task: NamedTask | None
    console: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestImage(ApiResponse):
    """An image by its digest: guests that run it now, and the newest builds that ran in it."""

    digest: str
    guests: int
    builds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestRun(NamedTask):
    """A build that ran in a guest, and which that was."""

    guest: str
    kvm_host: str
    image: str
    accelerator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines(ApiResponse):
    """The machines; ``last`` are the newest builds that ran in a guest."""

    now: Moment
    hosts: list[KvmHost]
    guests: list[Guest]
    images: list[GuestImage]
    last: list[GuestRun]
