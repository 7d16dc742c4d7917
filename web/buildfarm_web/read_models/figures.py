"""The farm in figures, for Prometheus: what there is, what waits and for how long, how the last tasks went."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from operator import itemgetter
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from buildfarm.domain.build import BuildState
from buildfarm.domain.selfhosting import share
from buildfarm.domain.task import ACTIVE, Task, TaskState
from buildfarm.domain.verdict import Verdict
from buildfarm.domain.worker import Worker
from buildfarm.ports import Transaction
from buildfarm.services.hub import Hub
from buildfarm_web.read_models import builds
from buildfarm_web.read_models.targets import heads_of

_RECENT = 500
_QUANTILES = (0.5, 0.9)


class Figures(Collector):
    """Reads the store when Prometheus asks: all processes of the hub say the same."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families, all from one consistent read."""
        with self._hub.store.read() as tx:
            census = builds.Census(tx)
            yield from (self._builds(census), self._verdicts(census), self._workers(tx), *self._generations(tx))
            yield from self._tasks(tx)
            yield from self._recent(tx)

    def _builds(self, census: builds.Census) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "buildfarm_builds",
            "Builds by state, of each the last round, without superseded ones.",
            labels=("target", "state"),
        )
        for target in sorted(self._hub.config.targets):
            counts = census.states(target)
            for state in BuildState:
                family.add_metric((target, state.value), counts.get(state.value, 0))
        return family

    def _verdicts(self, census: builds.Census) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "buildfarm_verdicts",
            "Builds by verdict, of each the last round, without superseded ones.",
            labels=("target", "verdict"),
        )
        for target in sorted(self._hub.config.targets):
            counts = census.verdicts(target)
            for verdict in Verdict:
                family.add_metric((target, verdict.value), counts.get(verdict.value, 0))
        return family

    def _workers(self, tx: Transaction) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "buildfarm_workers", "Workers by state; guests that are over are not counted.", labels=("state",)
        )
        counts = Counter(worker.state.value for worker in tx.find(Worker, state=("ready", "drained", "lost")))
        for state in ("ready", "drained", "lost"):
            family.add_metric((state,), counts[state])
        return family

    def _generations(self, tx: Transaction) -> Iterator[GaugeMetricFamily]:
        number = GaugeMetricFamily("buildfarm_generation", "The generation in force.", labels=("tag",))
        rpms = GaugeMetricFamily("buildfarm_generation_rpms", "RPMs of the generation in force.", labels=("tag",))
        own = GaugeMetricFamily(
            "buildfarm_self_hosted_share",
            "RPMs in the buildroots of a build tag's builds that we built, over all.",
            labels=("target",),
        )
        heads = heads_of(tx)
        for name, target in sorted(self._hub.config.targets.items()):
            for tag in (target.tags.build, target.tags.destination):
                head = heads.get(tag)
                if head is None:
                    continue
                number.add_metric((tag,), head.number)
                rpms.add_metric((tag,), head.rpms)
                known = share(head.lock_ours, head.lock_rpms)
                if tag == target.tags.build and known is not None:
                    own.add_metric((name,), known)
        yield from (number, rpms, own)

    @staticmethod
    def _tasks(tx: Transaction) -> Iterator[GaugeMetricFamily]:
        tasks = GaugeMetricFamily("buildfarm_tasks", "Tasks that still have something to do.", labels=("kind", "state"))
        age = GaugeMetricFamily(
            "buildfarm_queue_age_seconds", "Age of the oldest task that no worker has.", labels=("kind",)
        )
        active = tx.pick(Task, ("kind", "state", "created"), state=ACTIVE, order_by="created")
        for (kind, state), count in sorted(Counter((kind, state) for kind, state, _ in active).items()):
            tasks.add_metric((kind, state), count)
        oldest: dict[str, datetime] = {}
        for kind, state, created in active:
            if state == TaskState.FREE:
                oldest.setdefault(kind, created)
        for kind, created in sorted(oldest.items()):
            age.add_metric((kind,), (tx.now - created).total_seconds())
        yield from (tasks, age)

    @staticmethod
    def _recent(tx: Transaction) -> Iterator[GaugeMetricFamily]:
        labels = ("kind", "outcome", "quantile")
        took = GaugeMetricFamily(
            "buildfarm_recent_task_seconds", f"How long the last {_RECENT} tasks ran.", labels=labels
        )
        waited = GaugeMetricFamily(
            "buildfarm_recent_wait_seconds",
            f"How long the last {_RECENT} tasks waited for a worker.",
            labels=labels[:1] + labels[2:],
        )
        ended = [row for state in (TaskState.CLOSED, TaskState.FAILED) for row in _ended(tx, state)]
        seconds: dict[tuple[str, str], list[float]] = {}
        waits: dict[str, list[float]] = {}
        for kind, failure, created, started, finished in sorted(ended, key=itemgetter(-1), reverse=True)[:_RECENT]:
            if started is not None:
                seconds.setdefault((kind, failure or "ok"), []).append((finished - started).total_seconds())
                waits.setdefault(kind, []).append((started - created).total_seconds())
        for (kind, outcome), values in sorted(seconds.items()):
            for quantile in _QUANTILES:
                took.add_metric((kind, outcome, str(quantile)), _quantile(values, quantile))
        for kind, values in sorted(waits.items()):
            for quantile in _QUANTILES:
                waited.add_metric((kind, str(quantile)), _quantile(values, quantile))
        yield from (took, waited)


def _ended(tx: Transaction, state: TaskState) -> list[tuple[Any, ...]]:
    asked = ("kind", "failure_kind", "created", "started", "finished")
    return tx.pick(Task, asked, state=state, order_by="finished", descending=True, limit=_RECENT)


def _quantile(values: list[float], part: float) -> float:
    """The value below which so much of them lies.

    >>> _quantile([4.0, 1.0, 3.0, 2.0, 5.0], 0.5), _quantile([7.0], 0.9)
    (3.0, 7.0)
    """
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[round(part * 100) - 1]
