"""The farm at a glance."""

from __future__ import annotations

from typing import Literal

from buildfarm.api.responses.build.builds import BuildList
from buildfarm.api.responses.build.source_status import MapGroup
from buildfarm.api.responses.core.base import Answer, Moment
from buildfarm.api.responses.intake.drops import DropSummary
from buildfarm.api.responses.overview.action_required import ActionRequired
from buildfarm.api.responses.overview.workers import WorkerList
from buildfarm.api.responses.target.lag import Lag
from buildfarm.api.responses.target.targets import Target
from buildfarm.domain.core.build import BuildState
from buildfarm.domain.core.verdict import Verdict


class TargetFigures(Target):
    """A target with what it has published and how much of it is built on itself."""

    self_hosted_share: float | None
    published: int


class Overview(WorkerList, BuildList):
    """What a person who comes in the morning wants to know first; the list of builds at its end is
    filtered by the query.
    """

    distribution: str
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


class Health(Answer):
    """The store answers, and what waits."""

    status: Literal["ok"]
    now: Moment
    workers: int
    open_tasks: int
