"""``/api/v1``, the writing half: uploads, drops, decisions. Each needs an engineer's token and says who did it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from http import HTTPStatus

from flask import Blueprint, Response, jsonify, request, send_file, url_for

from buildfarm.api_models import (
    SHA256,
    DropFile,
    DropRequest,
    OverrideRequest,
    PriorityRequest,
    ReasonRequest,
    WaiverRequest,
)
from buildfarm.domain.build import Build
from buildfarm.domain.compare.policy import Waiver
from buildfarm.domain.drop import ItemKind
from buildfarm.domain.repository import Artifact
from buildfarm.errors import InputError, NotFound
from buildfarm.ports import Transaction
from buildfarm.services import building, builds, collecting, drops, overrides, tasks, waivers
from buildfarm.services.drops import Offered
from buildfarm_web import etags
from buildfarm_web.access import body, engineer, holder
from buildfarm_web.parts import the_hub, the_parts
from buildfarm_web.read_models.build import build_page, override_json
from buildfarm_web.read_models.builds import find_build, find_drop, rows
from buildfarm_web.read_models.drops import drop_json
from buildfarm_web.read_models.waivers import waiver_json

blueprint = Blueprint("api_writes", __name__, url_prefix="/api/v1")


@blueprint.put("/blobs/<sha256>")
def put_blob(sha256: str) -> tuple[Response, HTTPStatus]:
    """Take a file in, streamed to disk; what is there already is not sent again. :raises InputError: another digest."""
    engineer()
    parts = the_parts()
    if not re.fullmatch(SHA256, sha256):
        raise InputError(f"{sha256!r} is no SHA-256", hint="64 lower-case hexadecimal digits")
    if parts.hub.blobs.has(sha256):
        return jsonify({"sha256": sha256, "created": False}), HTTPStatus.OK
    request.max_content_length = parts.blob_limit
    blob = parts.hub.blobs.put_stream(request.stream, expected_sha256=sha256, limit=parts.blob_limit)
    return jsonify({"sha256": blob.sha256, "size": blob.size, "created": True}), HTTPStatus.CREATED


@blueprint.post("/drops")
def post_drop() -> tuple[Response, HTTPStatus]:
    """Take a drop: 202 and where to follow it; the same drop again is a 200 with the same place."""
    actor = engineer()
    wish = body(DropRequest)
    hub = the_hub()
    offered = [*_offered(wish.srpms, ItemKind.SRPM), *_offered(wish.binaries, ItemKind.BINARY)]
    offered += [Offered(kind=ItemKind.DIST_GIT, filename=f"{one.source}@{one.commit}") for one in wish.dist_git]
    received = drops.receive(
        hub, wish.target, offered, trigger="http", actor=actor, name=wish.name, claimed_id=wish.id, scratch=wish.scratch,
        priority=wish.priority, plan_first=wish.plan_first,
    )  # fmt: skip
    with hub.store.read() as tx:
        answer = jsonify({**drop_json(tx, received.drop), "created": received.created})
    answer.headers["Location"] = url_for("api.show_drop", drop=received.drop.id)
    return answer, HTTPStatus.ACCEPTED if received.created else HTTPStatus.OK


def _offered(files: Sequence[DropFile], kind: ItemKind) -> list[Offered]:
    return [Offered(kind=kind, path=file.path, sha256=file.sha256, filename=file.filename) for file in files]


@blueprint.post("/drops/<drop>/release-hold")
def release_drop(drop: str) -> Response:
    """Ingest a drop that is on hold, for a reason of one's own."""
    actor = engineer()
    wish = body(ReasonRequest)
    hub = the_hub()
    with hub.store.read() as tx:
        identity = find_drop(tx, drop).id
    released = drops.release_hold(hub, identity, actor=actor, why=wish.reason)
    with hub.store.read() as tx:
        return jsonify(drop_json(tx, released))


@blueprint.post("/builds/<build>/cancel")
def cancel_build(build: str) -> Response:
    """Cancel a build; a running task learns it with its next heart-beat. A reason is due."""

    def cancel(tx: Transaction, found: Build, *, actor: str, why: str) -> Build:
        if not why.strip():
            raise InputError(f"{found.nvr}: to cancel a build needs a reason", hint="--reason TEXT")
        return builds.cancel(tx, found, actor=actor, why=why)

    return _act(build, cancel)


@blueprint.post("/builds/<build>/priority")
def prioritise_build(build: str) -> Response:
    """Let a build go before others, or after all others. A reason is due."""
    actor, wish, hub = engineer(), body(PriorityRequest), the_hub()
    with hub.store.begin() as tx:
        found = find_build(tx, build)
        _as_seen(tx, found)
        changed = builds.prioritise(tx, found, wish.priority, actor=actor, why=wish.reason)
        answer = rows(hub, tx, [changed])[0]
    hub.wakeup.notify()
    return jsonify(answer)


@blueprint.post("/builds/<build>/retry")
def retry_build(build: str) -> Response:
    """Send an ended build through the line again."""
    return _act(build, builds.retry)


@blueprint.post("/builds/<build>/release-hold")
def release_build(build: str) -> Response:
    """Let a build on hold go on. A reason is due."""
    return _act(build, builds.release_hold)


def _as_seen(tx: Transaction, build: Build) -> None:
    """Hold ``If-Match`` against the build's page. :raises Stale: it is another by now."""
    if etags.wanted():
        etags.unchanged(jsonify(build_page(the_hub(), tx, the_parts().shares, build.id)), build.nvr)


def _act(name: str, do: Callable[..., Build]) -> Response:
    actor = engineer()
    wish = body(ReasonRequest)
    hub = the_hub()
    with hub.store.begin() as tx:
        found = find_build(tx, name)
        _as_seen(tx, found)
        changed = do(tx, found, actor=actor, why=wish.reason)
        answer = rows(hub, tx, [changed])[0]
    hub.wakeup.notify()
    return jsonify(answer)


@blueprint.get("/builds/<build>/order")
def show_order(build: str) -> Response:
    """What is needed to build it once more in the same buildroot: ``{order, generation, lock, files}``.

    A generation that was collected is written again; ask until its ``state`` is ``ready``. ``files`` are what was made then.
    """
    actor, hub = engineer(), the_hub()
    with hub.store.read() as tx:
        found = find_build(tx, build)
        task, order = building.order_as_built(hub, tx, found, request.args.get("arch", ""))
        made = [artifact for artifact in tx.find(Artifact, build=found.id, task=task.id) if not artifact.is_source]
    state = "ready"
    if order.buildroot.generation:
        why = f"{found.nvr} is to be built once more in its buildroot"
        state = collecting.ask_for_restore(hub, order.buildroot.generation, actor=actor, why=why).state.value
    return jsonify({
        "order": order.model_dump(mode="json"),
        "generation": {"id": order.buildroot.generation, "state": state},
        "lock": task.lock,
        "files": [{"filename": artifact.filename, "sha256": artifact.sha256} for artifact in made],
    })  # fmt: skip


@blueprint.get("/builds/<build>/files/<sha256>")
def get_file(build: str, sha256: str) -> Response:
    """The SRPM that was built, or an RPM that was made of it (as built, unsigned). :raises NotFound: it is not of this build."""
    engineer()
    hub = the_hub()
    with hub.store.read() as tx:
        found = find_build(tx, build)
        ours = {found.srpm_to_build} | {artifact.sha256 for artifact in tx.find(Artifact, build=found.id)}
    if sha256 not in ours:
        raise NotFound(f"{found.nvr} has no file {sha256[:16]}", hint=f"GET /api/v1/builds/{found.id} lists them")
    return send_file(hub.blobs.path(sha256), mimetype="application/octet-stream", etag=sha256, conditional=True)


@blueprint.post("/overrides")
def post_override() -> tuple[Response, HTTPStatus]:
    """Record an exception for one source, or end it."""
    actor = engineer()
    wish = body(OverrideRequest)
    made = overrides.record(
        the_hub(), wish.target, wish.source, wish.settings, reason=wish.reason, remove=wish.remove, actor=actor
    )
    return jsonify(override_json(made)), HTTPStatus.OK if wish.remove else HTTPStatus.CREATED


@blueprint.post("/waivers")
def post_waiver() -> tuple[Response, HTTPStatus]:
    """Accept a difference until a day; what it touches is judged anew at once."""
    token = holder()
    wish = body(WaiverRequest)
    values = {**wish.model_dump(), "id": wish.id or f"W-{tasks.new_id()[:8]}"}
    made = waivers.record(the_hub(), Waiver(**values), actor=token.name, role=token.role)
    with the_hub().store.read() as tx:
        return jsonify(waiver_json(tx, made)), HTTPStatus.CREATED


@blueprint.post("/waivers/<waiver>/revoke")
def revoke_waiver(waiver: str) -> Response:
    """End a waiver before its day. A reason is due."""
    actor = engineer()
    ended = waivers.revoke(the_hub(), waiver, actor=actor, why=body(ReasonRequest).reason)
    with the_hub().store.read() as tx:
        return jsonify(waiver_json(tx, ended))
