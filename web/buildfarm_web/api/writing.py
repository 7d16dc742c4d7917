"""``/api/v1``, the writing half: uploads, drops, decisions.

Each asks :mod:`.access` whether this one may, and says who did it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus

from flask import Blueprint, Response, jsonify, request, send_file, url_for

from buildfarm.api.requests import (
    SHA256,
    DropRequest,
    DuePriority,
    DueReason,
    OverrideRequest,
    PriorityRequest,
    ReasonRequest,
    ReferenceRequest,
    WaiverBody,
)
from buildfarm.api.responses.build.builds import Build as BuildRow
from buildfarm.api.responses.build.builds import BuildOrder, OrderFile, OrderGeneration
from buildfarm.api.responses.build.overrides import SourceOverride
from buildfarm.api.responses.build.parity import AttachedReference
from buildfarm.api.responses.build.waivers import Waiver
from buildfarm.api.responses.core.base import fields_of
from buildfarm.api.responses.core.decisions import StoredBlob
from buildfarm.api.responses.intake.drops import Drop, ReceivedDrop
from buildfarm.domain.auth.permissions import Action
from buildfarm.domain.core.build import Build
from buildfarm.domain.publish.repository import Artifact
from buildfarm.errors import InputError, NotFound
from buildfarm.services.build import building, overrides, references
from buildfarm.services.core import bootstrap_variants, builds
from buildfarm.services.intake import drops
from buildfarm.services.publish import collecting
from buildfarm_web import actions
from buildfarm_web.api.openapi.operation import BYTES, reads, writes
from buildfarm_web.api.openapi.queries import OrderQuery
from buildfarm_web.app_context import app_context, the_hub
from buildfarm_web.http.access import read_body, require_permission, require_permission_somewhere
from buildfarm_web.read_models.build.build_page import override_json
from buildfarm_web.read_models.build.builds import find_build, rows
from buildfarm_web.read_models.build.waivers import waiver_json
from buildfarm_web.read_models.intake.drops import drop_of

blueprint = Blueprint("api_writes", __name__, url_prefix="/api/v1")


@blueprint.put("/blobs/<sha256>")
@writes(
    "drops",
    BYTES,
    {HTTPStatus.OK: StoredBlob, HTTPStatus.CREATED: StoredBlob},
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
)
def put_blob(sha256: str) -> tuple[Response, HTTPStatus]:
    """Take a file in, streamed to disk; what is there already is not sent again.

    :raises InputError: another digest.
    """
    require_permission_somewhere(Action.SUBMIT)
    parts = app_context()
    if not re.fullmatch(SHA256, sha256):
        raise InputError(f"{sha256!r} is no SHA-256", hint="64 lower-case hexadecimal digits")
    if parts.hub.blobs.has(sha256):
        return jsonify(StoredBlob(sha256=sha256, created=False)), HTTPStatus.OK
    request.max_content_length = parts.blob_limit
    blob = parts.hub.blobs.put_stream(
        request.stream, expected_sha256=sha256, limit=parts.blob_limit
    )
    return jsonify(StoredBlob(sha256=blob.sha256, size=blob.size, created=True)), HTTPStatus.CREATED


@blueprint.post("/drops")
@writes(
    "drops",
    DropRequest,
    {HTTPStatus.ACCEPTED: ReceivedDrop, HTTPStatus.OK: ReceivedDrop},
    HTTPStatus.NOT_FOUND,
)
def post_drop() -> tuple[Response, HTTPStatus]:
    """Take a drop: 202 and where to follow it; the same drop again is a 200 with the same place."""
    require_permission_somewhere(Action.SUBMIT)
    body = read_body(DropRequest)
    actor, hub = require_permission(Action.SUBMIT, target=body.target).name, the_hub()
    received = drops.receive(
        hub, body.target, drops.offered_in(body), trigger="http", actor=actor, name=body.name, claimed_id=body.id, scratch=body.scratch,
        priority=body.priority, plan_first=body.plan_first,
    )  # fmt: skip
    with hub.store.read() as tx:
        shown = fields_of(drop_of(tx, received.drop)) | {"created": received.created}
    answer = jsonify(ReceivedDrop(**shown))
    answer.headers["Location"] = url_for("api.show_drop", drop=received.drop.id)
    return answer, HTTPStatus.ACCEPTED if received.created else HTTPStatus.OK


@blueprint.post("/drops/<drop>/release-hold")
@writes("drops", DueReason, Drop)
def release_drop(drop: str) -> Response:
    """Ingest a drop that is on hold, for a reason of one's own."""
    require_permission_somewhere(Action.RELEASE_HOLD)
    released = actions.release_drop(drop, why=read_body(ReasonRequest).reason)
    with the_hub().store.read() as tx:
        return jsonify(drop_of(tx, released))


@blueprint.post("/builds/<build>/cancel")
@writes("builds", DueReason, BuildRow, guarded=True)
def cancel_build(build: str) -> Response:
    """Cancel a build; a running task learns it with its next heart-beat. A reason is due."""
    return _act(build, Action.CANCEL, actions.cancel)


@blueprint.post("/builds/<build>/priority")
@writes("builds", DuePriority, BuildRow, guarded=True)
def prioritise_build(build: str) -> Response:
    """Let a build go before others, or after all others. A reason is due."""
    require_permission_somewhere(Action.PRIORITY)
    body = read_body(PriorityRequest)
    return _row(
        actions.on_build(build, Action.PRIORITY, actions.priority(body.priority), why=body.reason)
    )


@blueprint.post("/builds/<build>/retry")
@writes("builds", ReasonRequest, BuildRow, guarded=True)
def retry_build(build: str) -> Response:
    """Send an ended build through the pipeline again."""
    return _act(build, Action.RETRY, builds.retry)


@blueprint.post("/builds/<build>/release-hold")
@writes("builds", DueReason, BuildRow, guarded=True)
def release_build(build: str) -> Response:
    """Let a build on hold go on. A reason is due."""
    return _act(build, Action.RELEASE_HOLD, builds.release_hold)


def _act(name: str, action: Action, do: Callable[..., Build]) -> Response:
    require_permission_somewhere(action)
    return _row(actions.on_build(name, action, do, why=read_body(ReasonRequest).reason))


def _row(build: Build) -> Response:
    return jsonify(rows(the_hub(), [build])[0])


@blueprint.get("/builds/<build>/order")
@reads("builds", BuildOrder, OrderQuery, secured=True)
def show_order(build: str) -> Response:
    """Return everything that a second build in the same buildroot takes: ``{order, generation,
    lock, files}``.

    A generation that was collected is written again; ask until its ``state`` is ``ready``.
    ``files`` are what was made then.
    """
    require_permission_somewhere(Action.READ_FILES)
    hub = the_hub()
    with hub.store.read() as tx:
        found = find_build(tx, build)
        actor = require_permission(Action.READ_FILES, target=found.target, source=found.source).name
        task, order = building.order_as_built(hub, tx, found, request.args.get("arch", ""))
        made = [
            artifact
            for artifact in tx.find(Artifact, build=found.id, task=task.id)
            if not artifact.is_source
        ]
    state, why = "ready", f"{found.nvr} is to be built once more in its buildroot"
    for generation in filter(None, (order.buildroot.generation, *order.buildroot.below)):
        restored = collecting.ask_for_restore(hub, generation, actor=actor, why=why).state.value
        state = restored if state == "ready" else state
    answer = BuildOrder(
        order=order,
        generation=OrderGeneration(id=order.buildroot.generation, state=state),
        lock=task.lock,
        files=[OrderFile(filename=one.filename, sha256=one.sha256) for one in made],
    )
    return jsonify(answer)


@blueprint.get("/builds/<build>/files/<sha256>")
@reads("builds", BYTES, secured=True)
def get_file(build: str, sha256: str) -> Response:
    """The SRPM that was built, or an RPM that was made of it (as built, unsigned).

    :raises NotFound: it is not of this build.
    """
    require_permission_somewhere(Action.READ_FILES)
    hub = the_hub()
    with hub.store.read() as tx:
        found = find_build(tx, build)
        require_permission(Action.READ_FILES, target=found.target, source=found.source)
        variant = bootstrap_variants.of(tx, found)
        ours = {variant.srpm if variant else found.srpm_to_build}
        ours |= {artifact.sha256 for artifact in tx.find(Artifact, build=found.id)}
    if sha256 not in ours:
        raise NotFound(
            f"{found.nvr} has no file {sha256[:16]}",
            hint=f"GET /api/v1/builds/{found.id} lists them",
        )
    return send_file(
        hub.blobs.path(sha256), mimetype="application/octet-stream", etag=sha256, conditional=True
    )


@blueprint.post("/overrides")
@writes(
    "overrides",
    OverrideRequest,
    {HTTPStatus.CREATED: SourceOverride, HTTPStatus.OK: SourceOverride},
    HTTPStatus.NOT_FOUND,
)
def post_override() -> tuple[Response, HTTPStatus]:
    """Record an exception for one source, or end it."""
    require_permission_somewhere(Action.OVERRIDE)
    body = read_body(OverrideRequest)
    actor = require_permission(Action.OVERRIDE, target=body.target, source=body.source).name
    made = overrides.record(
        the_hub(),
        body.target,
        body.source,
        body.settings,
        reason=body.reason,
        remove=body.remove,
        actor=actor,
    )
    return jsonify(override_json(made)), HTTPStatus.OK if body.remove else HTTPStatus.CREATED


@blueprint.post("/builds/<build>/reference")
@writes("builds", ReferenceRequest, {HTTPStatus.CREATED: AttachedReference})
def post_reference(build: str) -> tuple[Response, HTTPStatus]:
    """Attach the vendor's buildroot to a build."""
    actor = require_permission(Action.OPERATE).name
    with the_hub().store.read() as tx:
        subject = find_build(tx, build).id
    return _reference(subject, actor)


@blueprint.post("/targets/<target>/reference")
@writes("targets", ReferenceRequest, {HTTPStatus.CREATED: AttachedReference})
def post_target_reference(target: str) -> tuple[Response, HTTPStatus]:
    """Attach the vendor's buildroot to a target: for builds that have none of their own."""
    actor = require_permission(Action.OPERATE).name
    return _reference(f"{references.TARGET}{the_hub().target(target).name}", actor)


def _reference(subject: str, actor: str) -> tuple[Response, HTTPStatus]:
    body = read_body(ReferenceRequest)
    made = references.add(the_hub(), subject, body.text, arch=body.arch, actor=actor)
    attached = AttachedReference(
        subject=made.subject,
        arch=made.arch,
        form=made.form,
        rpms=len(made.rpms),
        digest=made.digest,
    )
    return jsonify(attached), HTTPStatus.CREATED


@blueprint.post("/waivers")
@writes("waivers", WaiverBody, {HTTPStatus.CREATED: Waiver})
def post_waiver() -> tuple[Response, HTTPStatus]:
    """Accept a difference until a day; what it touches is judged anew at once."""
    require_permission_somewhere(Action.WAIVE)
    made = actions.waive(read_body(WaiverBody))
    with the_hub().store.read() as tx:
        return jsonify(waiver_json(tx, made)), HTTPStatus.CREATED


@blueprint.post("/waivers/<waiver>/revoke")
@writes("waivers", DueReason, Waiver)
def revoke_waiver(waiver: str) -> Response:
    """End a waiver before its day. A reason is due."""
    require_permission_somewhere(Action.REVOKE)
    ended = actions.revoke(waiver, why=read_body(ReasonRequest).reason)
    with the_hub().store.read() as tx:
        return jsonify(waiver_json(tx, ended))
