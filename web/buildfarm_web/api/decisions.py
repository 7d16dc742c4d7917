"""``/api/v1``: what people decide about targets, drops and workers.

Each asks whether they may, and says who did it and why.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, jsonify

from buildfarm.api.requests import (
    DueReason,
    DueReserve,
    ReasonRequest,
    ReserveRequest,
    ResumeRequest,
)
from buildfarm.api.responses.core.decisions import (
    DropPaused,
    DropResumed,
    TargetPaused,
    TargetResumed,
)
from buildfarm.api.responses.intake.drops import Drop as DropRow
from buildfarm.api.responses.overview.workers import WorkerChanged, WorkerReserved
from buildfarm.domain.auth.permissions import Action
from buildfarm.domain.intake.drop import Drop
from buildfarm.services.core import pausing, workers
from buildfarm.services.intake import approval
from buildfarm_web import actions
from buildfarm_web.api.openapi.operation import writes
from buildfarm_web.app_context import the_hub
from buildfarm_web.http.access import read_body, require_permission, require_permission_somewhere
from buildfarm_web.read_models.intake.drops import drop_of

blueprint = Blueprint("api_decisions", __name__, url_prefix="/api/v1")


@blueprint.post("/targets/<target>/pause")
@writes("targets", DueReason, TargetPaused)
def pause_target(target: str) -> Response:
    """Begin no more builds of a target; what runs ends. A reason is due."""
    require_permission_somewhere(Action.PAUSE)
    held = actions.pause_target(target, why=read_body(ReasonRequest).reason)
    return jsonify(TargetPaused(target=held.id, paused=True, reason=held.reason, actor=held.actor))


@blueprint.post("/targets/<target>/resume")
@writes("targets", ResumeRequest, TargetResumed)
def resume_target(target: str) -> Response:
    """Go on with a paused target, or cancel what has not begun."""
    require_permission_somewhere(Action.PAUSE)
    body = read_body(ResumeRequest)
    canceled = actions.resume_target(target, why=body.reason, drop_waiting=body.drop_waiting)
    return jsonify(TargetResumed(target=target, paused=False, canceled=canceled))


@blueprint.post("/drops/<drop>/pause")
@writes("drops", DueReason, DropPaused, guarded=True)
def pause_drop(drop: str) -> Response:
    """Begin no more builds of a drop; what runs ends. A reason is due."""
    require_permission_somewhere(Action.PAUSE)
    found, held = actions.on_drop(
        drop, Action.PAUSE, pausing.pause, why=read_body(ReasonRequest).reason
    )
    return jsonify(DropPaused(drop=found.id, paused=True, reason=held.reason, actor=held.actor))


@blueprint.post("/drops/<drop>/resume")
@writes("drops", ResumeRequest, DropResumed, guarded=True)
def resume_drop(drop: str) -> Response:
    """Go on with a paused drop, or cancel what of it has not begun."""
    require_permission_somewhere(Action.PAUSE)
    body = read_body(ResumeRequest)
    resume = actions.resume(drop_waiting=body.drop_waiting)
    found, canceled = actions.on_drop(drop, Action.PAUSE, resume, why=body.reason)
    return jsonify(DropResumed(drop=found.id, paused=False, canceled=canceled))


@blueprint.post("/drops/<drop>/approve")
@writes("drops", DueReason, DropRow, guarded=True)
def approve_drop(drop: str) -> Response:
    """Let the plan of a drop become work. A reason is due."""
    return _approval(drop, approval.approve)


@blueprint.post("/drops/<drop>/refuse")
@writes("drops", DueReason, DropRow, guarded=True)
def refuse_drop(drop: str) -> Response:
    """Build nothing of a drop. A reason is due."""
    return _approval(drop, approval.refuse)


def _approval(name: str, do: Callable[..., Drop]) -> Response:
    require_permission_somewhere(Action.APPROVE)
    _, decided = actions.on_drop(name, Action.APPROVE, do, why=read_body(ReasonRequest).reason)
    with the_hub().store.read() as tx:
        return jsonify(drop_of(tx, decided))


@blueprint.post("/workers/<worker>/drain")
@writes("workers", DueReason, WorkerChanged)
def drain_worker(worker: str) -> Response:
    """Give a worker nothing more; what it has it finishes. A reason is due."""
    return _drain(worker, drained=True)


@blueprint.post("/workers/<worker>/resume")
@writes("workers", DueReason, WorkerChanged)
def resume_worker(worker: str) -> Response:
    """Take a drained worker back into service."""
    return _drain(worker, drained=False)


@blueprint.post("/workers/<worker>/reserve")
@writes("workers", DueReserve, WorkerReserved)
def reserve_worker(worker: str) -> Response:
    """Let a worker work for some SIGs, targets or sources alone. A reason is due."""
    actor, body = require_permission(Action.DRAIN).name, read_body(ReserveRequest)
    changed = workers.reserve(the_hub(), worker, body.reserved, actor=actor, why=body.reason)
    return jsonify(WorkerReserved(id=changed.id, reserved=list(changed.reserved)))


def _drain(name: str, *, drained: bool) -> Response:
    require_permission_somewhere(Action.DRAIN)
    changed = actions.drain(name, drained=drained, why=read_body(ReasonRequest).reason)
    return jsonify(WorkerChanged(id=changed.id, state=changed.state))
