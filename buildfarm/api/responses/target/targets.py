"""Targets, what failed for them, and what they still take from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from buildfarm.api.responses.build.builds import NeedyBuild
from buildfarm.api.responses.core.base import ApiResponse, Moment, NamedBuild
from buildfarm.api.responses.intake.drops import Drop
from buildfarm.api.responses.publish.composes import Compose
from buildfarm.api.responses.schedule.forecast import TargetOutlook
from buildfarm.api.responses.target.generations import Generation
from buildfarm.domain.core.build import BuildState
from buildfarm.domain.core.verdict import Verdict
from buildfarm.domain.target.target import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Head(Generation):
    """The generation in force of one of a target's tags."""

    role: Literal["destination", "build"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner(ApiResponse):
    """Owner of a target."""

    sig: str
    contact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags(ApiResponse):
    """A target's two tags."""

    build: str
    destination: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Target(ApiResponse):
    """One target as lists show it."""

    name: str
    title: str
    phase: Phase
    base: str
    owner: Owner
    vendor: str
    arches: list[str]
    tags: Tags
    heads: list[Head]
    states: dict[BuildState, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetList(ApiResponse):
    """Every configured target."""

    targets: list[Target]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle(ApiResponse):
    """Days on which a phase begins."""

    released: date
    maintenance: date | None
    end_of_life: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules(ApiResponse):
    """Rule of the destination tag for builds that could not be compared."""

    uncompared: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildrootWords(ApiResponse):
    """Base of every buildroot of a target."""

    packages: list[str]
    releasever: str
    macros: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class External(ApiResponse):
    """A repository from elsewhere that buildroots use."""

    id: str
    priority: int
    baseurl: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected(ApiResponse):
    """A build that still needs what is lost; ``rebuild`` is the build that replaces it."""

    id: str
    nvr: str
    needs: Any
    rebuild: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact(ApiResponse):
    """Provides that a new build removed, and the builds that need them."""

    at: Moment
    why: str
    by: Any
    lost: Any
    affected: list[Affected]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster(ApiResponse):
    """Builds that failed alike: ``words`` is the reason without names, paths and numbers."""

    id: str
    kind: str
    words: str
    example: str
    since: Moment
    builds: list[NamedBuild]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures(ApiResponse):
    """A target's failed builds by cause, the largest cluster first."""

    target: str
    failed: int
    clusters: list[Cluster]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share(ApiResponse):
    """RPMs that we built (``ours``) of ``all``."""

    ours: int
    all: int
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildsShare(Share):
    """The self-hosted share over the buildroots of so many builds."""

    builds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationShare(Share):
    """The self-hosted share of one generation."""

    number: int
    ready: Moment
    builds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPage(Target):
    """One target."""

    dist: str
    suffix: str
    builder: str
    lifecycle: Lifecycle
    gate: GateRules
    buildroot: BuildrootWords
    external: list[External]
    outlook: TargetOutlook
    impacts: list[Impact]
    failures: list[Cluster]
    self_hosted_share: float | None
    self_hosted: BuildsShare
    share_over_time: list[GenerationShare]
    brand_hits: int
    source_brand_hits: int
    verdicts: dict[Verdict, int]
    generations: list[Generation]
    composes: list[Compose]
    drops: list[Drop]
    needs_person: list[NeedyBuild]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed(ApiResponse):
    """An RPM that buildroots take from a seed, in how many of them, and why it is not ours."""

    nevra: str
    name: str
    buildroots: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleBuild(ApiResponse):
    """One build that needed its own cycle, and how far off the seed it is."""

    id: str
    nvr: str
    round: int
    cycle: list[str]
    seeded: list[str]
    bootstrap: str
    state: BuildState
    successor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeds(ApiResponse):
    """RPMs that still come from a seed, the most used first, and the self-hosted share over time."""

    target: str
    buildroots: int
    seeds: list[Seed]
    over_time: list[GenerationShare]
    transitive: Share
    cycles: list[CycleBuild]
