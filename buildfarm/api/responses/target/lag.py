"""Lag behind the vendor: seconds by stage."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.api.responses.build.source_status import SourceStatus
from buildfarm.api.responses.core.base import ApiResponse, Moment
from buildfarm.domain.core.lag import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures(ApiResponse):
    """Of so many builds the median, and what nine in ten stay below, in seconds."""

    count: int
    median: float | None
    nine_in_ten: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SigLag(Figures):
    """The lag of one SIG's sources; ``stages`` are means."""

    sig: str
    sources: int
    stages: dict[Stage, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LagPoint(Figures):
    """Mean lag of the builds published between two moments."""

    at: Moment
    until: Moment
    stages: dict[Stage, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowSource(SourceStatus):
    """A source that is under way, with what its time went into."""

    stages: dict[Stage, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LagSummary(ApiResponse):
    """Lag of published and other sources; of ``unknown`` ones nobody knows when the vendor shipped
    them.

    ``published_here`` leaves out what passed before the SRPM came here.
    """

    unknown: int
    published: Figures
    published_here: Figures
    under_way: Figures
    stages: dict[Stage, float]
    sigs: list[SigLag]
    slowest: list[SlowSource]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag(LagSummary):
    """The same, with how it was over time."""

    now: Moment
    over_time: list[LagPoint]
