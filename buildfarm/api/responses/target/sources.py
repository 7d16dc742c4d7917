"""The sources of the distribution, and one with its builds."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.api.responses.build.builds import Build
from buildfarm.api.responses.build.overrides import SourceOverride
from buildfarm.api.responses.build.source_status import MapGroup, SourceStatus
from buildfarm.api.responses.build.waivers import Waiver
from buildfarm.api.responses.core.base import ApiResponse, ListPage, Moment
from buildfarm.domain.core.lag import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceList(ListPage):
    """Sources, the most pressing first, and the map of all that fit; ``before`` is the cursor of
    the page before this one.
    """

    now: Moment
    words: dict[str, int]
    map: list[MapGroup]
    sigs: list[str]
    sources: list[SourceStatus]
    total: int
    offset: int
    before: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestBuild(Build):
    """The newest build of a source; ``lag`` and ``stages`` are seconds."""

    act: str
    lag: float | None
    stages: dict[Stage, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedBuild(Build):
    """A build with what its time went into, and when the vendor shipped it."""

    stages: dict[Stage, float]
    lag: float | None
    shipped: Moment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedRule(ApiResponse):
    """The debrand rule that the newest build was made with."""

    digest: str
    date: str
    audit: str
    build: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePage(ApiResponse):
    """One source of a target: who answers, its builds, what holds for it."""

    now: Moment
    target: str
    source: str
    sig: str
    contact: str
    newest: NewestBuild
    rule: AppliedRule | None
    builds: list[TimedBuild]
    total: int
    override: SourceOverride | None
    overrides: list[SourceOverride]
    waivers: list[Waiver]
