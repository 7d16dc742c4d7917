"""Buildroots beside those of the build before."""

from __future__ import annotations

from typing import Literal

from buildfarm.api.responses.core.base import Answer, Moment, NamedBuild


class EarlierBuild(NamedBuild):
    """The build before."""

    created: Moment


class EarlierRoot(Answer):
    """Its buildroot."""

    task: str
    lock: str
    rpms: int


class RootRpm(Answer):
    """An RPM of a buildroot; ``ours`` says whether we built it."""

    name: str
    nevra: str
    sha256: str
    ours: bool


class RootChange(Answer):
    """An RPM that came, went or is another; ``rebuilt``: another RPM of the same name, version and
    release.
    """

    name: str
    change: Literal["added", "removed", "updated", "rebuilt"]
    old: RootRpm | None
    new: RootRpm | None


class Buildroot(Answer):
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


class BuildrootPage(Answer):
    """The buildroots of a build beside those of the build before."""

    now: Moment
    build: str
    nvr: str
    target: str
    source: str
    before: EarlierBuild | None
    buildroots: list[Buildroot]
