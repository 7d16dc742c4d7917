"""Forecasts of targets: durations of sources, the remaining path of each build, and their starts
and ends.
"""

from __future__ import annotations

import dataclasses
from collections import ChainMap, deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from buildfarm.domain.core.build import TO_BUILD, Build
from buildfarm.domain.core.records import ForecastRecord
from buildfarm.domain.core.task import Task, TaskKind, TaskState
from buildfarm.domain.core.worker import Worker, WorkerState
from buildfarm.domain.schedule.forecast import forecast, graph_of, seconds_of
from buildfarm.domain.schedule.plan import Node
from buildfarm.domain.target.target import Target
from buildfarm.ports.store import Transaction
from buildfarm.services.core.hub import Hub

_BETWEEN_FORECASTS = timedelta(seconds=5)
_HISTORY, _RECENT, _KEPT = 10_000, 100, 5
_AT_ONCE = 500


class Forecasting:
    """Keeps the remaining paths of all targets and stores a forecast of each now and then."""

    def __init__(self, hub: Hub, durations: Durations) -> None:
        self._hub = hub
        self._durations = durations
        self._paths: dict[str, dict[str, float]] = {}
        self._written: dict[str, datetime] = {}

    @property
    def remaining_paths(self) -> Mapping[str, float]:
        """Seconds of work behind each build that is not done yet, by its id."""
        return ChainMap(*self._paths.values())

    def update(self, target: Target, nodes: Sequence[Node]) -> None:
        """Compute the remaining path of each build, and store a forecast if the last one is old."""
        known = {node.key for node in nodes}
        with self._hub.store.begin() as tx:
            self._durations.learn(tx)
            there = {
                build.id: build for build in tx.find(Build, target=target.name, state=TO_BUILD)
            }
            ahead = {
                node.key: [key for key in node.needs if key in known]
                for node in nodes
                if node.key in there
            }
            needs = {
                key: [other for other in wanted if other in ahead and other != key]
                for key, wanted in ahead.items()
            }
            costs = {key: self._durations.of(there[key]) for key in needs}
            graph = graph_of(needs, costs)
            self._paths[target.name] = dict(zip(graph.names, graph.levels, strict=True))
            last = self._written.get(target.name)
            if last is not None and tx.now - last < _BETWEEN_FORECASTS:
                return
            self._written[target.name] = tx.now
            names = {key: there[key].nvr for key in needs}
            found = dataclasses.asdict(forecast(needs, costs, names, workers=slots(tx, target)))
            record = ForecastRecord(id=target.name, forecast=found, created=tx.now)
            if not tx.insert_or_ignore(record):
                tx.update(tx.get(ForecastRecord, target.name), forecast=found, created=tx.now)


class Durations:
    """Seconds that sources take, learned from successful builds; a source that was never built is
    estimated from its size.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._seconds: dict[str, deque[float]] = {}
        self._seen: set[str] = set()

    def of(self, build: Build) -> float:
        """Return the seconds that a build will take."""
        history = self._seconds.get(build.source, ())
        size = 0
        if not history and self._hub.blobs.has(build.srpm):
            size = self._hub.blobs.path(build.srpm).stat().st_size
        return seconds_of(list(history), size)

    def learn(self, tx: Transaction) -> None:
        """Read the builds that have finished since the last call."""
        self._learn(tx, _RECENT if self._seen else _HISTORY)

    def _learn(self, tx: Transaction, limit: int) -> None:
        found = tx.select_fields(
            Task, ("id", "subject", "started", "finished"), kind=TaskKind.BUILD,
            state=TaskState.CLOSED, order_by="finished", descending=True, limit=limit,
        )  # fmt: skip
        fresh = [row for row in found if row[0] not in self._seen and row[2] and row[3]]
        subjects = sorted({row[1] for row in fresh})
        sources = {
            build: source
            for start in range(0, len(subjects), _AT_ONCE)
            for build, source in tx.select_fields(
                Build, ("id", "source"), id=tuple(subjects[start : start + _AT_ONCE])
            )
        }
        for task, subject, started, finished in reversed(fresh):
            self._seen.add(task)
            seconds = (finished - started).total_seconds()
            if subject in sources and seconds:
                self._seconds.setdefault(sources[subject], deque(maxlen=_KEPT)).appendleft(seconds)


def slots(tx: Transaction, target: Target) -> int:
    """Return how many of the target's builds can run at once now."""
    queues = {
        target.queue(arch, source)
        for arch in target.arches
        for source in ("", *target.large_sources)
    }
    return sum(w.slots for w in tx.find(Worker, state=WorkerState.READY) if queues & set(w.queues))
