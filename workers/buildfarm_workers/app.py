"""The worker's Celery application: JSON (signed, where keys are given), one prefix, nothing but
plain consuming.
"""

from __future__ import annotations

from collections.abc import Callable

from celery import Celery, signals
from celery.worker import state

from buildfarm_workers.config import WorkerConfig

TASK = "buildfarm.work"


def application(config: WorkerConfig, handle: Callable[[str], bool]) -> Celery:
    """An application whose only task hands a task's id to ``handle``; when that says False, the
    process ends.
    """
    app = Celery("buildfarm-worker", broker=config.redis.url)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
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
            "global_keyprefix": config.redis.prefix, "socket_timeout": 70, "visibility_timeout": 86400,
        },
        task_create_missing_queues=True,
        enable_utc=True,
    )  # fmt: skip
    if config.security is not None:
        _sign(app, config)

    @app.task(name=TASK)  # type: ignore[untyped-decorator]  # Celery ships no types
    def work(task_id: str) -> None:
        if not handle(task_id):
            state.should_stop = 0  # the consumer's loop sees it and ends with this exit code

    return app


def consume(
    app: Celery, config: WorkerConfig, *, slot: int, on_shutdown: Callable[[], None]
) -> None:
    """Take messages until the process is told to go; ``on_shutdown`` is called at that moment, even
    in mid-task.
    """

    def shutting_down(**_: object) -> None:
        on_shutdown()

    signals.worker_shutting_down.connect(shutting_down, weak=False)
    app.worker_main([
        "worker", f"--hostname={config.name}.{slot}", f"--queues={','.join(config.queues)}",
        "--without-gossip", "--without-mingle", "--without-heartbeat", "--pool=solo", "--concurrency=1",
        "--loglevel=WARNING",
    ])  # fmt: skip


def _sign(app: Celery, config: WorkerConfig) -> None:
    """Accept only what is signed with a certificate in the folder (Celery's ``auth`` serializer,
    application/data).
    """
    security = config.security
    assert security is not None
    app.conf.update(
        accept_content=["auth"],
        event_serializer="auth",
        task_serializer="auth",
        security_key=str(security.key),
        security_certificate=str(security.certificate),
        security_cert_store=str(security.hub_certificates / "*.crt"),
        security_digest="sha256",
    )
    app.setup_security(allowed_serializers=["json"])
