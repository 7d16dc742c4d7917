"""Tasks: what ran where, for how long, and why it was given out then."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.api.responses.core.base import ApiResponse, JsonObject, ListPage, Moment
from buildfarm.domain.core.task import TaskKind, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver(ApiResponse):
    """A task that had to wait for another one; ``remaining_path_s`` are the seconds of work behind it."""

    subject: str
    remaining_path_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(ApiResponse):
    """Reason why a task was assigned, and the first few tasks that it went before."""

    why: str
    passed_over: list[PassedOver]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(ApiResponse):
    """One task. ``seconds`` counts on while it runs; ``steps`` are the seconds of its parts;
    ``about`` names its build.
    """

    id: str
    kind: TaskKind
    subject: str
    target: str
    arch: str
    state: TaskState
    worker: str
    stage: str
    seconds: float | None
    steps: dict[str, float]
    builder: str
    host: JsonObject
    failures: int
    tried: list[str]
    failure_kind: str
    reason: str
    generation: str
    priority: int
    owner: str
    requirements: JsonObject
    remaining_path: float | None
    decision: Decision | None
    lock: str
    log: str
    created: Moment
    started: Moment | None
    finished: Moment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTask(Task):
    """A task with the name-version-release of the build it is ``about``, if it is about one."""

    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskList(ListPage):
    """Tasks, the newest first."""

    tasks: list[NamedTask]
