"""Buildroots beside those of the build before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from buildfarm.api.responses.core.base import ApiResponse, Moment, NamedBuild


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierBuild(NamedBuild):
    """The build before."""

    created: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierRoot(ApiResponse):
    """Its buildroot."""

    task: str
    lock: str
    rpms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RootRpm(ApiResponse):
    """An RPM of a buildroot; ``ours`` says whether we built it."""

    name: str
    nevra: str
    sha256: str
    ours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RootChange(ApiResponse):
    """An RPM that came, went or is another; ``rebuilt``: another RPM of the same name, version and
    release.
    """

    name: str
    change: Literal["added", "removed", "updated", "rebuilt"]
    old: RootRpm | None
    new: RootRpm | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Buildroot(ApiResponse):
    """The buildroot of one arch: RPMs, ours among them, those that are the ``same`` as before, and
    ``changes``.
    """

    arch: str
    task: str
    lock: str
    rpms: int
    ours: int
    before: EarlierRoot | None
    same: int
    changes: list[RootChange]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildrootPage(ApiResponse):
    """The buildroots of a build beside those of the build before."""

    now: Moment
    build: str
    nvr: str
    target: str
    source: str
    before: EarlierBuild | None
    buildroots: list[Buildroot]
