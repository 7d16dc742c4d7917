"""Pauses of targets and drops: running builds finish, no other begins, and every page shows the
person and the reason.
"""

from __future__ import annotations

from buildfarm.domain.core.build import Build, BuildState, WaitKind
from buildfarm.domain.core.records import Pause
from buildfarm.domain.core.task import Task, TaskState
from buildfarm.domain.intake.drop import Drop
from buildfarm.domain.target.target import Target
from buildfarm.errors import Conflict, InputError
from buildfarm.ports.store import Transaction
from buildfarm.services.core import builds

_NOT_BEGUN = (BuildState.INGESTED, BuildState.DEBRANDED, BuildState.WAITING, BuildState.QUEUED)
Subject = Target | Drop


def paused(tx: Transaction, subject: str) -> Pause | None:
    """The pause in force of a target (by its name) or a drop (by its id), if there is one."""
    return tx.first(Pause, id=subject, active=True)


def words(pause: Pause) -> str:
    """The pause as a reason to wait."""
    return f"paused by {pause.actor}: {pause.reason}"


def pause(tx: Transaction, subject: Subject, *, actor: str, why: str) -> Pause:
    """Begin no more builds of a target or a drop.

    :raises InputError: no reason given. :raises Conflict: it is paused already.
    """
    identity, kind = _identity(subject), _kind(subject)
    if not why.strip():
        raise InputError(f"{subject.name}: a pause needs a reason", hint="--reason TEXT")
    if held := paused(tx, identity):
        raise Conflict(f"{subject.name} is {words(held)}", hint="resume it first")
    made = Pause(id=identity, active=True, actor=actor, reason=why, since=tx.now)
    if not tx.insert_or_ignore(made):
        made = (
            tx.update(tx.get(Pause, identity), active=True, actor=actor, reason=why, since=tx.now)
            or made
        )
    tx.event(f"{kind}.paused", identity, actor=actor, why=why)
    if isinstance(subject, Drop):  # a target that is paused assigns nothing at all
        _take_back(tx, subject, words(made))
    return made


def resume(
    tx: Transaction, subject: Subject, *, actor: str, why: str, drop_waiting: bool = False
) -> int:
    """Resume; with ``drop_waiting`` builds that have not begun are canceled instead. Return how
    many were canceled.

    :raises Conflict: it is not paused.
    """
    identity = _identity(subject)
    held = paused(tx, identity)
    if held is None:
        raise Conflict(f"{subject.name} is not paused")
    tx.update(held, active=False)
    tx.event(f"{_kind(subject)}.resumed", identity, actor=actor, why=why, was=held.reason)
    return (
        cancel_waiting(
            tx, subject, actor=actor, why=why or f"dropped when {subject.name} was resumed"
        )
        if drop_waiting
        else 0
    )


def cancel_waiting(tx: Transaction, subject: Subject, *, actor: str, why: str) -> int:
    """Cancel what of a target or a drop has not begun; how many builds."""
    if isinstance(subject, Drop):
        waiting = tx.find(Build, state=_NOT_BEGUN, drop_id=subject.id)
    else:
        waiting = tx.find(Build, state=_NOT_BEGUN, target=subject.name)
    for build in waiting:
        builds.cancel(tx, build, actor=actor, why=why)
    return len(waiting)


def _take_back(tx: Transaction, drop: Drop, why: str) -> None:
    """Let queued builds of a drop wait again unless a builder has them."""
    for build in tx.find(Build, drop_id=drop.id, state=BuildState.QUEUED):
        tasks = tx.find(
            Task, subject=build.id, state=(TaskState.FREE, TaskState.ASSIGNED, TaskState.OPEN)
        )
        if all(task.state is TaskState.FREE for task in tasks):
            for task in tasks:
                tx.update(
                    task,
                    only_if={"state": TaskState.FREE},
                    state=TaskState.CANCELED,
                    finished=tx.now,
                    reason=why,
                )
            builds.move(
                tx,
                build,
                BuildState.WAITING,
                actor="pause",
                why=why,
                wait_kind=WaitKind.PAUSED.value,
            )


def _identity(subject: Subject) -> str:
    return subject.id if isinstance(subject, Drop) else subject.name


def _kind(subject: Subject) -> str:
    return "drop" if isinstance(subject, Drop) else "target"
