"""The farm at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from buildfarm.api.responses.build.builds import BuildList
from buildfarm.api.responses.build.source_status import MapGroup
from buildfarm.api.responses.build.tasks import NamedTask
from buildfarm.api.responses.core.base import ApiResponse, Moment
from buildfarm.api.responses.intake.drops import DropSummary
from buildfarm.api.responses.overview.action_required import ActionRequired
from buildfarm.api.responses.overview.workers import Worker
from buildfarm.api.responses.target.lag import Lag
from buildfarm.api.responses.target.targets import Target
from buildfarm.domain.core.build import BuildState
from buildfarm.domain.core.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFigures(Target):
    """A target with what it has published and how much of it is built on itself."""

    self_hosted_share: float | None
    published: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview(BuildList):
    """The overview of the farm; the list of builds at its end is
    filtered by the query.
    """

    now: Moment
    distribution: str
    workers: list[Worker]
    runs: list[NamedTask]
    targets: list[TargetFigures]
    idle_targets: list[str]
    states: dict[BuildState, int]
    moving: bool
    verdicts: dict[Verdict, int]
    drops: list[DropSummary]
    action_required: ActionRequired
    words: dict[str, int]
    map: list[MapGroup]
    lag: Lag


@dataclass(frozen=True, slots=True, kw_only=True)
class Health(ApiResponse):
    """The store answers, and what waits."""

    status: Literal["ok"]
    now: Moment
    workers: int
    open_tasks: int
