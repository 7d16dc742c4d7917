"""A buildroot of ours beside the vendor's."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from buildfarm.api.responses.core.base import Answer, Moment
from buildfarm.domain.build.parity import Differs


class Reference(Answer):
    """The vendor's buildroot: whose it is (``of``), in which form it came, and who attached it."""

    of: Literal["target", "build"]
    form: str
    actor: str
    created: Moment
    rpms: int
    digest: str


class Difference(Answer):
    """One RPM that differs; ``from`` says where ours came from, empty where we have none."""

    name: str
    kind: Differs
    ours: str
    theirs: str
    from_: Literal["here", "seed", ""] = Field(alias="from")
    why: str


class Parity(Answer):
    """One buildroot beside the reference: how many RPMs are the same, and what differs."""

    arch: str
    task: str
    reference: Reference
    same: int
    counts: dict[Differs, int]
    differences: list[Difference]


class BuildParity(Answer):
    """The buildroots of one build beside the vendor's."""

    build: str
    nvr: str
    parity: list[Parity]


class AttachedReference(Answer):
    """A vendor's buildroot that was attached."""

    subject: str
    arch: str
    form: str
    rpms: int
    digest: str
