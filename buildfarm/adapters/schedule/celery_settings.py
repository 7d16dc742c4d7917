"""The Celery settings of hub and workers.

Messages are JSON, and signed if there are keys; there is no result backend, no gossip, no events
and no remote control.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from celery import Celery

BUILDER_TASK = "buildfarm.work"
"""Name of the Celery task that wakes a builder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """Key and certificate of the sender, and the certificates (a file or a pattern) it trusts."""

    key: Path
    certificate: Path
    believed: Path


def application(name: str, url: str, *, prefix: str, signing: Signing | None) -> Celery:
    """Return a Celery application whose Redis keys begin with ``prefix``."""
    app = Celery(name, broker=url)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        result_backend=None,
        task_ignore_result=True,
        task_acks_late=False,  # the claim decides who works; redelivery is not used
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
    if signing is not None:
        app.conf.update(
            accept_content=["auth"],
            event_serializer="auth",
            task_serializer="auth",
            security_key=str(signing.key),
            security_certificate=str(signing.certificate),
            security_cert_store=str(signing.believed),
            security_digest="sha256",
        )
        app.setup_security(serializer="json")
    return app
