"""Action required of people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from buildfarm.api.responses.core.base import ApiResponse, Moment, NamedBuild, VerdictOrNone
from buildfarm.domain.core.build import BuildState
from buildfarm.domain.intake.drop import DropState


@dataclass(frozen=True, slots=True, kw_only=True)
class Need(ApiResponse):
    """One line: what it is, since when and why, who answers, and the command that comes next.

    It stands for ``count`` builds, drops, waivers or asks.
    """

    title: str
    since: Moment
    why: str
    act: str
    sig: str
    contact: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildNeed(Need):
    """A build, and ``others`` that wait for the same reason."""

    build: str
    source: str
    target: str
    state: BuildState
    verdict: VerdictOrNone
    others: list[NamedBuild]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterNeed(Need):
    """Builds that failed alike: the first of them, and how many each SIG has."""

    cluster: str
    target: str
    failure_kind: str
    builds: list[NamedBuild]
    sigs: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DropNeed(Need):
    """A drop on hold, or one that awaits approval."""

    drop: str
    target: str
    state: DropState


@dataclass(frozen=True, slots=True, kw_only=True)
class AskNeed(Need):
    """A waiver that is asked for, for a finding of a build."""

    ask: str
    build: str
    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverNeed(Need):
    """A waiver about to end."""

    waiver: str
    expires: date


AnyNeed = BuildNeed | ClusterNeed | DropNeed | AskNeed | WaiverNeed


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionGroup(ApiResponse):
    """Needs of one kind; ``total`` counts builds, drops or waivers, ``more`` of them are not
    listed.
    """

    kind: str
    title: str
    total: int
    more: int
    items: list[AnyNeed]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequired(ApiResponse):
    """Action required now, the most pressing kind first."""

    now: Moment
    total: int
    groups: list[ActionGroup]
