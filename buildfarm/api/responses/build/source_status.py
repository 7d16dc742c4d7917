"""Where sources stand: rows of lists, and the map."""

from __future__ import annotations

from buildfarm.api.responses.core.base import Answer, Moment, VerdictOrNone
from buildfarm.domain.core.build import BuildState


class SourceStatus(Answer):
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


class MapGroup(Answer):
    """The sources of one SIG on the map: ``cells`` are source, target, word and build, the most
    pressing first.

    Of more than 120 sources there are no cells: ``words`` counts them, `/api/v1/sources?sig=` lists
    them.
    """

    sig: str
    total: int
    words: dict[str, int]
    cells: list[tuple[str, str, str, str]]
