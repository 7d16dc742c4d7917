"""Celery on the hub's side: send wake-up messages, run the services worker and the signer.

A message is a task's id and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery import Celery
from kombu.connection import Connection
from kombu.exceptions import OperationalError

from buildfarm.adapters.schedule.broker import prefix_of
from buildfarm.adapters.schedule.celery_settings import BUILDER_TASK, Signing, application
from buildfarm.errors import InfraError

HUB_TASK = "buildfarm.serve"
HUB_QUEUES = frozenset({"services", "signer"})


def _application(name: str, url: str, *, prefix: str, key: Path, certificate: Path) -> Celery:
    signing = Signing(key=key, certificate=certificate, believed=certificate)
    return application(name, url, prefix=prefix, signing=signing)


class CeleryMessages:
    """Sends ids to workers, with the prefix of each."""

    def __init__(self, url: str, key: Path, certificate: Path) -> None:
        self._url = url
        self._app = _application(
            "buildfarm", url, prefix="bf:hub:", key=key, certificate=certificate
        )
        self._connections: dict[str, Connection] = {}

    def send(self, *, worker: str, queue: str, task: str) -> None:
        """Notify ``worker`` of ``task``. :raises InfraError: Redis cannot be reached."""
        name = HUB_TASK if queue in HUB_QUEUES else BUILDER_TASK
        try:
            self._app.send_task(
                name, args=[task], queue=queue, connection=self._connection(worker), retry=False
            )
        except (OperationalError, OSError) as error:
            self._connections.pop(worker, None)
            raise InfraError(f"Redis: message for {worker} not sent: {error}") from error

    def _connection(self, worker: str) -> Connection:
        if worker not in self._connections:
            self._connections[worker] = Connection(  # type: ignore[no-untyped-call]  # kombu ships no types
                self._url,
                transport_options={"global_keyprefix": prefix_of(worker), "socket_timeout": 10},
            )
        return self._connections[worker]


def hub_worker(
    url: str, *, name: str, queue: str, key: Path, certificate: Path, handle: Callable[[str], None]
) -> Celery:
    """Return the application of the services worker or the signer; ``handle`` gets each task id."""
    app = _application(
        f"buildfarm-{queue}", url, prefix=prefix_of(name), key=key, certificate=certificate
    )

    @app.task(name=HUB_TASK)  # type: ignore[untyped-decorator]  # Celery ships no types
    def serve(task_id: str) -> None:
        handle(task_id)

    return app


def run(app: Celery, *, name: str, queue: str, slots: int) -> None:
    """Consume ``queue`` until the process is stopped."""
    arguments: list[Any] = [
        "worker", f"--hostname={name}", f"--queues={queue}", "--without-gossip", "--without-mingle",
        "--without-heartbeat", f"--pool={'solo' if slots == 1 else 'threads'}",
        f"--concurrency={slots}", "--loglevel=WARNING",
    ]  # fmt: skip
    app.worker_main(arguments)
