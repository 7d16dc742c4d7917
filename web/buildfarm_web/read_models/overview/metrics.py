"""The farm in figures, for Prometheus: what there is, what waits and for how long, how long things
took, what is told.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from buildfarm.domain.core.build import BuildState
from buildfarm.domain.core.records import Event, EventConsumer
from buildfarm.domain.core.task import ACTIVE, Task, TaskState
from buildfarm.domain.core.verdict import Verdict
from buildfarm.domain.core.worker import Worker
from buildfarm.domain.notify.metric import METRICS, Metric, cumulated
from buildfarm.domain.notify.subscription import Channel, Delivery, DeliveryState
from buildfarm.domain.selfhosting.seeds import share
from buildfarm.ports.store import Transaction
from buildfarm.services.core.hub import Hub
from buildfarm.services.notify import stream
from buildfarm_web.read_models.build import builds
from buildfarm_web.read_models.target.targets import heads_of

_IN_SERVICE = ("ready", "drained", "lost")

Family = GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily


class Figures(Collector):
    """Reads the store when Prometheus asks: all processes of the hub say the same."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[Family]:
        """The families, all from one consistent read."""
        with self._hub.store.read() as tx:
            census = builds.Census(tx)
            yield from (
                self._builds(census),
                self._verdicts(census),
                self._workers(tx),
                *self._generations(tx),
            )
            yield from self._tasks(tx)
            yield from self._notifications(tx)
            yield from self._metrics(tx)

    def _builds(self, census: builds.Census) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "buildfarm_builds",
            "Builds by state, of each the last round, without superseded ones.",
            labels=("target", "state"),
        )
        for target in sorted(self._hub.config.targets):
            counts = census.states(target)
            for state in BuildState:
                family.add_metric((target, state.value), counts.get(state, 0))
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
                family.add_metric((target, verdict.value), counts.get(verdict, 0))
        return family

    def _workers(self, tx: Transaction) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "buildfarm_workers",
            "Workers by state; guests that are over are not counted.",
            labels=("state",),
        )
        counts = tx.count_by(Worker, ("state",), state=_IN_SERVICE)
        for state in _IN_SERVICE:
            family.add_metric((state,), counts.get((state,), 0))
        return family

    def _generations(self, tx: Transaction) -> Iterator[GaugeMetricFamily]:
        number = GaugeMetricFamily(
            "buildfarm_generation", "The generation in force.", labels=("tag",)
        )
        rpms = GaugeMetricFamily(
            "buildfarm_generation_rpms", "RPMs of the generation in force.", labels=("tag",)
        )
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
    def _tasks(tx: Transaction) -> Iterator[Family]:
        tasks = GaugeMetricFamily(
            "buildfarm_tasks", "Tasks that still have something to do.", labels=("kind", "state")
        )
        length = GaugeMetricFamily(
            "buildfarm_queue_length", "Tasks that no worker has.", labels=("queue",)
        )
        age = GaugeMetricFamily(
            "buildfarm_queue_age_seconds",
            "Age of the oldest task that no worker has.",
            labels=("kind", "queue"),
        )
        for (kind, state), count in sorted(
            tx.count_by(Task, ("kind", "state"), state=ACTIVE).items(), key=str
        ):
            tasks.add_metric((str(kind), str(state)), count)
        for (queue,), count in sorted(
            tx.count_by(Task, ("queue",), state=TaskState.FREE).items(), key=str
        ):
            length.add_metric((str(queue),), count)
        for kind, queue in sorted(
            tx.count_by(Task, ("kind", "queue"), state=TaskState.FREE), key=str
        ):
            oldest = tx.first(
                Task, state=TaskState.FREE, queue=queue, kind=kind, order_by="created"
            )
            if oldest is not None:
                age.add_metric((str(kind), str(queue)), (tx.now - oldest.created).total_seconds())
        yield from (tasks, length, age)

    @staticmethod
    def _notifications(tx: Transaction) -> Iterator[Family]:
        owed = GaugeMetricFamily(
            "buildfarm_deliveries",
            "Deliveries that wait, and those given up in the last 30 days.",
            labels=("channel", "state"),
        )
        late = GaugeMetricFamily(
            "buildfarm_delivery_age_seconds",
            "Age of the oldest delivery that waits.",
            labels=("channel",),
        )
        waiting = (DeliveryState.PENDING, DeliveryState.DEAD)
        counts = tx.count_by(Delivery, ("channel", "state"), state=waiting)
        for channel in Channel:
            for state in waiting:
                owed.add_metric(
                    (channel.value, state.value), counts.get((channel.value, state.value), 0)
                )
            if counts.get((channel.value, DeliveryState.PENDING.value)):
                oldest = tx.first(
                    Delivery, state=DeliveryState.PENDING, channel=channel, order_by="created"
                )
                if oldest is not None:
                    late.add_metric((channel.value,), (tx.now - oldest.created).total_seconds())
        behind = GaugeMetricFamily(
            "buildfarm_consumer_lag_events", "Events that are not told yet.", labels=("consumer",)
        )
        length = GaugeMetricFamily(
            "buildfarm_stream_length",
            "Messages in the Redis stream, when it was last told something.",
        )
        newest = tx.first(Event, order_by="id", descending=True)
        for consumer in tx.find(EventConsumer, order_by="id"):
            last = (newest.id or 0) if newest else 0
            behind.add_metric((consumer.id,), max(last - consumer.event, 0))
            if consumer.id == stream.NAME:
                length.add_metric((), consumer.length)
        yield from (owed, late, behind, length)

    @staticmethod
    def _metrics(tx: Transaction) -> Iterator[Family]:
        """Yield what the notifier counted, event by event: counters and histograms that never go
        back.
        """
        rows: dict[str, list[Metric]] = {}
        for row in tx.find(Metric, order_by="id"):
            rows.setdefault(row.name, []).append(row)
        for kind in METRICS:
            if kind.bounds:
                histogram = HistogramMetricFamily(kind.name, kind.help, labels=kind.labels)
                for row in rows.get(kind.name, ()):
                    histogram.add_metric(
                        row.labels, cumulated(row.buckets, kind.bounds), row.seconds
                    )
                yield histogram
            else:
                counter = CounterMetricFamily(kind.name, kind.help, labels=kind.labels)
                for row in rows.get(kind.name, ()):
                    counter.add_metric(row.labels, row.count)
                yield counter
