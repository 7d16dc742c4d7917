"""Running of the hub's own tasks by the services worker and the signer.

Each is safe to run twice: a worker killed half-way leaves a lease that runs out, and the task
starts again from the top.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from buildfarm import log
from buildfarm.domain.core.build import Build, BuildState, FailureKind
from buildfarm.domain.core.task import Task, TaskKind, TaskState
from buildfarm.domain.intake.drop import Drop, DropState
from buildfarm.errors import BuildFarmError, Conflict, IllegalTransition, InputError
from buildfarm.heartbeat import beating
from buildfarm.services.core import builds, tasks
from buildfarm.services.core.hub import Heartbeat, Hub

Handler = Callable[[Task, Heartbeat], None]


def serve(hub: Hub, handlers: Mapping[TaskKind, Handler], task_id: str, worker: str) -> None:
    """Claim one task and run its handler; a message for a task that was reassigned is dropped."""
    with log.bound(task=task_id, worker=worker):
        try:
            with hub.store.begin() as tx:
                granted = tasks.claim(tx, task_id, worker, hub.config.farm.timing)
        except BuildFarmError as error:
            log.get().info("task.dropped", reason=str(error))
            return
        with log.bound(
            kind=granted.task.kind.value, **{granted.task.kind.about: granted.task.subject}
        ):
            _run(hub, handlers, granted.task, granted.token)
    hub.wakeup.notify()


def _run(hub: Hub, handlers: Mapping[TaskKind, Handler], task: Task, token: str) -> None:
    log.get().info("task.open")
    try:
        with _lease_kept(hub, task, token) as heartbeat:
            handlers[task.kind](task, heartbeat)
        with hub.store.begin() as tx:
            tasks.close(tx, tasks.held(tx, task.id, token))
        log.get().info("task.closed")
    except IllegalTransition as error:
        log.get().info("task.taken_away", reason=str(error))
    except InputError as error:
        log.get().warning("task.refused", reason=str(error))
        _rejected(hub, task, token, error)
    except Exception as error:  # noqa: BLE001  # whatever it was, the task must say so and be tried again
        log.get().exception("task.broke")
        _broke(hub, task, token, f"{type(error).__name__}: {error}")


def broke_for_good(hub: Hub, task: Task) -> None:
    """Stop the drop or build of a hub task that has used up its tries, with the reason."""
    reason = f"{task.kind} failed {task.failures} times; the last: {task.reason}"
    with hub.store.begin() as tx:
        if task.kind is TaskKind.INGEST:
            drop = tx.get(Drop, task.subject)
            tx.update(drop, state=DropState.ON_HOLD, reason=reason)
            tx.event("drop.on_hold", drop.id, actor="scheduler", why=reason)
        elif task.kind in (TaskKind.DEBRAND, TaskKind.COMPARE, TaskKind.SIGN):
            build = tx.get(Build, task.subject)
            if build.state not in (BuildState.CANCELED, BuildState.FAILED, BuildState.PUBLISHED):
                builds.fail(tx, build, FailureKind.INFRASTRUCTURE, reason, actor="scheduler")


def _rejected(hub: Hub, task: Task, token: str, error: InputError) -> None:
    """Put the build or drop on hold with the reason: the input is at fault, so another try would
    not help.
    """
    with hub.store.begin() as tx:
        tasks.fail(tx, tasks.held(tx, task.id, token), FailureKind.BAD_SRPM, str(error))
        if task.kind is TaskKind.INGEST:
            drop = tx.get(Drop, task.subject)
            tx.update(drop, state=DropState.ON_HOLD, reason=str(error))
            tx.event("drop.on_hold", drop.id, actor=task.worker, why=str(error))
        elif build := tx.first(Build, id=task.subject):
            builds.move(tx, build, BuildState.ON_HOLD, actor=task.worker, why=str(error))


def _broke(hub: Hub, task: Task, token: str, reason: str) -> None:
    try:
        with hub.store.begin() as tx:
            changed = tasks.infrastructure_failure(tx, tasks.held(tx, task.id, token), reason)
    except (IllegalTransition, Conflict):
        return
    if changed.state is TaskState.FAILED:
        broke_for_good(hub, changed)


@contextmanager
def _lease_kept(hub: Hub, task: Task, token: str) -> Iterator[Heartbeat]:
    """Prolong the lease while a long handler runs, and at each of its stages."""
    timing = hub.config.farm.timing

    def enter(stage: str) -> None:
        with hub.store.begin() as tx:
            tasks.beat(tx, task.id, token, stage, timing)

    def beat() -> bool:
        try:
            enter("")
        except IllegalTransition:
            return False  # the next stage, or the end, raises it in the handler's own thread
        return True

    with beating(beat, interval=timing.heartbeat, name=f"heartbeat-{task.id}"):
        yield enter
