"""A buildroot of ours beside the vendor's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from buildfarm.api.responses.core.base import ApiResponse, Moment
from buildfarm.domain.build.parity import Differs


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference(ApiResponse):
    """The vendor's buildroot: whose it is (``of``), in which form it came, and who attached it."""

    of: Literal["target", "build"]
    form: str
    actor: str
    created: Moment
    rpms: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference(ApiResponse):
    """One RPM that differs; ``from`` says where ours came from, empty where we have none."""

    name: str
    kind: Differs
    ours: str
    theirs: str
    from_: Literal["here", "seed", ""]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity(ApiResponse):
    """One buildroot beside the reference: how many RPMs are the same, and what differs."""

    arch: str
    task: str
    reference: Reference
    same: int
    counts: dict[Differs, int]
    differences: list[Difference]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildParity(ApiResponse):
    """The buildroots of one build beside the vendor's."""

    build: str
    nvr: str
    parity: list[Parity]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedReference(ApiResponse):
    """A vendor's buildroot that was attached."""

    subject: str
    arch: str
    form: str
    rpms: int
    digest: str
