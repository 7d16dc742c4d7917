"""What Prometheus is told is counted once, whatever crashes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from buildfarm.domain.core.records import Event
from buildfarm.domain.core.task import Task, TaskState
from buildfarm.domain.notify.metric import Meter
from buildfarm.services.notify import consumers, metrics
from tests.integration.web.notify.conftest import Telling
from tests.integration.web.scenario import Story


def test_each_task_and_verdict_is_counted_once_whatever_crashes(
    telling: Telling, story: Story
) -> None:
    with telling.hub.store.begin() as tx:
        task = tx.first(Task, subject=story.ids["diffutils"])
        assert task is not None
        tx.event("task.closed", task.id, actor="worker:local-1", about=task.subject)
        tx.change(task, state=TaskState.CLOSED, finished=task.started + timedelta(seconds=42))  # type: ignore[operator]

    def crash(tx: object, events: object) -> None:
        metrics.write(tx, events)  # type: ignore[arg-type]
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        consumers.follow(telling.hub.store, "meters", crash)
    while consumers.follow(telling.hub.store, "meters", metrics.write, limit=7):
        pass
    with telling.hub.store.read() as tx:
        meters = {one.id: one for one in tx.find(Meter)}
        opened = tx.count(Event, kind="task.open")
    ran = meters["buildfarm_task_seconds|build|reef-9|ok"]
    assert (ran.count, ran.seconds) == (1, 42)
    assert meters["buildfarm_schedule_seconds|build"].count == opened
    assert meters["buildfarm_comparisons|reef-9|INCOMPATIBLE"].count == 1
    assert meters["buildfarm_publish_seconds|reef-9"].count == 5
    assert meters["buildfarm_events|build.published"].count == 5
