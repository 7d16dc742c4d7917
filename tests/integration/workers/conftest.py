"""A hub that speaks the worker API, and orders for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from buildfarm_workers.config import WorkerConfig

from buildfarm import wire
from tests.integration.workers.hub_server import WORKER_TOKEN, HubServer


@pytest.fixture
def hub() -> Iterator[HubServer]:
    server = HubServer()
    yield server
    server.close()


@pytest.fixture
def order() -> Callable[..., wire.WorkOrder]:
    def make(task: str = "t1", payload: bytes = b"an SRPM", **more: object) -> wire.WorkOrder:
        return wire.WorkOrder.model_validate({
            "task": task, "kind": "build", "build": f"build-of-{task}", "target": "test-9", "nvr": "x-1-1", "arch": "x86_64",
            "payload": {"sha256": hashlib.sha256(payload).hexdigest(), "filename": "x-1-1.src.rpm", "size": len(payload)},
            "buildroot": {"key": "k", "generation": "", "packages": [], "repositories": []},
            **more,
        })  # fmt: skip

    return make


@pytest.fixture
def config(hub: HubServer, tmp_path: Path) -> WorkerConfig:
    return WorkerConfig.model_validate({
        "name": "w1", "hub_url": hub.url, "token": WORKER_TOKEN, "redis": {"url": "redis://127.0.0.1:1/0", "prefix": "bf:w:w1:"},
        "queues": ["test-9.x86_64.small"], "arches": ["x86_64"], "workdir": tmp_path / "w",
    })  # fmt: skip
