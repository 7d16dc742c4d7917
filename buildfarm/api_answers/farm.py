"""The farm at a glance."""

from __future__ import annotations

from typing import Literal

from buildfarm.api_answers.base import Answer, Moment
from buildfarm.api_answers.builds import BuildList
from buildfarm.api_answers.drops import DropSummary
from buildfarm.api_answers.lag import Lag
from buildfarm.api_answers.needs import Needs
from buildfarm.api_answers.standings import MapGroup
from buildfarm.api_answers.targets import Target
from buildfarm.api_answers.workers import WorkerList
from buildfarm.domain.build import BuildState
from buildfarm.domain.verdict import Verdict


class TargetFigures(Target):
    """A target with what it has published and how much of it is built on itself."""

    self_hosted_share: float | None
    published: int


class Overview(WorkerList, BuildList):
    """What a person who comes in the morning wants to know first; the list of builds at its end is filtered by the query."""

    distribution: str
    targets: list[TargetFigures]
    idle_targets: list[str]
    states: dict[BuildState, int]
    moving: bool
    verdicts: dict[Verdict, int]
    drops: list[DropSummary]
    needs: Needs
    words: dict[str, int]
    map: list[MapGroup]
    lag: Lag


class Health(Answer):
    """The store answers, and what waits."""

    status: Literal["ok"]
    now: Moment
    workers: int
    open_tasks: int
