"""Drops: rows of lists, one with its builds, and what taking one answers."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.api.responses.build.builds import Build, NeedyBuild
from buildfarm.api.responses.core.base import ApiResponse, ListPage, Moment
from buildfarm.api.responses.core.events import Event
from buildfarm.api.responses.schedule.forecast import DropPlan
from buildfarm.domain.core.build import BuildState
from buildfarm.domain.core.verdict import Verdict
from buildfarm.domain.intake.drop import Approval, DropState, ItemKind


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named(ApiResponse):
    id: str
    target: str
    name: str
    state: DropState
    reason: str
    trigger: str
    owner: str
    scratch: bool
    priority: int
    approval: Approval
    states: dict[BuildState, int]
    moving: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop(_Named):
    """One drop as lists show it; ``builds`` is how many it has, ``states`` how many of them are in
    each state.
    """

    builds: int
    created: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedDrop(_Named):
    """A drop that was taken; ``created`` is whether it is new, not when.

    The client adds ``url`` from the ``Location`` header.
    """

    builds: int
    created: bool
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DropList(ListPage):
    """Drops, the newest first."""

    drops: list[Drop]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compatibility(ApiResponse):
    """Count of the vendor's RPMs that ours can replace; what only a waiver made acceptable is in
    ``waived`` alone.
    """

    compatible: int
    total: int
    waived: int
    share: float
    by_verdict: dict[Verdict, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveEdge(ApiResponse):
    """``to`` waits for ``from``, because of ``what``."""

    from_: str
    to: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waves(ApiResponse):
    """Builds that can run side by side, dependencies first; ids of builds."""

    waves: list[list[str]]
    edges: list[WaveEdge]
    cycles: list[list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DropFileProblem(ApiResponse):
    """A file of a drop that could not be used, and why."""

    filename: str
    kind: ItemKind
    sha256: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DropFiles(ApiResponse):
    """Files of a drop by kind, and those that were refused."""

    srpms: int
    binaries: int
    problems: list[DropFileProblem]


@dataclass(frozen=True, slots=True, kw_only=True)
class DropSummary(_Named):
    """A drop with its builds: of a large one the first, and ``more`` that are not listed (its waves
    are those of ``outlook`` then).
    """

    created: Moment
    builds: list[Build]
    more: int
    counts: dict[BuildState, int]
    compatibility: Compatibility | None
    plan: Waves
    outlook: DropPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class DropPage(DropSummary):
    """One drop with its builds and its history."""

    verdicts: dict[Verdict, int]
    files: DropFiles
    needs_person: list[NeedyBuild]
    events: list[Event]
