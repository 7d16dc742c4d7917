"""Celery on the hub's side: sends wake-up messages, and runs the services worker and the signer.

A message is a task's id and nothing else; JSON only, no result backend, no gossip, mingle, events
or remote control.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery import Celery
from kombu.connection import Connection
from kombu.exceptions import OperationalError

from buildfarm.adapters.schedule.broker import prefix_of
from buildfarm.errors import InfraError

BUILDER_TASK = "buildfarm.work"
HUB_TASK = "buildfarm.serve"
HUB_QUEUES = frozenset({"services", "signer"})


def application(name: str, url: str, *, prefix: str, key: Path, certificate: Path) -> Celery:
    """A Celery application that speaks the farm's dialect of Celery; messages are signed with
    ``key``.
    """
    app = Celery(name, broker=url)
    app.conf.update(
        accept_content=["auth"],
        event_serializer="auth",
        task_serializer="auth",
        result_serializer="json",
        security_key=str(key),
        security_certificate=str(certificate),
        security_cert_store=str(certificate),
        security_digest="sha256",
        result_backend=None,
        task_ignore_result=True,
        task_acks_late=False,  # the claim decides who works; redelivery is never relied on
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "global_keyprefix": prefix,
            "socket_timeout": 70,
            "visibility_timeout": 86400,
        },
        task_create_missing_queues=True,
        enable_utc=True,
    )
    app.setup_security(serializer="json")
    return app


class CeleryMessages:
    """Sends ids to workers, each through its own prefix."""

    def __init__(self, url: str, key: Path, certificate: Path) -> None:
        self._url = url
        self._app = application(
            "buildfarm", url, prefix="bf:hub:", key=key, certificate=certificate
        )
        self._connections: dict[str, Connection] = {}

    def send(self, *, worker: str, queue: str, task: str) -> None:
        """Tell ``worker`` about ``task``. :raises InfraError: Redis cannot be reached."""
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
    """The application of the services worker or the signer: hands each task id to ``handle``."""
    app = application(
        f"buildfarm-{queue}", url, prefix=prefix_of(name), key=key, certificate=certificate
    )

    @app.task(name=HUB_TASK)  # type: ignore[untyped-decorator]  # Celery ships no types
    def serve(task_id: str) -> None:
        handle(task_id)

    return app


def run(app: Celery, *, name: str, queue: str, slots: int) -> None:
    """Consume ``queue`` until the process is told to stop."""
    arguments: list[Any] = [
        "worker", f"--hostname={name}", f"--queues={queue}", "--without-gossip", "--without-mingle",
        "--without-heartbeat", f"--pool={'solo' if slots == 1 else 'threads'}", f"--concurrency={slots}",
        "--loglevel=WARNING",
    ]  # fmt: skip
    app.worker_main(arguments)
