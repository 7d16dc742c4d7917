"""``/worker/v1``: all a builder can ask of the hub. Bodies are :mod:`buildfarm.wire`.

A worker's token opens ``hello`` and ``claim``; everything about a task needs the token of that
task's lease, which is good for nothing else and ends with the lease.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from flask import Blueprint, Response, request, send_file
from pydantic import BaseModel

from buildfarm import wire
from buildfarm.api.requests import SHA256
from buildfarm.domain.core.task import Task, TaskState
from buildfarm.domain.core.worker import Worker, WorkerState
from buildfarm.errors import InputError, NotAllowed
from buildfarm.services.build import building
from buildfarm.services.core import tasks
from buildfarm_web.app_context import app_context, the_hub
from buildfarm_web.http.access import bearer, read_body, worker
from buildfarm_web.worker_api import task_logs

blueprint = Blueprint("worker_api", __name__, url_prefix="/worker/v1")

LOG_SLACK = 64 * 1024
"""Room after the order's log limit for the worker's own word that it cut the log."""

_FILENAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._+~^-]{0,254}$")


def _answer(message: BaseModel, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(message.model_dump_json(), status=status, content_type="application/json")


def _held(task_id: str) -> Task:
    """The task, whose lease the caller's token holds. :raises IllegalTransition: it does not."""
    token = bearer()
    with the_hub().store.read() as tx:
        return tasks.held(tx, task_id, token)


@blueprint.post("/hello")
def hello() -> Response:
    """A worker introduces itself. :raises NotAllowed: under another name than its token's."""
    known = worker()
    said = read_body(wire.Hello)
    if said.name != known.id:
        raise NotAllowed(
            f"this token belongs to {known.id}, not to {said.name}",
            hint="check `name` in worker.yaml",
        )
    hub = the_hub()
    with hub.store.begin() as tx:
        now = tx.get(Worker, known.id)
        state = now.state if now.state is WorkerState.DRAINED else WorkerState.READY
        features: dict[str, object] = {**said.features, "version": said.version}
        tx.update(now, seen=tx.now, state=state, features=features, builder=said.builder)
        if now.state is not state:
            tx.event(
                "worker.ready",
                known.id,
                actor=f"worker:{known.id}",
                why=f"says hello, version {said.version}",
            )
    hub.wakeup.notify()
    timing = hub.config.farm.timing
    return _answer(wire.Welcome(heartbeat_seconds=timing.heartbeat, lease_seconds=timing.lease))


@blueprint.post("/tasks/<task>/claim")
def claim(task: str) -> Response:
    """Take the lease of a task. :raises Conflict: it is not this worker's (any more)."""
    known = worker()
    hub = the_hub()
    order, token = building.claimed(hub, task, known)
    task_logs.begin(building.log_path(hub, task))
    tasks.touch(hub.store, known.id)
    return _answer(wire.Claim(order=order, token=token, lease_seconds=hub.config.farm.timing.lease))


@blueprint.get("/tasks/<task>/payload")
def payload(task: str) -> Response:
    """The SRPM or the debranded source tree to work on, as a stream."""
    held = _held(task)
    hub = the_hub()
    with hub.store.read() as tx:
        order = building.order_for(hub, tx, held)
    blob = hub.blobs.path(order.payload.sha256)
    return send_file(
        blob, mimetype="application/octet-stream", etag=order.payload.sha256, conditional=True
    )


@blueprint.post("/tasks/<task>/heartbeat")
def heartbeat(task: str) -> Response:
    """Prolong the lease. :raises IllegalTransition: it is lost; a canceled task is told so instead."""
    token = bearer()
    said = read_body(wire.Heartbeat)
    hub = the_hub()
    with hub.store.begin() as tx:
        found = tx.get(Task, task)
        if found.state is TaskState.CANCELED and found.lease_token == tasks.token_hash(token):
            answer = wire.HeartbeatAnswer(go_on=False, reason=found.reason or "canceled")
        else:
            found = tasks.beat(tx, task, token, said.stage, hub.config.farm.timing)
            answer = wire.HeartbeatAnswer(go_on=True)
    tasks.touch(hub.store, found.worker)
    return _answer(answer)


@blueprint.post("/tasks/<task>/log")
def append_log(task: str) -> Response:
    """Append raw bytes at ``offset``; sending them twice is sending them once.

    The answer says how much the hub has: a worker whose offset is beyond that goes back and sends
    what is missing.

    :raises InputError: the log is longer than the order allows.
    """
    offset = request.args.get("offset", "")
    if not (offset.isascii() and offset.isdigit()):
        raise InputError(f"offset {offset!r} is not a number", hint="?offset=<bytes sent so far>")
    held = _held(task)
    hub = the_hub()
    most = hub.target(held.target).limits.log_mib * wire.MEBIBYTE + LOG_SLACK
    size = task_logs.append(
        building.log_path(hub, held.id), int(offset), request.get_data(), most=most
    )
    return _answer(wire.LogAnswer(offset=size))


@blueprint.put("/tasks/<task>/artifacts/<sha256>")
def put_artifact(task: str, sha256: str) -> Response:
    """Take one file the build made, streamed to disk.

    :raises InputError: another digest, too large, no file name.
    """
    held = _held(task)
    filename = request.args.get("filename", "")
    if not _FILENAME.match(filename):
        raise InputError(
            f"{filename!r} is no file name", hint="?filename=<name-version-release.arch.rpm>"
        )
    if not re.fullmatch(SHA256, sha256):
        raise InputError(f"{filename}: {sha256!r} is no SHA-256")
    parts = app_context()
    if parts.hub.blobs.has(sha256):
        size = parts.hub.blobs.path(sha256).stat().st_size
        return _answer(wire.Artifact(filename=filename, sha256=sha256, size=size))
    most = min(parts.blob_limit, parts.hub.target(held.target).limits.disk_mib * wire.MEBIBYTE)
    request.max_content_length = most
    blob = parts.hub.blobs.put_stream(request.stream, expected_sha256=sha256, limit=most)
    return _answer(
        wire.Artifact(filename=filename, sha256=blob.sha256, size=blob.size), HTTPStatus.CREATED
    )


@blueprint.post("/tasks/<task>/finish")
def finish(task: str) -> Response:
    """A worker reports. :raises InputError: what it uploaded is not what it says."""
    token = bearer()
    report = read_body(wire.Report)
    parts = app_context()
    building.finished(parts.hub, parts.intake, task, token, report)
    return Response("{}", content_type="application/json")
