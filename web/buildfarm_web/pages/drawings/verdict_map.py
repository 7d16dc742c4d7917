"""The verdict map: one mark a source, grouped by SIG; the shape says the verdict, the tone only
helps.

Few marks are links of their own. Of many, all of one word are one region filled with the word's
mark, so that thousands are as light as ten; it leads to the list of what it stands for, and the
list is the map's table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise

from buildfarm.api.responses.build.source_status import MapGroup

PITCH = 16
_MANY = 400
"""Beyond so many marks a group takes the whole width."""
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
    """All marks of one word in a group: each of them, or where there are many the outline of the
    ``region`` they fill.
    """

    word: str
    count: int
    region: str = ""
    marks: tuple[Mark, ...] = ()


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


def draw(groups: Sequence[MapGroup]) -> tuple[Group, ...]:
    """Place the groups of :func:`buildfarm_web.read_models.build.source_status.map_of`.

    >>> cells = [("a", "t", "REVIEW", "1"), ("b", "t", "REVIEW", "2")]
    >>> made = draw([MapGroup(sig="core", total=2, words={"REVIEW": 2}, cells=cells)])
    >>> [mark.path for mark in made[0].runs[0].marks], [mark.source for mark in made[0].runs[0].marks], made[0].words
    (['M2 2m6 0l6 12h-12z', 'M18 2m6 0l6 12h-12z'], ['a', 'b'], '2 REVIEW')
    """
    return tuple(_group(group) for group in groups)


def many_of(groups: Iterable[Group]) -> list[str]:
    """The words that fill a region somewhere."""
    return sorted({run.word for group in groups for run in group.runs if run.region})


def _group(group: MapGroup) -> Group:
    total = group.total
    columns = _WIDE if total > _MANY else _NARROW if total > _SPARSE * 4 else _SPARSE
    return Group(
        sig=group.sig, total=total, width=columns * PITCH, height=-(-total // columns) * PITCH, is_wide=total > _MANY,
        runs=tuple(_each(group.cells, columns) if group.cells else _regions(group.words, columns)),
        words=", ".join(f"{count} {word.replace('_', ' ')}" for word, count in group.words.items()),
    )  # fmt: skip


def _each(cells: Iterable[Sequence[str]], columns: int) -> Iterable[Run]:
    for word, some in groupby(enumerate(cells), key=lambda cell: str(cell[1][2])):
        marks = tuple(_placed(word, some, columns))
        yield Run(word=word, count=len(marks), marks=marks)


def _placed(word: str, cells: Iterable[tuple[int, Sequence[str]]], columns: int) -> Iterable[Mark]:
    mark = _SHAPES.get(word, _OTHER)
    for place, (source, target, *_) in cells:
        x, y = place % columns * PITCH + 2, place // columns * PITCH + 2
        yield Mark(source=source, target=target, path=f"M{x} {y}{mark}")


def _regions(words: Mapping[str, int], columns: int) -> Iterable[Run]:
    ends = pairwise(accumulate(words.values(), initial=0))
    for (word, count), (first, end) in zip(words.items(), ends, strict=True):
        yield Run(word=word, count=count, region=_outline(first, end, columns))


def _outline(first: int, end: int, columns: int) -> str:
    """Around the cells from ``first`` up to ``end``, row by row.

    >>> _outline(1, 3, 4), _outline(3, 6, 4)
    ('M16 0H48V16H16z', 'M48 0H64V16H32V32H0V16H48z')
    """
    (top, left), (last, right) = divmod(first, columns), divmod(end - 1, columns)
    right, bottom = (right + 1) * PITCH, (last + 1) * PITCH
    begin = f"M{left * PITCH} {top * PITCH}"
    if top == last:
        return f"{begin}H{right}V{bottom}H{left * PITCH}z"
    return f"{begin}H{columns * PITCH}V{last * PITCH}H{right}V{bottom}H0V{(top + 1) * PITCH}H{left * PITCH}z"
