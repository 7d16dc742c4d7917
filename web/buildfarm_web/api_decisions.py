"""``/api/v1``: what engineers decide about targets, drops and workers. Each needs a token and says who did it and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from flask import Blueprint, Response, jsonify

from buildfarm.api_models import ReasonRequest, ResumeRequest
from buildfarm.domain.drop import Drop
from buildfarm.ports import Transaction
from buildfarm.services import approving, pausing, workers
from buildfarm_web import etags
from buildfarm_web.access import body, engineer
from buildfarm_web.parts import the_hub
from buildfarm_web.read_models.builds import find_drop
from buildfarm_web.read_models.drops import drop_json, drop_page
from buildfarm_web.read_models.plain import Json

W = TypeVar("W", bound=ReasonRequest)

blueprint = Blueprint("api_decisions", __name__, url_prefix="/api/v1")


@blueprint.post("/targets/<target>/pause")
def pause_target(target: str) -> Response:
    """Begin no more builds of a target; what runs ends. A reason is due."""
    actor, wish, hub = engineer(), body(ReasonRequest), the_hub()
    with hub.store.begin() as tx:
        held = pausing.pause(tx, hub.target(target), actor=actor, why=wish.reason)
    hub.wakeup.notify()
    return jsonify({"target": held.id, "paused": True, "reason": held.reason, "actor": held.actor})


@blueprint.post("/targets/<target>/resume")
def resume_target(target: str) -> Response:
    """Go on with a paused target, or cancel what has not begun."""
    actor, wish, hub = engineer(), body(ResumeRequest), the_hub()
    with hub.store.begin() as tx:
        canceled = pausing.resume(tx, hub.target(target), actor=actor, why=wish.reason, drop_waiting=wish.drop_waiting)
    hub.wakeup.notify()
    return jsonify({"target": target, "paused": False, "canceled": canceled})


@blueprint.post("/drops/<drop>/pause")
def pause_drop(drop: str) -> Response:
    """Begin no more builds of a drop; what runs ends. A reason is due."""

    def pause(tx: Transaction, found: Drop, wish: ReasonRequest, actor: str) -> Json:
        held = pausing.pause(tx, found, actor=actor, why=wish.reason)
        return {"drop": found.id, "paused": True, "reason": held.reason, "actor": held.actor}

    return _on_drop(drop, ReasonRequest, pause)


@blueprint.post("/drops/<drop>/resume")
def resume_drop(drop: str) -> Response:
    """Go on with a paused drop, or cancel what of it has not begun."""

    def resume(tx: Transaction, found: Drop, wish: ResumeRequest, actor: str) -> Json:
        canceled = pausing.resume(tx, found, actor=actor, why=wish.reason, drop_waiting=wish.drop_waiting)
        return {"drop": found.id, "paused": False, "canceled": canceled}

    return _on_drop(drop, ResumeRequest, resume)


@blueprint.post("/drops/<drop>/approve")
def approve_drop(drop: str) -> Response:
    """Let the plan of a drop become work. A reason is due."""

    def approve(tx: Transaction, found: Drop, wish: ReasonRequest, actor: str) -> Json:
        return drop_json(tx, approving.approve(tx, found, actor=actor, why=wish.reason))

    return _on_drop(drop, ReasonRequest, approve)


@blueprint.post("/drops/<drop>/refuse")
def refuse_drop(drop: str) -> Response:
    """Build nothing of a drop. A reason is due."""

    def refuse(tx: Transaction, found: Drop, wish: ReasonRequest, actor: str) -> Json:
        return drop_json(tx, approving.refuse(tx, found, actor=actor, why=wish.reason))

    return _on_drop(drop, ReasonRequest, refuse)


def _on_drop(name: str, kind: type[W], do: Callable[[Transaction, Drop, W, str], Json]) -> Response:
    actor, wish, hub = engineer(), body(kind), the_hub()
    with hub.store.begin() as tx:
        found = find_drop(tx, name)
        if etags.wanted():
            etags.unchanged(jsonify(drop_page(hub, tx, found.id)), f"drop {found.name or found.id}")
        answer = do(tx, found, wish, actor)
    hub.wakeup.notify()
    return jsonify(answer)


@blueprint.post("/workers/<worker>/drain")
def drain_worker(worker: str) -> Response:
    """Give a worker nothing more; what it has it finishes. A reason is due."""
    return _drain(worker, drained=True)


@blueprint.post("/workers/<worker>/resume")
def resume_worker(worker: str) -> Response:
    """Take a drained worker back into service."""
    return _drain(worker, drained=False)


def _drain(name: str, *, drained: bool) -> Response:
    actor, wish = engineer(), body(ReasonRequest)
    changed = workers.set_drained(the_hub(), name, drained=drained, actor=actor, why=wish.reason)
    return jsonify({"id": changed.id, "state": changed.state.value})
