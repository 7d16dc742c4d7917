"""The forms of the pages: each asks whether this one may, calls what the API calls, and leads back
to the page with a word.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from http import HTTPStatus
from pathlib import PurePath
from urllib.parse import quote

from flask import Blueprint, redirect, request
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from buildfarm.api.requests import GrantRequest, PriorityRequest, WaiverBody, WaiverRequestBody
from buildfarm.domain.auth.permissions import Action
from buildfarm.domain.intake.drop import ItemKind
from buildfarm.errors import InputError
from buildfarm.services.build.waiver_requests import Named, literal, rpm_name
from buildfarm.services.core import builds, pausing
from buildfarm.services.intake import approval, drops
from buildfarm.services.intake.drops import Offered
from buildfarm_web import actions
from buildfarm_web.app_context import app_context, the_hub
from buildfarm_web.http.access import require_permission, require_permission_somewhere
from buildfarm_web.read_models.build.builds import find_build

blueprint = Blueprint("page_actions", __name__)

_DONE = {
    "account": "The account is made.", "rights": "The rights are changed.", "disable": "The account is closed.",
    "enable": "The account is open again.", "submit": "The drop is here; its files are being verified.",
    "retry": "The build goes through the pipeline again.", "cancel": "The build is canceled.",
    "release-hold": "Released from hold.", "priority": "The priority is changed.",
    "waive": "The waiver is in force, and the build was judged anew.", "pause": "Paused: nothing else begins.",
    "resume": "It goes on.", "approve": "The plan is approved.", "refuse": "The plan is refused.",
    "drain": "The worker gets nothing more.", "revoke": "The waiver is revoked.", "password": "The password is changed.",
    "revoke-token": "The token is revoked.", "end": "The other sessions are ended.",
    "subscribe": "The subscription is made.", "unsubscribe": "The subscription is ended.",
    "redeliver": "It is tried again at once.",
    "request-waiver": "Those who may waive it see that you asked.", "grant": "The waiver is in force, and the build was judged anew.",
    "decline": "The waiver is declined.", "compose": "The compose is made; its files are being written.",
    "promote": "This is what users get now.", "retire": "The compose is retired.",
}  # fmt: skip


def done() -> str:
    """Return what was done before this page came, in our own words; empty if nothing was."""
    return _DONE.get(request.args.get("did", ""), "")


def _reason() -> str:
    return request.form.get("reason", "")[:2000]


def _back(page: str, did: str) -> Response:
    return redirect(f"{page}?did={did}", HTTPStatus.SEE_OTHER)


@blueprint.post("/builds/<build>/<any(retry, cancel, 'release-hold', priority, waive):verb>")
def on_build(build: str, verb: str) -> Response:
    """Retry, cancel, release, prioritise a build, or waive one of its findings."""
    action = Action(verb)
    require_permission_somewhere(action)
    if verb == "waive":
        _waive(build)
    elif verb == "priority":
        body = PriorityRequest(priority=request.form.get("priority", ""), reason=_reason())  # type: ignore[arg-type]  # parsed
        actions.on_build(build, action, actions.priority(body.priority), why=body.reason)
    else:
        acts = {
            "retry": builds.retry,
            "cancel": actions.cancel,
            "release-hold": builds.release_hold,
        }
        actions.on_build(build, action, acts[verb], why=_reason())
    return _back(f"/builds/{quote(build, safe='')}", verb)


def _waive(name: str) -> None:
    """Record a waiver of one finding of one build's source in its target."""
    with the_hub().store.read() as tx:
        build = find_build(tx, name)
    form = request.form
    kind, path, subject, rpm = _finding()
    actions.waive(
        WaiverBody(
            owner=form.get("owner", ""), reason=_reason(), expires=_day(form.get("expires", "")), kind=kind,
            path=literal(path), subject=literal(subject), rpm=rpm_name(rpm), source=build.source,
            target=build.target, authority="security" if form.get("security") else "anyone",
        )
    )  # fmt: skip


def _finding() -> tuple[str, str, str, str]:
    """Kind, path, subject and RPM of the finding that was chosen. :raises InputError: none was."""
    try:
        kind, path, subject, rpm = (
            str(word) for word in json.loads(request.form.get("finding", ""))
        )
    except (ValueError, TypeError) as error:
        raise InputError("no finding was chosen", hint="choose one of the list") from error
    return kind, path, subject, rpm


def _day(text: str) -> date:
    """:raises InputError: it is none."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"its last day: {text[:40]!r} is no day", hint="as in 2026-01-31"
        ) from error


@blueprint.post("/builds/<build>/request-waiver")
def request_waiver(build: str) -> Response:
    """Ask those who may to waive one of its findings."""
    require_permission_somewhere(Action.REQUEST_WAIVER)
    kind, path, subject, rpm = _finding()
    body = WaiverRequestBody(kind=kind, path=path, subject=subject, rpm=rpm, reason=_reason())
    named = Named(kind=body.kind, path=body.path, subject=body.subject, rpm=body.rpm)
    actions.request_waiver(build, named, why=body.reason)
    return _back(f"/builds/{quote(build, safe='')}", "request-waiver")


@blueprint.post("/waiver-requests/<ask>/<any(grant, decline):verb>")
def on_waiver_request(ask: str, verb: str) -> Response:
    """Grant or decline a waiver that somebody asked for."""
    require_permission_somewhere(Action.WAIVE)
    if verb == "grant":
        body = GrantRequest(
            owner=request.form.get("owner", ""),
            expires=_day(request.form.get("expires", "")),
            reason=_reason(),
        )
        asked = actions.grant(ask, owner=body.owner, expires=body.expires, why=body.reason)
    else:
        asked = actions.decline(ask, why=_reason())
    return _back(f"/builds/{quote(asked.build, safe='')}", verb)


@blueprint.post("/drops")
def submit() -> Response:
    """Take the files of a form as a drop.

    :raises InputError: there are none, or one is too large.
    """
    require_permission_somewhere(Action.SUBMIT)
    parts = app_context()
    request.max_content_length = parts.blob_limit
    form = request.form
    actor = require_permission(Action.SUBMIT, target=form.get("target", "")).name
    offered = [_taken(upload) for upload in request.files.getlist("files") if upload.filename]
    received = drops.receive(
        parts.hub, form.get("target", ""), offered, trigger="page", actor=actor, name=form.get("name", "").strip()[:200],
        scratch=bool(form.get("scratch")), plan_first=bool(form.get("plan_first")),
    )  # fmt: skip
    return _back(f"/drops/{received.drop.id}", "submit")


def _taken(upload: FileStorage) -> Offered:
    """One file of a form, which is in the blob store afterwards."""
    filename = PurePath((upload.filename or "").replace("\\", "/")).name
    kind = ItemKind.SRPM if filename.endswith((".src.rpm", ".nosrc.rpm")) else ItemKind.BINARY
    blob = the_hub().blobs.put_stream(upload.stream, limit=app_context().blob_limit)
    return Offered(kind=kind, sha256=blob.sha256, filename=filename)


@blueprint.post("/drops/<drop>/<any(pause, resume, approve, refuse, 'release-hold'):verb>")
def on_drop(drop: str, verb: str) -> Response:
    """Pause, resume, approve, refuse or release a drop."""
    if verb == "release-hold":
        require_permission_somewhere(Action.RELEASE_HOLD)
        actions.release_drop(drop, why=_reason())
    else:
        action = Action.APPROVE if verb in ("approve", "refuse") else Action.PAUSE
        require_permission_somewhere(action)
        resume = actions.resume(drop_waiting=bool(request.form.get("drop_waiting")))
        acts: dict[str, Callable[..., object]] = {
            "pause": pausing.pause, "resume": resume, "approve": approval.approve, "refuse": approval.refuse,
        }  # fmt: skip
        actions.on_drop(drop, action, acts[verb], why=_reason())
    return _back(f"/drops/{quote(drop, safe='')}", verb)


@blueprint.post("/targets/<target>/<any(pause, resume):verb>")
def on_target(target: str, verb: str) -> Response:
    """Pause or resume a target."""
    require_permission_somewhere(Action.PAUSE)
    if verb == "pause":
        actions.pause_target(target, why=_reason())
    else:
        actions.resume_target(
            target, why=_reason(), drop_waiting=bool(request.form.get("drop_waiting"))
        )
    return _back(f"/targets/{quote(target, safe='')}", verb)


@blueprint.post("/workers/<worker>/<any(drain, resume):verb>")
def on_worker(worker: str, verb: str) -> Response:
    """Drain a worker, or take it back."""
    require_permission_somewhere(Action.DRAIN)
    actions.drain(worker, drained=verb == "drain", why=_reason())
    return _back("/workers", verb)


@blueprint.post("/waivers/<waiver>/revoke")
def on_waiver(waiver: str) -> Response:
    """Revoke a waiver."""
    require_permission_somewhere(Action.REVOKE)
    actions.revoke(waiver, why=_reason())
    return _back("/waivers", "revoke")


@blueprint.post("/targets/<target>/compose")
def compose(target: str) -> Response:
    """Name the generation in force of a target, or the one that the form says."""
    require_permission_somewhere(Action.PROMOTE)
    made = actions.compose(target, generation=request.form.get("generation", ""), why=_reason())
    return _back(f"/composes/{quote(made.id, safe='')}", "compose")


@blueprint.post("/composes/<compose>/<any(promote, retire):verb>")
def on_compose(compose: str, verb: str) -> Response:
    """Promote or retire a compose."""
    require_permission_somewhere(Action.PROMOTE)
    act = actions.promote if verb == "promote" else actions.retire
    act(compose, why=_reason())
    return _back(f"/composes/{quote(compose, safe='')}", verb)
