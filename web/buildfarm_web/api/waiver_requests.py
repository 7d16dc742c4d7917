"""``/api/v1``: asking for a waiver, granting and declining."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, jsonify

from buildfarm.api.requests import DueReason, GrantRequest, ReasonRequest, WaiverRequestBody
from buildfarm.api.responses.build.waivers import WaiverRequest as WaiverRequestRow
from buildfarm.domain.auth.permissions import Action
from buildfarm.domain.build.waiver import WaiverRequest
from buildfarm.services.build.waiver_requests import Named
from buildfarm_web import actions
from buildfarm_web.api.openapi.operation import writes
from buildfarm_web.app_context import the_hub
from buildfarm_web.http.access import read_body, require_permission_somewhere
from buildfarm_web.read_models.build.waiver_requests import waiver_request_json

blueprint = Blueprint("api_asks", __name__, url_prefix="/api/v1")


@blueprint.post("/builds/<build>/request-waiver")
@writes("waivers", WaiverRequestBody, {HTTPStatus.CREATED: WaiverRequestRow})
def request_waiver(build: str) -> tuple[Response, HTTPStatus]:
    """Ask those who may to waive a finding of a build. :raises NotFound: it has no such finding."""
    require_permission_somewhere(Action.REQUEST_WAIVER)
    body = read_body(WaiverRequestBody)
    named = Named(kind=body.kind, path=body.path, subject=body.subject, rpm=body.rpm)
    return _said(actions.request_waiver(build, named, why=body.reason)), HTTPStatus.CREATED


@blueprint.post("/waiver-requests/<ask>/grant")
@writes("waivers", GrantRequest, WaiverRequestRow)
def grant_waiver(ask: str) -> Response:
    """Record the waiver that somebody asked for, until a day."""
    require_permission_somewhere(Action.WAIVE)
    body = read_body(GrantRequest)
    return _said(actions.grant(ask, owner=body.owner, expires=body.expires, why=body.reason))


@blueprint.post("/waiver-requests/<ask>/decline")
@writes("waivers", DueReason, WaiverRequestRow)
def decline_waiver(ask: str) -> Response:
    """Refuse the waiver that somebody asked for. A reason is due."""
    require_permission_somewhere(Action.WAIVE)
    return _said(actions.decline(ask, why=read_body(ReasonRequest).reason))


def _said(asked: WaiverRequest) -> Response:
    with the_hub().store.read() as tx:
        return jsonify(waiver_request_json(tx, asked))
