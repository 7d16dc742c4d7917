"""Builds: rows of lists, and everything about one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from buildfarm.api.responses.build.findings import Findings
from buildfarm.api.responses.build.overrides import SourceOverride
from buildfarm.api.responses.build.parity import Parity
from buildfarm.api.responses.build.tasks import Task
from buildfarm.api.responses.build.waivers import WaiverRequest
from buildfarm.api.responses.core.base import (
    ApiResponse,
    JsonObject,
    ListPage,
    Moment,
    VerdictOrNone,
)
from buildfarm.api.responses.core.events import Event
from buildfarm.api.responses.schedule.forecast import Why
from buildfarm.domain.core.build import BuildState, FailureKind, Gate, WaitKind
from buildfarm.domain.core.task import TaskKind
from buildfarm.domain.publish.repository import RepositoryKind
from buildfarm.wire import WorkOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Build(ApiResponse):
    """One build as lists show it.

    ``why`` says in words why it stands there; ``needs_person`` is empty if nobody must act.
    """

    id: str
    nvr: str
    srpm: str
    source: str
    target: str
    drop: str
    state: BuildState
    since: Moment
    wait_kind: WaitKind | Literal[""]
    failure_kind: FailureKind | Literal[""]
    verdict: VerdictOrNone
    gate: Gate
    gate_reason: str
    settled: bool
    why: str
    needs_person: str
    scratch: bool
    priority: int
    attempt: int
    round: int
    cycle: list[str]
    seeded: list[str]
    successor: str
    superseded: bool
    bootstrap: str
    owner: str
    tags: list[str]
    created: Moment
    finished: Moment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedyBuild(Build):
    """A build that needs a person: ``who`` can act, ``act`` is the command that usually comes next."""

    act: str
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildList(ListPage):
    """Builds, the newest first. They are counted up to a bound: ``total`` ``is_exact`` below it."""

    builds: list[Build]
    total: int
    is_exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSpan(ApiResponse):
    """One state a build was in: from when, how long, by whom and why."""

    state: BuildState
    at: Moment
    actor: str
    why: str
    seconds: float
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltRpm(ApiResponse):
    """An RPM a build made; ``header`` is its SHA256HEADER, ``signed`` the digest of the signed
    copy.
    """

    filename: str
    name: str
    arch: str
    repository: RepositoryKind
    size: int
    sha256: str
    header: str
    signed: str
    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockSummary(ApiResponse):
    """A buildroot in two numbers: RPMs that we built (``ours``) of ``all``."""

    task: str
    kind: TaskKind
    arch: str
    digest: str
    ours: int
    all: int
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenanceLink(ApiResponse):
    """One link of the chain from the vendor's signature to our verdict."""

    link: str
    value: str
    digest: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorRpm(ApiResponse):
    """One of the vendor's binaries of the same SRPM."""

    filename: str
    sha256: str
    arch: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapVariant(ApiResponse):
    """The spec's bootstrap condition, and what it would require under it once that is known."""

    condition: str
    requires: list[str] | None
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPage(Build):
    """Everything about one build."""

    nevra: str
    moving: bool
    act: str
    outlook: Why
    who: str
    drop_name: str
    arches: list[str]
    dist: str
    requires: list[str]
    provides: list[str]
    states: list[StateSpan]
    tasks: list[Task]
    artifacts: list[BuiltRpm]
    locks: list[LockSummary]
    found_requires: list[str]
    learned_requires: list[str]
    bootstrap_variant: BootstrapVariant | None
    parity: list[Parity]
    self_hosted_share: float | None
    audit: str
    comparison: Findings | None
    override: JsonObject | None
    override_in_force: SourceOverride | None
    provenance: list[ProvenanceLink]
    vendor_rpms: list[VendorRpm]
    asks: list[WaiverRequest]
    events: list[Event]


@dataclass(frozen=True, slots=True, kw_only=True)
class LockLine(ApiResponse):
    """One RPM of a buildroot; ``ours`` says whether we built it."""

    name: str
    epoch: int
    version: str
    release: str
    arch: str
    sha256: str | None
    ours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock(ApiResponse):
    """A buildroot RPM by RPM."""

    task: str
    kind: TaskKind
    arch: str
    digest: str
    lock: list[LockLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildLocks(ApiResponse):
    """The buildroots of one build."""

    build: str
    nvr: str
    locks: list[Lock]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderGeneration(ApiResponse):
    """The generation a build is to be made in again; ``ready`` once its files are there."""

    id: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFile(ApiResponse):
    """A file that was made then."""

    filename: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOrder(ApiResponse):
    """Everything that a second build in the same buildroot takes; ``lock`` is the digest of
    what was in it.
    """

    order: WorkOrder
    generation: OrderGeneration
    lock: str
    files: list[OrderFile]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit(ApiResponse):
    """The debrand audit: rule, actions with their places, sources before and after, and a unified
    diff of the spec.
    """

    rule: str
    rule_digest: str
    date: str
    why: str
    suffix: str
    rename: dict[str, str]
    expect: list[JsonObject]
    allow: list[JsonObject]
    scripts: list[str] = field(default_factory=list)
    actions: list[JsonObject]
    sources: list[JsonObject]
    diff: str
