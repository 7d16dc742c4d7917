"""The life of a task: created once, assigned, claimed by compare-and-set, kept by heart-beats,
finished or swept up.

The database is the truth. A message only says "look at this id": a lost one costs a sweep, a
doubled one costs nothing, because exactly one claim can win.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from buildfarm import log
from buildfarm.config import Timing
from buildfarm.domain.core.build import Build, FailureKind
from buildfarm.domain.core.task import (
    ACTIVE,
    AfterInfraFailure,
    Task,
    TaskKind,
    TaskState,
    after_infrastructure_failure,
    check_holder,
    lease_is_over,
    message_is_overdue,
)
from buildfarm.domain.core.worker import Worker, WorkerState
from buildfarm.domain.schedule.sharing import Demand, Sharing, assign
from buildfarm.domain.target.target import MachineRequirements
from buildfarm.errors import Conflict, IllegalTransition, InfraError
from buildfarm.ports.messages import Messages
from buildfarm.ports.store import Store, Transaction


def new_id() -> str:
    """An opaque id."""
    return uuid.uuid4().hex[:16]


def token_hash(token: str) -> str:
    """Return what the store keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def ensure(
    tx: Transaction, kind: TaskKind, subject: str, *, target: str, arch: str = "", queue: str,
    priority: int = 0, owner: str = "", requirements: MachineRequirements | None = None,
) -> bool:  # fmt: skip
    """Create the task unless an active one of its kind, subject and arch exists; True when it is
    new.
    """
    task = Task(
        id=new_id(), kind=kind, subject=subject, target=target, arch=arch, queue=queue,
        state=TaskState.FREE, priority=priority, owner=owner,
        requirements=requirements.stored() if requirements else {}, created=tx.now,
    )  # fmt: skip
    return tx.insert_or_ignore(task)


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """A claim that won: the open task and the token its holder reports with."""

    task: Task
    token: str


def claim(tx: Transaction, task_id: str, worker: str, timing: Timing) -> Granted:
    """Take the lease of an assigned task. Exactly one caller gets it.

    :raises Conflict: the task is not assigned to this worker (any more).
    """
    task = tx.get(Task, task_id)
    token = secrets.token_urlsafe(24)
    opened = tx.update(
        task,
        only_if={"state": TaskState.ASSIGNED, "worker": worker},
        state=TaskState.OPEN,
        lease_token=token_hash(token),
        lease_until=tx.now + timedelta(seconds=timing.lease),
        started=tx.now,
        stage="claimed",
    )
    if opened is None:
        raise Conflict(
            f"task {task_id} is {task.state} and not {worker}'s to claim", hint="drop the message"
        )
    tx.event(
        "task.open", task.id, actor=f"worker:{worker}", about=task.subject, task=task.kind.value
    )
    return Granted(task=opened, token=token)


def held(tx: Transaction, task_id: str, token: str) -> Task:
    """The task, if ``token`` holds its lease. :raises IllegalTransition: it does not."""
    task = tx.get(Task, task_id)
    check_holder(task, token_hash(token))
    return task


def beat(tx: Transaction, task_id: str, token: str, stage: str, timing: Timing) -> Task:
    """Prolong the lease. :raises IllegalTransition: it is lost."""
    task = held(tx, task_id, token)
    until = tx.now + timedelta(seconds=timing.lease)
    changed = tx.update(
        task, only_if={"state": TaskState.OPEN, "lease_token": task.lease_token}, lease_until=until,
        stage=stage or task.stage,
    )  # fmt: skip
    if changed is None:
        raise IllegalTransition(f"task {task_id} was taken away")
    return changed


def close(tx: Transaction, task: Task, **fields: object) -> Task:
    """End an OPEN task well.

    :raises IllegalTransition: its lease is lost, so its result does not count.
    """
    return _end(tx, task, TaskState.CLOSED, **fields)


def fail(tx: Transaction, task: Task, kind: FailureKind, reason: str, **fields: object) -> Task:
    """End an OPEN task for the SRPM's own fault."""
    return _end(tx, task, TaskState.FAILED, failure_kind=kind.value, reason=reason, **fields)


def release_to_plan(tx: Transaction, task: Task, reason: str, **fields: object) -> Task:
    """End an OPEN task that cannot be done as things are; the planning will make another one."""
    return _end(tx, task, TaskState.CANCELED, reason=reason, **fields)


def _end(tx: Transaction, task: Task, state: TaskState, **fields: object) -> Task:
    ended = tx.update(
        task,
        only_if={"state": TaskState.OPEN, "lease_token": task.lease_token},
        state=state,
        finished=tx.now,
        **fields,
    )
    if ended is None:
        raise IllegalTransition(f"task {task.id} was taken away before it ended")
    tx.event(
        f"task.{state.value.lower()}", task.id, actor=f"worker:{task.worker}",
        why=str(fields.get("reason", "")), about=task.subject, task=task.kind.value,
    )  # fmt: skip
    _retire_guest(tx, task.worker, f"its task {task.id} is over")
    return ended


def _retire_guest(tx: Transaction, worker_id: str, why: str) -> None:
    """A guest is good for one task: from now on its token opens nothing."""
    worker = tx.first(Worker, id=worker_id)
    if worker is not None and worker.is_guest and worker.state is not WorkerState.RETIRED:
        tx.update(worker, state=WorkerState.RETIRED, token_hash="")
        tx.event("guest.retired", worker.id, actor=f"host:{worker.host}", why=why)


def release(tx: Transaction, worker_id: str, why: str) -> list[Task]:
    """A worker is gone for good: what it was assigned is free again, what it had open failed with
    its surroundings.

    :return: the tasks whose tries are used up by that.
    """
    gave_up: list[Task] = []
    _retire_guest(tx, worker_id, why)
    for task in tx.find(Task, worker=worker_id, state=(TaskState.ASSIGNED, TaskState.OPEN)):
        if task.state is TaskState.ASSIGNED:
            tx.update(
                task,
                only_if={"state": TaskState.ASSIGNED},
                state=TaskState.FREE,
                worker="",
                sent=None,
            )
            tx.event(
                "task.freed",
                task.id,
                actor="scheduler",
                why=f"{worker_id}: {why}",
                about=task.subject,
            )
            continue
        changed = infrastructure_failure(tx, task, f"{worker_id}: {why}")
        if changed.state is TaskState.FAILED:
            gave_up.append(changed)
    return gave_up


def infrastructure_failure(tx: Transaction, task: Task, reason: str) -> Task:
    """The surroundings failed: free the task for another worker, or give up after the counted
    tries.
    """
    failures = task.failures + 1
    tried = (*task.tried, task.worker)
    give_up = after_infrastructure_failure(failures) is AfterInfraFailure.GIVE_UP
    values: dict[str, object] = (
        {
            "state": TaskState.FAILED,
            "failure_kind": FailureKind.INFRASTRUCTURE.value,
            "finished": tx.now,
        }
        if give_up
        else {
            "state": TaskState.FREE,
            "worker": "",
            "lease_token": "",
            "lease_until": None,
            "sent": None,
        }
    )
    changed = tx.update(
        task, only_if={"state": task.state, "lease_token": task.lease_token}, failures=failures,
        tried=tried, reason=reason, stage="", **values,
    )  # fmt: skip
    if changed is None:
        return tx.get(Task, task.id)
    tx.event(
        "task.gave_up" if give_up else "task.retry", task.id, actor="scheduler", why=reason,
        about=task.subject, failures=failures, worker=task.worker,
    )  # fmt: skip
    _retire_guest(tx, task.worker, reason)
    return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """Results of a sweep: messages to send again, and tasks whose tries are used up."""

    resend: tuple[Task, ...]
    gave_up: tuple[Task, ...]


def sweep(tx: Transaction, timing: Timing) -> Swept:
    """Find dead workers and lost messages (Buildbot's "The One That Got Away")."""
    gave_up: list[Task] = []
    resend: list[Task] = []
    silent = tx.now - timedelta(seconds=timing.lease)
    for worker in tx.find(Worker, state=WorkerState.READY):
        if worker.seen is None or worker.seen < silent:
            tx.update(worker, state=WorkerState.LOST)
            tx.event(
                "worker.lost",
                worker.id,
                actor="scheduler",
                why=f"not heard of for {timing.lease:.0f} s",
            )
    lost = {worker.id for worker in tx.find(Worker, state=WorkerState.LOST)}
    for task in tx.find(Task, state=TaskState.OPEN):
        if lease_is_over(task, tx.now):
            reason = f"worker {task.worker} was not heard of for {timing.lease:.0f} s"
            changed = infrastructure_failure(tx, task, reason)
            if changed.state is TaskState.FAILED:
                gave_up.append(changed)
    patience = timedelta(seconds=timing.message_patience)
    for task in tx.find(Task, state=TaskState.ASSIGNED):
        if task.worker in lost:
            tx.update(
                task,
                only_if={"state": TaskState.ASSIGNED},
                state=TaskState.FREE,
                worker="",
                sent=None,
            )
            tx.event(
                "task.freed",
                task.id,
                actor="scheduler",
                why=f"worker {task.worker} is lost",
                about=task.subject,
            )
        elif message_is_overdue(task, tx.now, patience):
            changed_task = tx.update(task, only_if={"state": TaskState.ASSIGNED}, sent=tx.now)
            if changed_task is not None:
                resend.append(changed_task)
    return Swept(resend=tuple(resend), gave_up=tuple(gave_up))


def assign_free(
    tx: Transaction,
    *,
    pinned: dict[str, dict[str, object]] | None = None,
    remaining_paths: Mapping[str, float] | None = None,
    sigs: Mapping[str, str] | None = None,
    sharing: Sharing | None = None,
) -> list[Task]:
    """Give free tasks to free slots, see :mod:`buildfarm.domain.schedule.sharing`.

    What is left over says why.

    Why a task was chosen is kept with it (``order["decision"]``) and in the history.

    :param pinned: for each task's target the generation and buildroot key it is pinned to from now
        on.
    :param remaining_paths: seconds of work behind a build, by its id
        (:attr:`buildfarm.services.schedule.planning.PlanningService.remaining_paths`).
    :param sigs: the SIG of each target.
    """
    free = [
        task
        for task in tx.find(Task, state=TaskState.FREE, order_by="priority,created")
        if task.kind.handler != "builder" or (pinned or {}).get(task.target)
    ]
    if not free:
        return []
    workers = tx.find(Worker, state=WorkerState.READY)
    demand = Demand(
        free=free, held=tx.find(Task, state=(TaskState.ASSIGNED, TaskState.OPEN)), sigs=sigs or {},
        remaining_paths=remaining_paths or {}, sharing=sharing or Sharing(),
        sources=_reserved_sources(tx, free, workers),
    )  # fmt: skip
    given, left = assign(demand, workers)
    sent: list[Task] = []
    for decision in given:
        task = decision.task
        pin: dict[str, object] = {}
        if task.kind.handler == "builder":
            passed = [
                {"subject": subject, "remaining_path_s": round(seconds, 1)}
                for subject, seconds in decision.passed_over
            ]
            pin = {
                **(pinned or {}).get(task.target, {}),
                "decision": {"why": decision.why, "passed_over": passed},
            }
        if decision.remaining_path is not None:
            pin["remaining_path_s"] = round(decision.remaining_path, 1)
        changed = tx.update(
            task, only_if={"state": TaskState.FREE}, state=TaskState.ASSIGNED,
            worker=decision.worker.id, sent=tx.now, reason="", order=pin,
            generation=str(pin.get("generation", "")),
        )  # fmt: skip
        if changed is None:
            continue
        sent.append(changed)
        if task.kind.handler == "builder":
            tx.event(
                "task.assigned", task.id, actor="scheduler", why=decision.why, about=task.subject,
                worker=decision.worker.id,
            )  # fmt: skip
    for task in free:
        if task.id in left and task.reason != left[task.id]:
            tx.update(task, only_if={"state": TaskState.FREE}, reason=left[task.id])
    return sent


def _reserved_sources(
    tx: Transaction, free: Sequence[Task], workers: Sequence[Worker]
) -> dict[str, str]:
    """The source of each build that some worker is reserved for by its source's name."""
    words = {word for worker in workers for word in worker.reserved if word.startswith("source:")}
    if not words:
        return {}
    subjects = tuple({task.subject for task in free if task.kind.handler == "builder"})
    sources = tuple(word.removeprefix("source:") for word in words)
    return {build.id: build.source for build in tx.find(Build, id=subjects, source=sources)}


def send(messages: Messages, tasks: Sequence[Task]) -> None:
    """Send the wake-up messages, after the transaction; a broker that is down costs a sweep, not a
    task.
    """
    for task in tasks:
        try:
            messages.send(worker=task.worker, queue=task.queue, task=task.id)
        except InfraError as error:
            log.get().warning(
                "message.not_sent",
                task=task.id,
                worker=task.worker,
                reason=str(error),
                **{task.kind.about: task.subject},
            )


def touch(store: Store, worker_id: str) -> None:
    """Note that a worker is alive."""
    with store.begin() as tx:
        worker = tx.get(Worker, worker_id)
        state = WorkerState.READY if worker.state is WorkerState.LOST else worker.state
        tx.update(worker, seen=tx.now, state=state)


def active_of(tx: Transaction, subject: str) -> list[Task]:
    """The tasks of a subject that still have something to do."""
    return tx.find(Task, subject=subject, state=ACTIVE)
