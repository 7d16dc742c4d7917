"""Enrolment of workers: a row, a token, an ACL user of the broker, and the configuration file to
start with.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from buildfarm.domain.core.task import Task, TaskState
from buildfarm.domain.core.worker import Worker, WorkerState
from buildfarm.errors import Conflict, InputError
from buildfarm.services.core import tasks
from buildfarm.services.core.hub import Hub

_RESERVED = re.compile(r"(?:sig|target|source):[A-Za-z0-9][A-Za-z0-9._+-]*")


class WorkerBroker(Protocol):
    """Gives each worker its own user and keys in the broker."""

    def add_worker(self, worker: str) -> str:
        """The broker URL of this worker alone."""

    def remove_worker(self, worker: str) -> None:
        """Take it away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The credentials and addresses that a worker needs; the token is shown once and stored only as
    a hash.
    """

    worker: Worker
    token: str
    redis_url: str


def enroll(
    hub: Hub, broker: WorkerBroker, name: str, *, arches: Sequence[str], queues: Sequence[str],
    builder: str, slots: int = 1, actor: str, reserved: Sequence[str] = (),
) -> Credentials:  # fmt: skip
    """Make (or renew) a worker; renewing invalidates its old token and broker password at once.

    :raises InputError: it is to be reserved for something that is no ``sig:``, ``target:`` or
        ``source:``.
    """
    check_reserved(reserved)
    token = secrets.token_urlsafe(32)
    url = broker.add_worker(name)
    with hub.store.begin() as tx:
        worker = Worker(
            id=name, token_hash=tasks.token_hash(token), arches=tuple(arches), queues=tuple(queues),
            builder=builder, slots=slots, state=WorkerState.LOST, reserved=tuple(reserved),
        )  # fmt: skip
        if not tx.insert_or_ignore(worker):
            tx.update(
                worker, token_hash=worker.token_hash, arches=worker.arches, queues=worker.queues,
                builder=builder, slots=slots, reserved=worker.reserved,
            )  # fmt: skip
        tx.event("worker.enrolled", name, actor=actor, queues=list(queues))
    return Credentials(worker=worker, token=token, redis_url=url)


def register_hub_worker(hub: Hub, name: str, queue: str, *, slots: int) -> None:
    """Register the services worker or the signer of this hub; the open tasks of its predecessor are
    released at once.
    """
    with hub.store.begin() as tx:
        worker = Worker(
            id=name, token_hash="", arches=(), queues=(queue,), builder="", slots=slots,
            seen=tx.now,
        )  # fmt: skip
        if not tx.insert_or_ignore(worker):
            tx.update(
                worker, queues=worker.queues, slots=slots, seen=tx.now, state=WorkerState.READY
            )
        for task in tx.find(Task, worker=name, state=TaskState.OPEN):
            tasks.infrastructure_failure(
                tx, task, f"{name} was started anew while it worked on this"
            )


def set_drained(hub: Hub, name: str, *, drained: bool, actor: str, why: str) -> Worker:
    """Take a worker out of service after what it has, or back in.

    :raises NotFound: there is no such worker. :raises InputError: no reason given. :raises
        Conflict: it is so already.
    """
    if not why.strip():
        raise InputError(
            f"{name}: to {'drain' if drained else 'resume'} a worker needs a reason",
            hint="--reason TEXT",
        )
    with hub.store.begin() as tx:
        worker = tx.get(Worker, name)
        if (worker.state is WorkerState.DRAINED) is drained or worker.state is WorkerState.RETIRED:
            raise Conflict(f"{name} is {worker.state}")
        state = (
            WorkerState.DRAINED if drained else WorkerState.READY
        )  # if it is silent, the sweep finds it lost
        changed = tx.update(worker, only_if={"state": worker.state}, state=state) or tx.get(
            Worker, name
        )
        tx.event(f"worker.{state.value}", name, actor=actor, why=why)
    hub.wakeup.notify()
    return changed


def check_reserved(reserved: Sequence[str]) -> None:
    """:raises InputError: one of the words names nothing that a worker can be reserved for."""
    for word in reserved:
        if not _RESERVED.fullmatch(word):
            raise InputError(
                f"{word!r} is nothing to reserve a worker for",
                hint="sig:NAME, target:NAME or source:NAME",
            )


def reserve(hub: Hub, name: str, reserved: Sequence[str], *, actor: str, why: str) -> Worker:
    """Let a worker work for these alone from now on (for everybody if there are none); what it has
    it finishes.

    :raises NotFound: there is no such worker. :raises InputError: no reason given, or as
        :func:`check_reserved`.
    """
    if not why.strip():
        raise InputError(f"{name}: to reserve a worker needs a reason", hint="--reason TEXT")
    check_reserved(reserved)
    words = tuple(sorted(set(reserved)))
    with hub.store.begin() as tx:
        worker = tx.get(Worker, name)
        changed = tx.update(worker, reserved=words) or worker
        tx.event("worker.reserved", name, actor=actor, why=why, reserved=list(words))
    hub.wakeup.notify()
    return changed
