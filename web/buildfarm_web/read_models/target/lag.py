"""Upstream lag for reading: hours since the vendor shipped, by stage, by SIG, and over time."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from buildfarm.api.responses.core.base import fields_of
from buildfarm.api.responses.target import lag as responses
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.lag import Stage, spent_until
from buildfarm.ports.store import Transaction
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.build.source_status import SourceStatus, SourceStatusIndex, row
from buildfarm_web.read_models.core.cache import Cache
from buildfarm_web.read_models.core.convert import Row, by_name

_PUBLISHED = 600
_SLOWEST = 12
_POINTS = 48
_STEPS = (
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(days=1),
    timedelta(days=7),
    timedelta(days=28),
)
_EPOCH = datetime(2000, 1, 3, tzinfo=UTC)
"""A Monday at midnight: steps begin on the hour, the day and the week."""
_NO_LAG = (BuildState.CANCELED, BuildState.EXCLUDED)


def stages_of(build: Build, now: datetime) -> dict[Stage, float]:
    """Seconds of a build by stage, in the order of the line."""
    spent = spent_until(build, now)
    return {stage: round(spent[stage], 1) for stage in Stage if spent.get(stage)}


def lag(
    hub: Hub,
    tx: Transaction,
    source_statuses: SourceStatusIndex,
    *,
    target: str = "",
    sig: str = "",
) -> responses.Lag:
    """The lag of the newest build of each source, and of the last published ones over time.

    :raises NotFound: no such target.
    """
    found = [one for one in source_statuses.of(hub, tx, target) if not sig or one.sig == sig]
    return responses.Lag(
        **fields_of(summary(tx, source_statuses.kept, found, of=(target, sig))),
        now=tx.now,
        over_time=source_statuses.kept.lately(
            ("over time", target, sig), tx, lambda: _over_time(hub, tx, target=target, sig=sig)
        ),
    )


def summary(
    tx: Transaction, kept: Cache, source_statuses: Sequence[SourceStatus], *, of: tuple[str, str]
) -> responses.LagSummary:
    """``published`` and ``under_way`` in figures, what each SIG's time goes into, and who is behind
    the longest.

    ``published_here`` leaves out what passed before the SRPM came here. ``of`` is the target and
    the SIG of the source_statuses, each empty for all.
    """
    return kept.lately(("lag", *of), tx, lambda: _summary(tx, source_statuses))


def _summary(tx: Transaction, source_statuses: Sequence[SourceStatus]) -> responses.LagSummary:
    known = [one for one in source_statuses if one.build.shipped and one.build.state not in _NO_LAG]
    spent = {one.build.id: spent_until(one.build, tx.now) for one in known}
    total = {build: sum(stages.values()) for build, stages in spent.items()}
    published = [one.build.id for one in known if one.build.state is BuildState.PUBLISHED]
    under_way = sorted(
        (one for one in known if one.build.state is not BuildState.PUBLISHED),
        key=lambda one: -total[one.build.id],
    )
    groups: dict[str, list[str]] = {}
    for one in known:
        groups.setdefault(one.sig, []).append(one.build.id)
    return responses.LagSummary(
        unknown=len(source_statuses) - len(known),
        published=_figures(total[build] for build in published),
        published_here=_figures(
            total[build] - spent[build].get(Stage.ARRIVING, 0.0) for build in published
        ),
        under_way=_figures(total[one.build.id] for one in under_way),
        stages=mean_stages(spent.values()),
        sigs=[
            responses.SigLag(
                **fields_of(_figures(total[build] for build in group)),
                sig=sig,
                sources=len(group),
                stages=mean_stages(spent[build] for build in group),
            )
            for sig, group in sorted(groups.items())
        ],
        slowest=[
            responses.SlowSource(**fields_of(row(tx, one)), stages=stages_of(one.build, tx.now))
            for one in under_way[:_SLOWEST]
        ],
    )


def mean_stages(each: Iterable[Mapping[str, float]]) -> dict[Stage, float]:
    """Return what a source's lag consists of on average, in seconds by stage.

    >>> mean_stages([{"ingest": 2.0, "building": 4.0}, {"building": 8.0}])
    {<Stage.INGEST: 'ingest'>: 1.0, <Stage.BUILDING: 'building'>: 6.0}
    """
    count = 0
    sums: dict[str, float] = dict.fromkeys(Stage, 0.0)
    for one in each:
        count += 1
        for stage, seconds in one.items():
            sums[stage] += seconds
    return {stage: round(sums[stage] / count, 1) for stage in Stage if sums[stage]}


def _figures(seconds: Iterable[float]) -> responses.Figures:
    """Count, median and the value that nine in ten stay below, in seconds.

    >>> _figures([3.0, 1.0, 2.0])
    Figures(count=3, median=2.0, nine_in_ten=2.8)
    >>> _figures([])
    Figures(count=0, median=None, nine_in_ten=None)
    """
    values = sorted(seconds)
    if not values:
        return responses.Figures(count=0, median=None, nine_in_ten=None)
    tenth = (
        statistics.quantiles(values, n=10, method="inclusive")[-1] if len(values) > 1 else values[0]
    )
    return responses.Figures(
        count=len(values), median=round(statistics.median(values), 1), nine_in_ten=round(tenth, 1)
    )


def _over_time(hub: Hub, tx: Transaction, *, target: str, sig: str) -> list[responses.LagPoint]:
    """The lag of the newest published builds by the time they were published; each point stands for
    as long as the others.
    """
    columns = ("source", "target", "shipped", "spent", "finished")
    rows = tx.select_fields(
        Build,
        columns,
        state=BuildState.PUBLISHED,
        order_by="finished",
        descending=True,
        limit=_PUBLISHED,
    )
    wanted = [
        one
        for one in by_name(columns, rows)
        if one["shipped"] and one["finished"] and _is_of(hub, one, target, sig)
    ]
    if not wanted:
        return []
    first, last = min(one["finished"] for one in wanted), max(one["finished"] for one in wanted)
    step = next((step for step in _STEPS if (last - first) / step <= _POINTS), _STEPS[-1])
    points: dict[datetime, list[dict[str, float]]] = {}
    for one in wanted:
        at = _EPOCH + (one["finished"] - _EPOCH) // step * step
        points.setdefault(at, []).append(one["spent"])
    return [
        responses.LagPoint(
            **fields_of(_figures(sum(one.values()) for one in group)),
            at=at,
            until=at + step,
            stages=mean_stages(group),
        )
        for at, group in sorted(points.items())
    ]


def _is_of(hub: Hub, one: Row, target: str, sig: str) -> bool:
    return (not target or one["target"] == target) and (
        not sig or hub.config.sig_of(one["target"], one["source"]) == sig
    )
