"""Tasks for reading: what ran where, for how long, and the drawing's lanes."""

from __future__ import annotations

from datetime import datetime

from buildfarm.domain.core.task import ACTIVE, Task, TaskState
from buildfarm.errors import InputError
from buildfarm.ports.store import Transaction
from buildfarm_web.read_models.build import builds
from buildfarm_web.read_models.core.convert import Json, stamp
from buildfarm_web.read_models.core.paging import page


def task_json(task: Task, now: datetime) -> Json:
    """One task; ``seconds`` counts on while it runs, ``remaining_path`` are the seconds of work behind it when
    it was given out.

    ``decision`` is why it was given out then: ``why`` in words, and the first few of its share that
    it went before.
    """
    seconds = task.seconds
    if seconds is None and task.state is TaskState.OPEN and task.started is not None:
        seconds = max((now - task.started).total_seconds(), 0.0)
    return {
        "id": task.id,
        "kind": task.kind.value,
        "subject": task.subject,
        "target": task.target,
        "arch": task.arch,
        "state": task.state.value,
        "worker": task.worker,
        "stage": task.stage,
        "seconds": seconds,
        "steps": task.result.get("seconds") or {},
        "builder": task.result.get("builder") or "",
        "host": task.result.get("host") or {},
        "failures": task.failures,
        "tried": list(task.tried),
        "failure_kind": task.failure_kind,
        "reason": task.reason,
        "generation": task.generation,
        "priority": task.priority,
        "owner": task.owner,
        "requirements": task.requirements,
        "remaining_path": task.order.get("remaining_path_s"),
        "decision": task.order.get("decision"),
        "lock": task.lock,
        "log": task.log,
        "created": stamp(task.created),
        "started": stamp(task.started),
        "finished": stamp(task.finished),
    }


def tasks(
    tx: Transaction,
    *,
    active: bool,
    state: str = "",
    subject: str = "",
    limit: int = 200,
    cursor: str = "",
) -> Json:
    """A page of tasks, the newest first; ``active`` only those that still have something to do."""
    where: dict[str, object] = {"subject": subject} if subject else {}
    if active:
        where["state"] = ACTIVE
    elif state:
        where["state"] = _state(state)
    found = page(tx, Task, "created,id", where, limit=limit, cursor=cursor)
    return {
        "tasks": named(tx, [task_json(task, tx.now) for task in found.records]),
        "cursor": found.cursor,
    }


def _state(text: str) -> TaskState:
    try:
        return TaskState(text.upper())
    except ValueError:
        raise InputError(f"no task state {text!r}", hint=f"one of {', '.join(TaskState)}") from None


def named(tx: Transaction, listed: list[Json]) -> list[Json]:
    """Tasks with ``about``: the name-version-release of the build each is about, where it is about
    one.
    """
    names = builds.nvrs(tx, (task["subject"] for task in listed))
    return [{**task, "about": names.get(task["subject"], "")} for task in listed]


def recent_runs(tx: Transaction, *, limit: int) -> list[Json]:
    """The newest tasks that somebody worked on, by start."""
    found = tx.find(Task, order_by="created,id", descending=True, limit=limit)
    ran = [task for task in found if task.started is not None and task.worker]
    ran.sort(key=lambda task: (task.started or task.created, task.id))
    return named(tx, [task_json(task, tx.now) for task in ran])
