"""Workers, and the machines that run guests."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime


class WorkerState(enum.StrEnum):
    """``drained`` takes no new task and finishes what it has; ``lost`` has sent no sign of life.

    ``retired`` was a guest: its one task is over or its machine is gone, and its reports are
    refused.
    """

    READY = "ready"
    DRAINED = "drained"
    LOST = "lost"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One worker process. ``token_hash`` is the SHA-256 of its token; ``queues`` are what it
    consumes.

    The worker of a guest names the KVM host that made it, the digest of the image it boots from,
    and what the host says of the machine (``accelerator``, ``hypervisor``, …); it takes one task.
    ``reserved`` names for whom it works, all others are turned away: ``sig:NAME``, ``target:NAME``,
    ``source:NAME``; empty for everybody.
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
    reserved: tuple[str, ...] = ()

    @property
    def is_guest(self) -> bool:
        """Return whether a KVM host made it for one task."""
        return bool(self.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine that runs guests (``buildfarm guests run``): what its guests may build, and when it
    was heard of.
    """

    id: str
    token_hash: str
    arches: tuple[str, ...]
    queues: tuple[str, ...]
    seen: datetime | None = None
