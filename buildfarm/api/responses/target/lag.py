"""How far behind the vendor: seconds by stage."""

from __future__ import annotations

from buildfarm.api.responses.build.source_status import SourceStatus
from buildfarm.api.responses.core.base import Answer, Moment
from buildfarm.domain.core.lag import Stage


class Figures(Answer):
    """Of so many builds the median, and what nine in ten stay below, in seconds."""

    count: int
    median: float | None
    nine_in_ten: float | None


class SigLag(Figures):
    """The lag of one SIG's sources; ``stages`` are means."""

    sig: str
    sources: int
    stages: dict[Stage, float]


class LagPoint(Figures):
    """What was published between two moments."""

    at: Moment
    until: Moment
    stages: dict[Stage, float]


class SlowSource(SourceStatus):
    """A source that is under way, with what its time went into."""

    stages: dict[Stage, float]


class LagSummary(Answer):
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


class Lag(LagSummary):
    """The same, with how it was over time."""

    now: Moment
    over_time: list[LagPoint]
