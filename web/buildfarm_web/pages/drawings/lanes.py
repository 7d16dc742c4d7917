"""Worker lanes: what ran on which worker from when to when (a Gantt chart)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from buildfarm.api.responses.build.tasks import NamedTask
from buildfarm.domain.core.task import TaskState
from buildfarm_web.pages.template_filters import duration

WIDTH = 1000
_GUTTER = 120
_BAR, _PITCH, _PAD = 18, 22, 8
_TOP = 26
_LONGEST = timedelta(hours=2)
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_TICKS = 8
_LETTER = 7.2
_MARK = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One run of a task; ``label`` is empty where it would not fit.

    ``mark`` is the path of a cross on what failed.
    """

    task: NamedTask
    x: float
    y: int
    width: float
    label: str
    title: str
    mark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One worker, as many rows high as it worked on things at once."""

    worker: str
    y: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark on the time axis."""

    x: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Everything with its place."""

    height: int
    gutter: int
    bar: int
    bars: tuple[Bar, ...]
    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]


def draw(runs: Sequence[NamedTask], now: datetime) -> Drawing | None:
    """Lay out what :func:`buildfarm_web.read_models.build.tasks.recent_runs` gives, at most the
    last two hours of work.
    """
    spans = [(run, run.started or run.created, run.finished or now) for run in runs]
    if not spans:
        return None
    end = max(until for _, _, until in spans)
    begin = max(min(since for _, since, _ in spans), end - _LONGEST)
    spans = [span for span in spans if span[2] > begin]
    seconds = max((end - begin).total_seconds(), 1.0)
    per_second = (WIDTH - _GUTTER - 6) / seconds
    bars: list[Bar] = []
    lanes: list[Lane] = []
    y = _TOP
    for worker in sorted({run.worker for run, _, _ in spans}):
        busy_until: list[datetime] = []
        for run, since, until in spans:
            if run.worker == worker:
                row = _free_row(busy_until, since, until)
                x = _GUTTER + max((since - begin).total_seconds(), 0.0) * per_second
                width = max((until - max(since, begin)).total_seconds() * per_second, 3.0)
                bars.append(_bar(run, x, y + row * _PITCH, width))
        height = len(busy_until) * _PITCH + _PAD
        lanes.append(Lane(worker=worker, y=y, height=height))
        y += height
    ticks = _ticks(begin, seconds, per_second)
    return Drawing(
        height=y, gutter=_GUTTER, bar=_BAR, bars=tuple(bars), lanes=tuple(lanes), ticks=ticks
    )


def _free_row(busy_until: list[datetime], since: datetime, until: datetime) -> int:
    for row, taken in enumerate(busy_until):
        if taken <= since:
            busy_until[row] = until
            return row
    busy_until.append(until)
    return len(busy_until) - 1


def _bar(run: NamedTask, x: float, y: int, width: float) -> Bar:
    about = run.about or run.target
    source = about.rsplit("-", 2)[0]
    failed = run.state is TaskState.FAILED
    fits = int((width - 8 - (_MARK if failed else 0)) / _LETTER)
    longest_first = (f"{run.kind} {about}", about, source)
    label = next((text for text in longest_first if len(text) <= fits), "")
    seconds = f"{run.seconds:.1f} s" if run.seconds is not None else "not ended"
    waited = _waited(run.created, run.started or run.created)
    title = f"{run.kind} {about} on {run.worker}: {run.state}, {seconds}{waited}"
    mark = f"M{x + 4:.1f} {y + 5}l8 8m0 -8l-8 8" if failed else ""
    return Bar(
        task=run, x=round(x, 1), y=y, width=round(width, 1), label=label, title=title, mark=mark
    )


def _waited(created: datetime, started: datetime) -> str:
    """Return how long a task waited for a worker, where that was a while.

    >>> _waited(datetime(2026, 1, 1, 0, 0), datetime(2026, 1, 1, 0, 2))
    ', had waited 2 min 0 s'
    """
    seconds = (started - created).total_seconds()
    return f", had waited {duration(seconds)}" if seconds >= 1 else ""


def _ticks(begin: datetime, seconds: float, per_second: float) -> tuple[Tick, ...]:
    step = next((step for step in _STEPS if seconds / step <= _TICKS), 7200)
    first = -begin.timestamp() % step
    form = "%H:%M:%S" if step < 60 else "%H:%M"  # noqa: PLR2004  # a minute
    found: list[Tick] = []
    after = first
    while after <= seconds:
        at = begin + timedelta(seconds=after)
        found.append(Tick(x=round(_GUTTER + after * per_second, 1), label=at.strftime(form)))
        after += step
    return tuple(found)
