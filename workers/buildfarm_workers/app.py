"""The worker's Celery application: signed JSON messages, a prefix of its own, plain consuming."""

from __future__ import annotations

from collections.abc import Callable

from celery import Celery, signals
from celery.worker import state

from buildfarm.adapters.schedule import celery_settings
from buildfarm.adapters.schedule.celery_settings import BUILDER_TASK, Signing
from buildfarm_workers.config import WorkerConfig


def application(config: WorkerConfig, handle: Callable[[str], bool]) -> Celery:
    """Return an application whose only task passes a task's id to ``handle``.

    If ``handle`` returns False, the process ends.
    """
    signing = None
    if (security := config.security) is not None:
        signing = Signing(
            key=security.key,
            certificate=security.certificate,
            believed=security.hub_certificates / "*.crt",
        )
    app = celery_settings.application(
        "buildfarm-worker", config.redis.url, prefix=config.redis.prefix, signing=signing
    )

    @app.task(name=BUILDER_TASK)  # type: ignore[untyped-decorator]  # Celery ships no types
    def work(task_id: str) -> None:
        if not handle(task_id):
            state.should_stop = 0  # the consumer's loop sees it and ends with this exit code

    return app


def consume(
    app: Celery, config: WorkerConfig, *, slot: int, on_shutdown: Callable[[], None]
) -> None:
    """Consume messages until the process is stopped.

    ``on_shutdown`` is called at that moment, even while a task runs.
    """

    def shutting_down(**_: object) -> None:
        on_shutdown()

    signals.worker_shutting_down.connect(shutting_down, weak=False)
    app.worker_main([
        "worker", f"--hostname={config.name}.{slot}", f"--queues={','.join(config.queues)}",
        "--without-gossip", "--without-mingle", "--without-heartbeat", "--pool=solo",
        "--concurrency=1", "--loglevel=WARNING",
    ])  # fmt: skip
