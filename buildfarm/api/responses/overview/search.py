"""Results of a search."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.api.responses.core.base import ApiResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit(ApiResponse):
    """One thing, and its page."""

    label: str
    detail: str
    target: str
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HitGroup(ApiResponse):
    """The first hits of one kind; ``more`` says that there are others."""

    title: str
    hits: list[Hit]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult(ApiResponse):
    """Everything that begins with the ``query``, by kind; fewer than ``shortest`` characters find
    nothing.
    """

    query: str
    groups: list[HitGroup]
    hits: int
    shortest: int
