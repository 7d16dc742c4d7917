"""Bars of time by stage of the pipeline, one for each of several things."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from buildfarm.domain.core.lag import Stage

WIDTH = 1000.0
_LEAST = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One stage of a bar."""

    stage: str
    seconds: float
    x: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar; its length is its share of the longest."""

    name: str
    total: float
    parts: tuple[Part, ...]


def draw(named: Iterable[tuple[str, Mapping[Stage, float]]]) -> tuple[Bar, ...]:
    """A bar for each name, all on one scale; what took no time has no part.

    >>> both = {Stage.INGEST: 5.0, Stage.BUILDING: 5.0}
    >>> bars = draw([("a", both), ("b", {Stage.BUILDING: 5.0})])
    >>> [(part.stage, part.x, part.width) for part in bars[0].parts], bars[1].parts[0].width
    ([('ingest', 0.0, 500.0), ('building', 500.0, 500.0)], 500.0)
    """
    listed = [
        (name, {stage.value: spent.get(stage, 0.0) for stage in Stage}) for name, spent in named
    ]
    longest = max((sum(spent.values()) for _, spent in listed), default=0.0)
    return tuple(_bar(name, spent, WIDTH / longest if longest else 0.0) for name, spent in listed)


def _bar(name: str, spent: Mapping[str, float], scale: float) -> Bar:
    parts: list[Part] = []
    x = 0.0
    for stage, seconds in spent.items():
        if seconds:
            width = max(seconds * scale, _LEAST)
            parts.append(Part(stage=stage, seconds=seconds, x=round(x, 1), width=round(width, 1)))
            x += width
    return Bar(name=name, total=sum(spent.values()), parts=tuple(parts))
