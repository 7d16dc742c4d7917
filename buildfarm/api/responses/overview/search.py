"""What a search found."""

from __future__ import annotations

from buildfarm.api.responses.core.base import Answer


class Hit(Answer):
    """One thing, and its page."""

    label: str
    detail: str
    target: str
    href: str


class HitGroup(Answer):
    """The first hits of one kind; ``more`` says that there are others."""

    title: str
    hits: list[Hit]
    more: bool


class SearchResult(Answer):
    """What begins with the ``query``, by kind; fewer than ``shortest`` characters find nothing."""

    query: str
    groups: list[HitGroup]
    hits: int
    shortest: int
