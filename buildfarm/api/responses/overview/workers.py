"""Workers and what they do."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.api.responses.build.tasks import NamedTask
from buildfarm.api.responses.core.base import ApiResponse, JsonObject, Moment
from buildfarm.domain.core.worker import WorkerState


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker(ApiResponse):
    """One worker with its tasks of this moment; the hub's own handlers have no builder."""

    id: str
    state: WorkerState
    builder: str
    arches: list[str]
    queues: list[str]
    slots: int
    reserved: list[str]
    seen: Moment | None
    features: JsonObject
    host: str
    image: str
    machine: JsonObject
    tasks: list[NamedTask]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerList(ApiResponse):
    """Every worker in service, and what ran lately (``runs``, by start)."""

    workers: list[Worker]
    runs: list[NamedTask]
    now: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReserved(ApiResponse):
    """For whom alone a worker works; nobody in particular: for everybody."""

    id: str
    reserved: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerChanged(ApiResponse):
    """A worker after it was drained or taken back."""

    id: str
    state: WorkerState
