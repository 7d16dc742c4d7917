"""A bar of parts that add up: verdicts of a distribution, states of a drop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

WIDTH = 1000.0
_GAP = 4.0
_LEAST = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a bar; ``share`` of the whole."""

    word: str
    count: int
    share: float
    x: float
    width: float


_PROGRESS = (
    "published", "refused", "compared", "comparing", "built", "building", "queued", "waiting", "debranded", "ingested", "excluded",
    "canceled", "on_hold", "failed",
)  # fmt: skip


def progress(counts: Mapping[str, int]) -> list[Part]:
    """States of builds as a bar that fills from the left: what is done, what moves, what waits,
    what stopped.

    >>> [part.word for part in progress({"waiting": 1, "failed": 1, "published": 2})]
    ['published', 'waiting', 'failed']
    """
    return bar({state: counts[state] for state in _PROGRESS if state in counts})


def bar(counts: Mapping[str, int]) -> list[Part]:
    """The parts in the order given; even the smallest can be seen.

    >>> [(part.word, round(part.share, 2)) for part in bar({"a": 3, "b": 0, "c": 1})]
    [('a', 0.75), ('c', 0.25)]
    """
    shown = {word: count for word, count in counts.items() if count > 0}
    total = sum(shown.values())
    if not total:
        return []
    room = WIDTH - _GAP * (len(shown) - 1)
    widths = {word: max(room * count / total, _LEAST) for word, count in shown.items()}
    scale = room / sum(widths.values())
    parts: list[Part] = []
    x = 0.0
    for word, count in shown.items():
        width = widths[word] * scale
        parts.append(
            Part(word=word, count=count, share=count / total, x=round(x, 1), width=round(width, 1))
        )
        x += width + _GAP
    return parts
