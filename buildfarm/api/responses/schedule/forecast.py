"""Forecasts of targets and drops, and of one build why it waits and when it should
start.
"""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.api.responses.build.tasks import Decision
from buildfarm.api.responses.core.base import ApiResponse, Moment, NamedBuild
from buildfarm.domain.core.build import BuildState
from buildfarm.domain.core.task import TaskKind, TaskState
from buildfarm.domain.intake.drop import Approval


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(ApiResponse):
    """One build to come: seconds from the forecast's time until it starts and ends; ``critical``
    lies on the critical path.
    """

    build: str
    name: str
    wave: int
    cost: float
    remaining_path: float
    start: float
    end: float
    needs: list[str]
    critical: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast(ApiResponse):
    """A plan played through on so many builders.

    ``bound`` are the seconds no order beats; it promises nothing.
    """

    steps: list[Step]
    workers: int
    makespan: float
    bound: float
    critical_path: float
    unscheduled_cycles: list[list[str]]
    waves: list[list[str]]
    critical: list[str]
    target: str
    paused: str
    created: Moment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(NamedBuild):
    """A build that waits, and for what."""

    kind: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(NamedBuild):
    """A build that will not go on by itself, and why."""

    state: BuildState
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOutlook(Forecast):
    """Forecast of a target, with what waits and what is stuck."""

    waiting: list[Waiting]
    stuck: list[Stopped]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle(ApiResponse):
    """Sources that need each other; ``closing`` are the needs that close the cycle, ``conditions``
    what would open it.
    """

    members: list[str]
    closing: list[tuple[str, str]]
    conditions: list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanProblem(ApiResponse):
    """A build that the plan cannot place, and why."""

    nvr: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Branded(NamedBuild):
    """A source with brand words and no rule."""

    hits: int
    first: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread(NamedBuild):
    """A source that could not be read for brand words."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed(ApiResponse):
    """Count of SRPMs read for brand words, of all."""

    read: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DropPlan(Forecast):
    """The plan of a drop as it was made (while it awaits approval: as it is)."""

    drop: str
    approval: Approval
    reason: str
    problems: list[PlanProblem]
    cycles: list[Cycle]
    left_out: list[Stopped]
    branded: list[Branded]
    unread: list[Unread]
    surveyed: Surveyed


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank(ApiResponse):
    """The position of a free task in its queue."""

    position: int
    of: int
    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskNow(ApiResponse):
    """The newest task of a build."""

    kind: TaskKind
    state: TaskState
    reason: str
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Why(ApiResponse):
    """Reason of a build's state, what it waits for, its rank and its estimated start."""

    id: str
    nvr: str
    state: BuildState
    since: Moment
    wait_kind: str
    paused: str
    reason: str
    next: str
    task: TaskNow | None
    decision: Decision | None
    rank: Rank | None
    waits_for: list[str]
    wave: int | None
    critical: bool
    seconds_behind_it: float | None
    estimated_start: Moment | None
    estimated_end: Moment | None
