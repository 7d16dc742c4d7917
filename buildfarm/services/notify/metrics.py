"""The consumer that turns events into metrics, each event once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from buildfarm.domain.core.build import Build
from buildfarm.domain.core.records import Event
from buildfarm.domain.core.task import Task
from buildfarm.domain.core.worker import Worker
from buildfarm.domain.notify.metric import (
    COMPARISONS,
    EVENTS,
    GUEST_START_SECONDS,
    PUBLISH_SECONDS,
    Metric,
    Observation,
    add_up,
    by_metric,
    metric_id,
    of_claim,
    of_task,
)
from buildfarm.ports.store import Transaction

R = TypeVar("R")
_COMPARED = ("build.compared", "build.refused")
_ENDED = ("task.closed", "task.failed", "task.gave_up")


def write(tx: Transaction, events: Sequence[Event]) -> None:
    """Add what ``events`` tell to the metrics."""
    for (kind, labels), seconds in by_metric(_observe(tx, events)).items():
        fresh = Metric(id=metric_id(kind, labels), name=kind.name, labels=labels)
        known = fresh if tx.insert_or_ignore(fresh) else tx.get(Metric, fresh.id)
        now = add_up(known, kind, seconds)
        tx.update(known, count=now.count, milliseconds=now.milliseconds, buckets=now.buckets)


def _observe(tx: Transaction, events: Sequence[Event]) -> list[Observation]:
    made = [Observation(kind=EVENTS, labels=(event.kind,)) for event in events]
    tasks = _by_id(
        tx, Task, [event for event in events if event.kind in _ENDED or event.kind == "task.open"]
    )
    builds = _by_id(
        tx, Build, [event for event in events if event.kind in (*_COMPARED, "build.published")]
    )
    for event in events:
        task, build = tasks.get(event.subject), builds.get(event.subject)
        if task is not None and event.kind in _ENDED:
            made += of_task(task)
        elif task is not None and event.kind == "task.open":
            made += of_claim(task)
        elif build is not None and event.kind in _COMPARED and event.data.get("verdict"):
            made.append(
                Observation(kind=COMPARISONS, labels=(build.target, str(event.data["verdict"])))
            )
    published = [
        (event, build)
        for event in events
        if (build := builds.get(event.subject)) and event.kind == "build.published"
    ]
    return made + _publishing(tx, published) + _guests(tx, events)


def _by_id(tx: Transaction, kind: type[R], events: Sequence[Event]) -> dict[str, R]:
    subjects = tuple({event.subject for event in events})
    return {one.id: one for one in tx.find(kind, id=subjects)} if subjects else {}  # type: ignore[attr-defined]  # every record has an id


def _publishing(tx: Transaction, published: Sequence[tuple[Event, Build]]) -> list[Observation]:
    """Observe the time from the newest verdict until the destination tag had the build."""
    compared: dict[str, list[Event]] = {}
    subjects = tuple({event.subject for event, _ in published})
    for one in tx.find(Event, subject=subjects, kind=_COMPARED, order_by="id") if subjects else ():
        compared.setdefault(one.subject, []).append(one)
    made = []
    for event, build in published:
        before = [
            one.at for one in compared.get(event.subject, ()) if (one.id or 0) < (event.id or 0)
        ]
        if before:
            seconds = max((event.at - before[-1]).total_seconds(), 0.0)
            made.append(Observation(kind=PUBLISH_SECONDS, labels=(build.target,), seconds=seconds))
    return made


def _guests(tx: Transaction, events: Sequence[Event]) -> list[Observation]:
    """Observe the time from a guest's admission to its first message; a guest that was lost and
    came back is not counted again.
    """
    names = tuple({event.subject for event in events if event.kind == "worker.ready"})
    guests = (
        {worker.id: worker for worker in tx.find(Worker, id=names) if worker.is_guest}
        if names
        else {}
    )
    if not guests:
        return []
    first: dict[tuple[str, str], Event] = {}
    for one in tx.find(
        Event, subject=tuple(guests), kind=("guest.admitted", "worker.ready"), order_by="id"
    ):
        first.setdefault((one.subject, one.kind), one)
    made = []
    for event in events:
        admitted, ready = (
            first.get((event.subject, "guest.admitted")),
            first.get((event.subject, "worker.ready")),
        )
        if admitted is not None and ready is not None and ready.id == event.id:
            accelerator = str(guests[event.subject].machine.get("accelerator", ""))
            seconds = max((event.at - admitted.at).total_seconds(), 0.0)
            made.append(
                Observation(kind=GUEST_START_SECONDS, labels=(accelerator,), seconds=seconds)
            )
    return made
