"""Workers and what they do."""

from __future__ import annotations

from buildfarm.api.responses.build.tasks import Task
from buildfarm.api.responses.core.base import Answer, Json, Moment
from buildfarm.domain.core.worker import WorkerState


class Worker(Answer):
    """One worker with its tasks of this moment; the hub's own handlers have no builder."""

    id: str
    state: WorkerState
    builder: str
    arches: list[str]
    queues: list[str]
    slots: int
    reserved: list[str]
    seen: Moment | None
    features: Json
    host: str
    image: str
    machine: Json
    tasks: list[Task]


class WorkerList(Answer):
    """Every worker in service, and what ran lately (``runs``, by start)."""

    workers: list[Worker]
    runs: list[Task]
    now: Moment


class WorkerReserved(Answer):
    """For whom alone a worker works; nobody in particular: for everybody."""

    id: str
    reserved: list[str]


class WorkerChanged(Answer):
    """A worker after it was drained or taken back."""

    id: str
    state: WorkerState
