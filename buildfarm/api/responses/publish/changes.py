"""Changes between two generations or two composes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from buildfarm.api.responses.core.base import ApiResponse, NamedBuild, VerdictOrNone

Change = Literal["added", "removed", "updated", "rebuilt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBuild(NamedBuild):
    """A build that came in, and what its comparison said."""

    verdict: VerdictOrNone


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedSource(ApiResponse):
    """A source whose build is another."""

    source: str
    change: Change
    old: NamedBuild | None
    new: NewBuild | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedRpm(ApiResponse):
    """An RPM that is another, by epoch, version and release."""

    name: str
    arch: str
    change: Change
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes(ApiResponse):
    """Differences from the one before: the first of ``builds_total`` sources, with their RPMs."""

    counts: dict[Change, int]
    builds: list[ChangedSource]
    builds_total: int
    rpms: list[ChangedRpm]
