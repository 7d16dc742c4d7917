"""SIGs: who answers for what, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.api.responses.build.source_status import MapGroup, SourceStatus
from buildfarm.api.responses.core.base import ApiResponse, Moment
from buildfarm.api.responses.overview.action_required import ActionRequired
from buildfarm.api.responses.target.lag import Figures, LagSummary
from buildfarm.domain.core.lag import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class _About(ApiResponse):
    name: str
    title: str
    contact: str
    patterns: list[str]
    targets: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sig(_About):
    """One SIG in a list: its sources by word, how many need somebody, the lag of what it published."""

    sources: int
    words: dict[str, int]
    needs_person: int
    lag: Figures
    stages: dict[Stage, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SigList(ApiResponse):
    """Every SIG."""

    now: Moment
    sigs: list[Sig]


@dataclass(frozen=True, slots=True, kw_only=True)
class SigPage(_About):
    """One SIG; ``sources`` are the first of ``total``, the most pressing first."""

    now: Moment
    words: dict[str, int]
    map: list[MapGroup]
    lag: LagSummary
    action_required: ActionRequired
    sources: list[SourceStatus]
    total: int
