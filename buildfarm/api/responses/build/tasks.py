"""Tasks: what ran where, for how long, and why it was given out then."""

from __future__ import annotations

from buildfarm.api.responses.core.base import Answer, Json, Moment, Page
from buildfarm.domain.core.task import TaskKind, TaskState


class PassedOver(Answer):
    """A task that had to wait for another one; ``way_s`` are the seconds of work behind it."""

    subject: str
    way_s: float


class Decision(Answer):
    """Why a task was given out when it was, and the first few that it went before."""

    why: str
    passed_over: list[PassedOver]


class Task(Answer):
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
    host: Json
    failures: int
    tried: list[str]
    failure_kind: str
    reason: str
    generation: str
    priority: int
    owner: str
    requirements: Json
    way: float | None
    decision: Decision | None
    lock: str
    log: str
    created: Moment
    started: Moment | None
    finished: Moment | None
    about: str = ""


class TaskList(Page):
    """Tasks, the newest first."""

    tasks: list[Task]
