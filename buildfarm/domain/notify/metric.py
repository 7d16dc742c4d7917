"""Metrics: counters and histograms for Prometheus, counted once for each event and stored, so that
they never decrease.

Owns the names, their buckets and which event is measured how; the store keeps one row a metric and
label set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from buildfarm.domain.core.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricKind:
    """One metric; ``bounds`` are the upper bounds of its buckets in seconds, empty for a plain
    counter.
    """

    name: str
    help: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...] = ()


_SHORT = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)
_LONG = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200)

TASK_SECONDS = MetricKind(
    name="buildfarm_task_seconds",
    help="How long tasks ran, by how they ended (ok, or the failure's kind).",
    labels=("kind", "target", "outcome"), bounds=_LONG,
)  # fmt: skip
SCHEDULE_SECONDS = MetricKind(
    name="buildfarm_schedule_seconds", help="From a task's creation until a worker claimed it.",
    labels=("kind",), bounds=_LONG,
)  # fmt: skip
GUEST_START_SECONDS = MetricKind(
    name="buildfarm_guest_start_seconds",
    help="From a guest's admission to its first word to the hub.", labels=("accelerator",),
    bounds=_SHORT,
)  # fmt: skip
PUBLISH_SECONDS = MetricKind(
    name="buildfarm_publish_seconds",
    help="From a build's verdict until the destination tag had it.", labels=("target",),
    bounds=_SHORT,
)  # fmt: skip
COMPARISONS = MetricKind(
    name="buildfarm_comparisons",
    help="Comparisons that ended, by verdict.",
    labels=("target", "verdict"),
)
EVENTS = MetricKind(name="buildfarm_events", help="Events, by kind.", labels=("kind",))

METRICS = (
    TASK_SECONDS,
    SCHEDULE_SECONDS,
    GUEST_START_SECONDS,
    PUBLISH_SECONDS,
    COMPARISONS,
    EVENTS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One event as one metric sees it; ``seconds`` is 0 for a counter."""

    kind: MetricKind
    labels: tuple[str, ...]
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric's row: so many observations, their sum, and how many fell into each bucket.

    Buckets are not cumulated; the last one is everything above the last bound.
    """

    id: str
    name: str
    labels: tuple[str, ...]
    count: int = 0
    milliseconds: int = 0
    buckets: tuple[int, ...] = field(default=())

    @property
    def seconds(self) -> float:
        """The sum of what was observed."""
        return self.milliseconds / 1000


def metric_id(kind: MetricKind, labels: tuple[str, ...]) -> str:
    """Return the id of the row for a name and its labels.

    >>> metric_id(SCHEDULE_SECONDS, ("build",))
    'buildfarm_schedule_seconds|build'
    """
    return "|".join((kind.name, *labels))


def add_up(known: Metric, kind: MetricKind, seconds: Iterable[float]) -> Metric:
    """Return ``known`` with these observations.

    >>> before = Metric(id="m", name=SCHEDULE_SECONDS.name, labels=("build",))
    >>> after = add_up(before, SCHEDULE_SECONDS, [0.5, 7.0, 1e6])
    >>> after.count, after.seconds, after.buckets[:3], after.buckets[-1]
    (3, 1000007.5, (1, 0, 1), 1)
    """
    seen = list(seconds)
    buckets = list(known.buckets or (0,) * (len(kind.bounds) + 1)) if kind.bounds else []
    for value in seen if kind.bounds else ():
        buckets[
            next((at for at, bound in enumerate(kind.bounds) if value <= bound), len(kind.bounds))
        ] += 1
    return Metric(
        id=known.id, name=known.name, labels=known.labels, count=known.count + len(seen),
        milliseconds=known.milliseconds + round(sum(seen) * 1000), buckets=tuple(buckets),
    )  # fmt: skip


def cumulated(buckets: Iterable[int], bounds: Iterable[float]) -> list[tuple[str, float]]:
    """Return the buckets as Prometheus wants them: each with all below it, the last one ``+Inf``.

    >>> cumulated((1, 0, 2), (0.5, 1))
    [('0.5', 1), ('1', 1), ('+Inf', 3)]
    """
    total = 0
    made: list[tuple[str, float]] = []
    for bound, count in zip([*(f"{one:g}" for one in bounds), "+Inf"], buckets, strict=True):
        total += count
        made.append((bound, total))
    return made


def of_task(task: Task) -> list[Observation]:
    """Return what a task that ended tells."""
    made: list[Observation] = []
    if task.seconds is not None:
        labels = (task.kind.value, task.target, task.failure_kind or "ok")
        made.append(Observation(kind=TASK_SECONDS, labels=labels, seconds=task.seconds))
    return made


def of_claim(task: Task) -> list[Observation]:
    """Return what a task that was claimed tells."""
    if task.started is None:
        return []
    waited = max((task.started - task.created).total_seconds(), 0.0)
    return [Observation(kind=SCHEDULE_SECONDS, labels=(task.kind.value,), seconds=waited)]


def by_metric(
    observed: Iterable[Observation],
) -> Mapping[tuple[MetricKind, tuple[str, ...]], list[float]]:
    """Group observations by metric and labels."""
    found: dict[tuple[MetricKind, tuple[str, ...]], list[float]] = {}
    for one in observed:
        found.setdefault((one.kind, one.labels), []).append(one.seconds)
    return found
