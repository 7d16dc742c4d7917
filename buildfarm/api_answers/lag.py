"""How far behind the vendor, in seconds: by stage, by SIG, over time."""

from __future__ import annotations

from buildfarm.api_answers.base import Answer, Moment


class Figures(Answer):
    """Seconds of so many sources: the median, and what nine in ten stay below."""

    count: int
    median: float | None
    nine_in_ten: float | None


class SigLag(Figures):
    """What the time of one SIG's sources goes into."""

    sig: str
    sources: int
    stages: dict[str, float]


class LagPoint(Figures):
    """What was published in one span of time."""

    at: Moment
    until: Moment
    stages: dict[str, float]


class SlowSource(Answer):
    """A source that is behind the longest."""

    source: str
    target: str
    sig: str
    build: str
    nvr: str
    state: str
    verdict: str
    word: str
    needs_person: str
    why: str
    since: Moment
    lag: float | None
    stages: dict[str, float]


class LagSummary(Answer):
    """``published_here`` leaves out what passed before the SRPM came here; ``unknown`` sources have no time of shipping."""

    unknown: int
    published: Figures
    published_here: Figures
    under_way: Figures
    stages: dict[str, float]
    sigs: list[SigLag]
    slowest: list[SlowSource]


class Lag(LagSummary):
    """The same with how it went."""

    now: Moment
    over_time: list[LagPoint]
