"""Status of sources: rows of lists, and the map."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.api.responses.core.base import ApiResponse, Moment, VerdictOrNone
from buildfarm.domain.core.build import BuildState


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus(ApiResponse):
    """One source of a target by its newest build; ``word`` is what it is on the map, ``lag``
    seconds since the vendor shipped it.
    """

    source: str
    target: str
    sig: str
    build: str
    nvr: str
    state: BuildState
    verdict: VerdictOrNone
    word: str
    needs_person: str
    why: str
    since: Moment
    lag: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MapGroup(ApiResponse):
    """The sources of one SIG on the map: ``cells`` are source, target, word and build, the most
    pressing first.

    Of more than 120 sources there are no cells: ``words`` counts them, `/api/v1/sources?sig=` lists
    them.
    """

    sig: str
    total: int
    words: dict[str, int]
    cells: list[tuple[str, str, str, str]]
