"""Tasks: units of work with a lease, as in Koji.

A build on one arch and every other long step of the pipeline (making a debranded SRPM, comparing,
signing, publishing) is a task, so that claiming, heart-beats, retries and reasons exist once. The
states are Koji's.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from buildfarm.errors import IllegalTransition


class TaskState(enum.StrEnum):
    """Koji's task states."""

    FREE = "FREE"
    ASSIGNED = "ASSIGNED"
    OPEN = "OPEN"
    CLOSED = "CLOSED"
    CANCELED = "CANCELED"
    FAILED = "FAILED"


ACTIVE = (TaskState.FREE, TaskState.ASSIGNED, TaskState.OPEN)
"""States of a task that still has something to do."""


class TaskKind(enum.StrEnum):
    """Kinds of work; the subject is a drop, a build or a target."""

    INGEST = "ingest"
    SURVEY = "survey"  # read the SRPMs of a drop as text, for the plan
    DEBRAND = "debrand"
    SRPM = "srpm"
    BUILD = "build"
    COMPARE = "compare"
    SIGN = "sign"
    PUBLISH = "publish"
    RESTORE = "restore"  # write the files of a collected generation again
    COMPOSE = "compose"  # write the folder of a compose: metadata, and links to its generation
    SEAL = "seal"  # sign a staged generation's repomd.xml files and switch to it

    @property
    def handler(self) -> str:
        """Return who does it: ``builder`` (an untrusted worker), ``signer`` (holds the key) or
        ``services``.
        """
        if self in (TaskKind.BUILD, TaskKind.SRPM):
            return "builder"
        return "signer" if self in (TaskKind.SIGN, TaskKind.SEAL) else "services"

    @property
    def about(self) -> str:
        """Return what its subject is: a ``drop``, a ``target``, a ``generation``, a ``compose``,
        else a ``build``.
        """
        return _ABOUT.get(self, "build")


_ABOUT = {
    TaskKind.INGEST: "drop", TaskKind.PUBLISH: "target", TaskKind.RESTORE: "generation",
    TaskKind.SEAL: "generation", TaskKind.COMPOSE: "compose",
}  # fmt: skip

MAX_INFRASTRUCTURE_FAILURES = 3
"""Copr retries infrastructure faults on up to three hosts; so do we."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task. ``subject`` is the id of the drop, build, target or generation it is about.

    A lease is ``(worker, lease_token, lease_until)``; only its holder may report. ``failures``
    counts infrastructure failures, ``tried`` names the workers they happened on. ``owner`` is who
    pays for its slot, ``requirements`` what it needs of a worker
    (:class:`buildfarm.domain.target.target.MachineRequirements`).
    """

    id: str
    kind: TaskKind
    subject: str
    target: str
    arch: str
    queue: str
    state: TaskState
    priority: int = 0
    owner: str = ""
    requirements: dict[str, object] = field(default_factory=dict)
    worker: str = ""
    lease_token: str = ""
    lease_until: datetime | None = None
    sent: datetime | None = None
    stage: str = ""
    failures: int = 0
    tried: tuple[str, ...] = ()
    failure_kind: str = ""
    reason: str = ""
    generation: str = ""
    lock: str = ""
    log: str = ""
    order: dict[str, object] = field(default_factory=dict)
    result: dict[str, object] = field(default_factory=dict)
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None

    @property
    def seconds(self) -> float | None:
        """Return how long it ran, once it is over."""
        if self.started is None or self.finished is None:
            return None
        return (self.finished - self.started).total_seconds()


class AfterInfraFailure(enum.Enum):
    """The fate of a task after an infrastructure failure."""

    RETRY = "retry"
    GIVE_UP = "give up"


def after_infrastructure_failure(failures: int) -> AfterInfraFailure:
    """Decide whether to retry; ``failures`` includes the present one."""
    return (
        AfterInfraFailure.RETRY
        if failures < MAX_INFRASTRUCTURE_FAILURES
        else AfterInfraFailure.GIVE_UP
    )


def lease_is_over(task: Task, now: datetime) -> bool:
    """An OPEN task whose worker has not been heard of in time."""
    return task.state is TaskState.OPEN and task.lease_until is not None and task.lease_until <= now


def message_is_overdue(task: Task, now: datetime, patience: timedelta) -> bool:
    """Return whether an ASSIGNED task was sent and not claimed in time: its message may be lost."""
    return task.state is TaskState.ASSIGNED and (task.sent is None or task.sent + patience <= now)


def check_holder(task: Task, lease_token: str) -> None:
    """Check that a caller holds the lease of a task.

    :raises IllegalTransition: the task is not OPEN, or someone else holds it.
    """
    if task.state is not TaskState.OPEN or not lease_token or task.lease_token != lease_token:
        raise IllegalTransition(
            f"task {task.id} is {task.state}, its lease is not yours",
            hint="drop the work; the hub gave it on",
        )
