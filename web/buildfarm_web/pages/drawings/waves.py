"""The waves of a drop as columns of boxes, with a line from each build to those that need it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from buildfarm.api.responses.build.builds import Build
from buildfarm.api.responses.intake.drops import WaveEdge, Waves

_BOX_WIDTH, _BOX_HEIGHT = 176, 46
_COLUMN, _ROW = 236, 57
_TOP = 30
_TALLEST = 12
_NAME = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One build; ``critical`` says that it lies on the critical path."""

    id: str
    label: str
    row: Build
    x: int
    y: int
    critical: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """From a build to one that needs it; ``path`` is SVG path data.

    ``critical`` lines join the critical path.
    """

    path: str
    title: str
    critical: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One wave; ``hidden`` builds are beyond what a picture can hold."""

    number: int
    x: int
    count: int
    hidden: int
    y: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Everything with its place."""

    width: int
    height: int
    box_width: int
    box_height: int
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    columns: tuple[Column, ...]


def draw(
    plan: Waves, rows: Sequence[Build], critical: Collection[str] = frozenset()
) -> Drawing | None:
    """Lay out a plan (see :func:`buildfarm_web.read_models.intake.waves.waves`); ``None`` where
    there is nothing to draw.

    :param critical: the builds on the critical path; they are shown however many stand beside them.
    """
    by_id = {row.id: row for row in rows}
    waves = [[key for key in wave if key in by_id] for wave in plan.waves]
    if not any(waves):
        return None
    boxes: dict[str, Box] = {}
    columns: list[Column] = []
    for number, wave in enumerate(waves):
        ordered = _critical_seen(_ordered(wave, plan.edges, boxes, by_id), critical)
        x = 1 + number * _COLUMN
        for place, key in enumerate(ordered[:_TALLEST]):
            row = by_id[key]
            boxes[key] = Box(
                id=key,
                label=_short(row.source),
                row=row,
                x=x,
                y=_TOP + place * _ROW,
                critical=key in critical,
            )
        shown = min(len(ordered), _TALLEST)
        columns.append(
            Column(
                number=number + 1,
                x=x,
                count=len(ordered),
                hidden=len(ordered) - shown,
                y=_TOP + shown * _ROW,
            )
        )
    joined = _joined(waves, critical)
    tallest = max(column.y + (20 if column.hidden else 0) for column in columns)
    return Drawing(
        width=2 + (len(waves) - 1) * _COLUMN + _BOX_WIDTH,
        height=tallest,
        box_width=_BOX_WIDTH,
        box_height=_BOX_HEIGHT,
        boxes=tuple(boxes.values()),
        lines=tuple(
            _line(edge, boxes, by_id, critical=(edge.from_, edge.to) in joined)
            for edge in sorted(
                plan.edges, key=lambda edge: (edge.from_, edge.to) in joined
            )  # the critical path on top
            if edge.from_ in boxes and edge.to in boxes
        ),
        columns=tuple(columns),
    )


def rows(plan: Waves, builds: Sequence[Build]) -> list[tuple[int, Build, list[str]]]:
    """The same as a table: the number of the wave, the build, what it needs from others of the
    drop.
    """
    by_id = {build.id: build for build in builds}
    needs: dict[str, list[str]] = {}
    for edge in plan.edges:
        needs.setdefault(edge.to, []).append(edge.what)
    return [
        (number, by_id[key], needs.get(key, []))
        for number, wave in enumerate(plan.waves, 1)
        for key in wave
        if key in by_id
    ]


def _ordered(
    wave: Sequence[str],
    edges: Sequence[WaveEdge],
    boxes: Mapping[str, Box],
    by_id: Mapping[str, Build],
) -> list[str]:
    """Each build near what it needs, so that few lines cross; those nobody needs and that need
    nobody come last.
    """
    connected = {edge.from_ for edge in edges} | {edge.to for edge in edges}
    from_above: dict[str, list[int]] = {}
    for edge in edges:
        if edge.from_ in boxes:
            from_above.setdefault(edge.to, []).append(boxes[edge.from_].y)

    def height(key: str) -> tuple[bool, float, str]:
        needs = from_above.get(key, [])
        return (key not in connected, sum(needs) / len(needs) if needs else 0.0, by_id[key].source)

    return sorted(wave, key=height)


def _critical_seen(ordered: list[str], critical: Collection[str]) -> list[str]:
    """Return what lies on the critical path comes before the cut.

    >>> _critical_seen([str(n) for n in range(20)], {"15"})[:3]
    ['15', '0', '1']
    """
    if not any(key in critical for key in ordered[_TALLEST:]):
        return ordered
    return sorted(ordered, key=lambda key: key not in critical)


def _joined(waves: Sequence[Sequence[str]], critical: Collection[str]) -> set[tuple[str, str]]:
    """The pairs that follow each other on the critical path.

    >>> _joined([["a", "x"], ["y"], ["b"]], {"a", "b"})
    {('a', 'b')}
    """
    steps = [some for wave in waves if (some := [key for key in wave if key in critical])]
    return {(one, other) for before, after in pairwise(steps) for one in before for other in after}


def _line(
    edge: WaveEdge, boxes: Mapping[str, Box], by_id: Mapping[str, Build], *, critical: bool
) -> Line:
    start, end = boxes[edge.from_], boxes[edge.to]
    x1, y1 = start.x + _BOX_WIDTH, start.y + _BOX_HEIGHT // 2
    x2, y2 = end.x, end.y + _BOX_HEIGHT // 2
    bend = max((x2 - x1) // 2, 20)
    title = f"{by_id[end.id].source} needs {edge.what} from {by_id[start.id].source}"
    return Line(
        path=f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}",
        title=title,
        critical=critical,
    )


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
