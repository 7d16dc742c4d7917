"""The verdict map: one mark a source, grouped by SIG; the shape says the verdict, the tone only helps.

Marks of one word are one path, so that thousands stay light. Few marks are links of their own; of many, each path leads to
the list of what it stands for, and the list is the map's table twin.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from buildfarm_web.read_models.plain import Json

PITCH = 16
_FEW, _MANY = 120, 400
"""Up to so many marks in a group each is a link; beyond so many in a group it takes the whole width."""
_SPARSE, _NARROW, _WIDE = 12, 24, 64

_SQUARE = "h12v12h-12z"
_SHAPES: dict[str, str] = {
    # each from the upper left corner of a cell of 12, drawn with fill-rule evenodd
    "IDENTICAL": _SQUARE,
    "EQUIVALENT": "m6 0l6 6l-6 6l-6 -6z",
    "EXPECTED": "h8l4 4v8h-12z",
    "COMPATIBLE": "m6 0a6 6 0 1 0 .01 0z",
    "UNCOMPARED": "m3 3h6v6h-6z",
    "REVIEW": "m6 0l6 12h-12z",
    "EXTRA": "m4 0h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
    "INCOMPATIBLE": "m2 0l4 4l4 -4l2 2l-4 4l4 4l-2 2l-4 -4l-4 4l-2 -2l4 -4l-4 -4z",
    "MISSING": "h12v12h-12zm3 3v6h6v-6z",
    "ERROR": "m3 0h6l3 3v6l-3 3h-6l-3 -3v-6zm2 2v5h2v-5zm0 6v2h2v-2z",
    "failed": "h12v12h-12zm3.5 2l2.5 2.5l2.5 -2.5l1.5 1.5l-2.5 2.5l2.5 2.5l-1.5 1.5l-2.5 -2.5l-2.5 2.5l-1.5 -1.5l2.5 -2.5l-2.5 -2.5z",
    "on_hold": "m1 0h4v12h-4zm6 0h4v12h-4z",
    "stuck": "m6 0l6 12h-12zm-1 4v4h2v-4zm0 5v1.5h2v-1.5z",
    "building": "m1 0l11 6l-11 6z",
    "comparing": "m1 1h10v4h-10zm0 6h10v4h-10z",
}
_OTHER = "m6 3a3 3 0 1 0 .01 0z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One source, where there are few."""

    source: str
    target: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """All marks of one word in a group; ``marks`` is empty where there are many."""

    word: str
    count: int
    path: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The sources of one SIG."""

    sig: str
    total: int
    width: int
    height: int
    is_wide: bool
    runs: tuple[Run, ...]
    words: str


def shape(word: str) -> str:
    """The mark of a word, for a legend; on a grid of 16.

    >>> shape("IDENTICAL"), shape("waiting")
    ('M2 2h12v12h-12z', 'M2 2m6 3a3 3 0 1 0 .01 0z')
    """
    return f"M2 2{_SHAPES.get(word, _OTHER)}"


def draw(groups: Sequence[Json]) -> tuple[Group, ...]:
    """Place the groups of :func:`buildfarm_web.read_models.standings.map_of`.

    >>> made = draw([{"sig": "core", "total": 2, "words": {"REVIEW": 2}, "cells": [["a", "t", "REVIEW", "1"], ["b", "t", "REVIEW", "2"]]}])
    >>> made[0].runs[0].path, [mark.source for mark in made[0].runs[0].marks], made[0].words
    ('M2 2m6 0l6 12h-12zM18 2m6 0l6 12h-12z', ['a', 'b'], '2 REVIEW')
    """
    return tuple(_group(group) for group in groups)


def _group(group: Json) -> Group:
    cells = group["cells"]
    columns = _WIDE if len(cells) > _MANY else _NARROW if len(cells) > _SPARSE * 4 else _SPARSE
    runs = []
    for word, some in groupby(enumerate(cells), key=lambda cell: str(cell[1][2])):
        marks = list(_placed(word, some, columns))
        path = "".join(mark.path for mark in marks)
        runs.append(Run(word=word, count=len(marks), path=path, marks=tuple(marks) if len(cells) <= _FEW else ()))
    return Group(
        sig=group["sig"], total=len(cells), width=columns * PITCH, height=-(-len(cells) // columns) * PITCH,
        is_wide=len(cells) > _MANY, runs=tuple(runs),
        words=", ".join(f"{count} {word.replace('_', ' ')}" for word, count in group["words"].items()),
    )  # fmt: skip


def _placed(word: str, cells: Iterable[tuple[int, Sequence[str]]], columns: int) -> Iterable[Mark]:
    mark = _SHAPES.get(word, _OTHER)
    for place, (source, target, *_) in cells:
        x, y = place % columns * PITCH + 2, place // columns * PITCH + 2
        yield Mark(source=source, target=target, path=f"M{x} {y}{mark}")
