"""One cluster of builds that failed alike."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.api.responses.core.base import ApiResponse, Moment, NamedBuild
from buildfarm.domain.core.build import BuildState


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedBuild(NamedBuild):
    """One of its builds, and who answers for it."""

    source: str
    target: str
    state: BuildState
    sig: str
    since: Moment
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPage(ApiResponse):
    """The reason that builds have in common (``title``, with ``why`` as one of them said it), and
    each of them.
    """

    now: Moment
    cluster: str
    target: str
    title: str
    failure_kind: str
    why: str
    count: int
    since: Moment
    newest: Moment
    builds: list[FailedBuild]
    act: str
    sig: str
    sigs: dict[str, int]
    contact: str
