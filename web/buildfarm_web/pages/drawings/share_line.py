"""The self-hosted share over generations, as a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from buildfarm.api.responses.target.targets import GenerationShare

WIDTH, HEIGHT = 1000, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 24, 14, 26
_LABELS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One generation; ``label`` is empty where labels would touch."""

    x: float
    y: float
    title: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Points, the line through them, and marks of the share's scale as ``(y, words)``."""

    points: tuple[Point, ...]
    line: str
    scale: tuple[tuple[float, str], ...]


def draw(over_time: Sequence[GenerationShare]) -> Drawing | None:
    """Place generations from left to right; ``None`` where there is nothing to draw.

    >>> from dataclasses import replace
    >>> from datetime import UTC, datetime
    >>> first = GenerationShare(
    ...     number=1, ready=datetime(2026, 1, 1, tzinfo=UTC), builds=1, ours=0, all=9, share=0.0
    ... )
    >>> made = draw([first, replace(first, number=2, ours=9, all=18, share=0.5)])
    >>> made.line, made.points[1].title
    ('48.0,124.0 976.0,14.0', 'generation 2: 50.0 % of 18 RPMs in its buildroots are ours')
    """
    shown = [(one, one.share) for one in over_time if one.share is not None]
    if not shown:
        return None
    most = max(share for _, share in shown) or 1.0
    room, high = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    step = room / max(1, len(shown) - 1)
    every = -(-len(shown) // _LABELS)
    points = tuple(
        Point(
            x=round(_LEFT + place * step, 1), y=round(_TOP + high * (1 - share / most), 1),
            title=f"generation {one.number}: {share:.1%} of {one.all} RPMs in its buildroots are ours".replace("%", " %"),
            label=str(one.number) if place % every == 0 or place == len(shown) - 1 else "",
        )
        for place, (one, share) in enumerate(shown)
    )  # fmt: skip
    scale = tuple(
        (round(_TOP + high * (1 - part), 1), f"{most * part:.1%}".replace("%", " %"))
        for part in (0.0, 0.5, 1.0)
    )
    return Drawing(
        points=points, line=" ".join(f"{point.x},{point.y}" for point in points), scale=scale
    )
