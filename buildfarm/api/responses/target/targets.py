"""Targets, what failed for them, and what they still take from a seed."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from buildfarm.api.responses.build.builds import NeedyBuild
from buildfarm.api.responses.core.base import Answer, Moment, NamedBuild
from buildfarm.api.responses.intake.drops import Drop
from buildfarm.api.responses.publish.composes import Compose
from buildfarm.api.responses.schedule.forecast import TargetOutlook
from buildfarm.api.responses.target.generations import Generation
from buildfarm.domain.core.build import BuildState
from buildfarm.domain.core.verdict import Verdict
from buildfarm.domain.target.target import Phase


class Head(Generation):
    """The generation in force of one of a target's tags."""

    role: Literal["destination", "build"]


class Owner(Answer):
    """Who answers for a target."""

    sig: str
    contact: str


class Tags(Answer):
    """A target's two tags."""

    build: str
    destination: str


class Target(Answer):
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


class TargetList(Answer):
    """Every configured target."""

    targets: list[Target]


class Lifecycle(Answer):
    """Days on which a phase begins."""

    released: date
    maintenance: date | None
    end_of_life: date | None


class GateRules(Answer):
    """What the destination tag does with builds that could not be compared."""

    uncompared: bool


class BuildrootWords(Answer):
    """What every buildroot of a target begins with."""

    packages: list[str]
    releasever: str
    macros: dict[str, str]


class External(Answer):
    """A repository from elsewhere that buildroots use."""

    id: str
    priority: int
    baseurl: str


class Affected(Answer):
    """A build that still needs what is lost; ``rebuild`` is the build that replaces it."""

    id: str
    nvr: str
    needs: Any
    rebuild: str


class Impact(Answer):
    """What a new build took away, and from whom."""

    at: Moment
    why: str
    by: Any
    lost: Any
    affected: list[Affected]


class Cluster(Answer):
    """Builds that failed alike: ``words`` is the reason without names, paths and numbers."""

    id: str
    kind: str
    words: str
    example: str
    since: Moment
    builds: list[NamedBuild]


class Failures(Answer):
    """A target's failed builds by cause, the largest cluster first."""

    target: str
    failed: int
    clusters: list[Cluster]


class Share(Answer):
    """RPMs that we built (``ours``) of ``all``."""

    ours: int
    all: int
    share: float | None


class BuildsShare(Share):
    """The self-hosted share over the buildroots of so many builds."""

    builds: int


class GenerationShare(Share):
    """The self-hosted share of one generation."""

    number: int
    ready: Moment
    builds: int


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


class Seed(Answer):
    """An RPM that buildroots take from a seed, in how many of them, and why it is not ours."""

    nevra: str
    name: str
    buildroots: int
    why: str


class CycleBuild(Answer):
    """One build that needed its own cycle, and how far off the seed it is."""

    id: str
    nvr: str
    round: int
    cycle: list[str]
    seeded: list[str]
    bootstrap: str
    state: BuildState
    successor: str


class Seeds(Answer):
    """What still comes from a seed, the most used first, and the self-hosted share over time."""

    target: str
    buildroots: int
    seeds: list[Seed]
    over_time: list[GenerationShare]
    transitive: Share
    cycles: list[CycleBuild]
