"""Logs by their lines."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.api.responses.core.base import ApiResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine(ApiResponse):
    """One line; ``error`` says that it looks like the reason of a failure, ``offset`` is in bytes."""

    number: int
    offset: int
    text: str
    error: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHit(LogLine):
    """A line that was looked for, with up to two lines ``before`` and ``after`` it."""

    before: list[str]
    after: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLines(ApiResponse):
    """A page of a log, from the line ``first`` on, of ``total``; ``size`` is in bytes."""

    first: int
    lines: list[LogLine]
    total: int
    size: int
    task: str
    growing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHits(ApiResponse):
    """Lines in which the query stands; ``next`` is the ``after`` to go on with, ``None`` at the
    end.
    """

    query: str
    task: str
    hits: list[LogHit]
    next: int | None
    growing: bool
