"""What Prometheus is told is counted once, whatever crashes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from buildfarm.domain.core.records import Event
from buildfarm.domain.core.task import Task, TaskState
from buildfarm.domain.notify.metric import Metric
from buildfarm.services.notify import consumers, metrics
from tests.integration.web.notify.conftest import Notifications
from tests.integration.web.scenarios import Scenario


def test_each_task_and_verdict_is_counted_once_whatever_crashes(
    notifications: Notifications, scenario: Scenario
) -> None:
    with notifications.hub.store.begin() as tx:
        task = tx.first(Task, subject=scenario.ids["diffutils"])
        assert task is not None
        tx.event("task.closed", task.id, actor="worker:local-1", about=task.subject)
        tx.update(task, state=TaskState.CLOSED, finished=task.started + timedelta(seconds=42))  # type: ignore[operator]

    def crash(tx: object, events: object) -> None:
        metrics.write(tx, events)  # type: ignore[arg-type]
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        consumers.consume(notifications.hub.store, "metrics", crash)
    while consumers.consume(notifications.hub.store, "metrics", metrics.write, limit=7):
        pass
    with notifications.hub.store.read() as tx:
        counts = {one.id: one for one in tx.find(Metric)}
        opened = tx.count(Event, kind="task.open")
    ran = counts["buildfarm_task_seconds|build|reef-9|ok"]
    assert (ran.count, ran.seconds) == (1, 42)
    assert counts["buildfarm_schedule_seconds|build"].count == opened
    assert counts["buildfarm_comparisons|reef-9|INCOMPATIBLE"].count == 1
    assert counts["buildfarm_publish_seconds|reef-9"].count == 5
    assert counts["buildfarm_events|build.published"].count == 5
