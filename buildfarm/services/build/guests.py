"""Provisioning of guests: a KVM host requests the identity of one machine, and gives it back when
the machine is gone.

A guest is a worker with credentials of its own that takes one task. Its identity ends with the task
or with the machine, whichever is first: the token is invalid, the broker's user is deleted, and an
open task goes to another worker.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from buildfarm import wire
from buildfarm.domain.core.task import Task, TaskState
from buildfarm.domain.core.worker import Host, Worker, WorkerState
from buildfarm.errors import NotFound
from buildfarm.ports.store import Transaction
from buildfarm.services.build import building
from buildfarm.services.core import tasks
from buildfarm.services.core.hub import Hub
from buildfarm.services.core.workers import WorkerBroker


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestProvisioning:
    """Collaborators that provisioning needs.

    ``prefix`` is the key prefix that ``broker`` gives to a name, ``certificate`` the hub's (PEM),
    ``buildroot`` what a target's task of an arch would be built in now.
    """

    broker: WorkerBroker
    prefix: Callable[[str], str]
    certificate: str
    buildroot: Callable[[str, str], wire.Buildroot]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCredentials:
    """The credentials and addresses that a KVM host needs; the token is shown once and stored only
    as a hash.
    """

    host: Host
    token: str


def enroll_host(
    hub: Hub, name: str, *, arches: Sequence[str], queues: Sequence[str], actor: str
) -> HostCredentials:
    """Make (or renew) a KVM host; renewing invalidates its old token at once."""
    token = secrets.token_urlsafe(32)
    host = Host(
        id=name, token_hash=tasks.token_hash(token), arches=tuple(arches), queues=tuple(queues)
    )
    with hub.store.begin() as tx:
        if not tx.insert_or_ignore(host):
            tx.update(host, token_hash=host.token_hash, arches=host.arches, queues=host.queues)
        tx.event("host.enrolled", name, actor=actor, queues=list(queues))
    return HostCredentials(host=host, token=token)


def admit(
    hub: Hub, provisioning: GuestProvisioning, host: Host, asked: wire.GuestRequest
) -> wire.GuestIdentity:
    """Make the worker of one guest that is about to boot.

    :raises InfraError: the broker does not answer; then nothing was made.
    """
    name = f"{host.id}-{secrets.token_hex(4)}"
    token = secrets.token_urlsafe(32)
    url = provisioning.broker.add_worker(name)
    machine: dict[str, object] = dict(asked.facts)
    with hub.store.begin() as tx:
        tx.add(
            Worker(
                id=name, token_hash=tasks.token_hash(token), arches=host.arches, queues=host.queues,
                builder=asked.builder, slots=1, state=WorkerState.LOST, machine=machine,
                host=host.id, image=asked.image,
            )
        )  # fmt: skip
        tx.update(host, seen=tx.now)
        tx.event(
            "guest.admitted", name, actor=f"host:{host.id}", image=asked.image, machine=machine
        )
    return wire.GuestIdentity(
        name=name, token=token, redis_url=url, redis_prefix=provisioning.prefix(name),
        queues=host.queues, arches=host.arches, hub_certificate=provisioning.certificate,
    )  # fmt: skip


def guests_of(tx: Transaction, host: Host) -> tuple[wire.GuestState, ...]:
    """The guests of a host that are not over; a retired one is not among them."""
    found = []
    for worker in tx.find(
        Worker, host=host.id, state=(WorkerState.READY, WorkerState.DRAINED, WorkerState.LOST)
    ):
        task = tx.first(Task, worker=worker.id, state=TaskState.OPEN)
        found.append(
            wire.GuestState(
                name=worker.id,
                state=worker.state.value,
                joined=worker.seen is not None,
                task=task.id if task else "",
            )
        )
    return tuple(found)


def dismiss(hub: Hub, provisioning: GuestProvisioning, host: Host, name: str, reason: str) -> None:
    """The machine is gone: its identity with it, and its task to another. Safe to repeat.

    :raises NotFound: the host has no such guest.
    """
    with hub.store.begin() as tx:
        worker = tx.first(Worker, id=name, host=host.id)
        if worker is None:
            raise NotFound(f"{host.id} has no guest {name}")
        gave_up = tasks.release(tx, name, reason)
        tx.event("guest.gone", name, actor=f"host:{host.id}", why=reason)
    for task in gave_up:
        building.gave_up(hub, task)
    provisioning.broker.remove_worker(name)
    hub.wakeup.notify()
