"""``/api/v1/composes``: release states of targets: looked at, made, promoted, retired."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, jsonify, request, url_for

from buildfarm.api.requests import ComposeRequest, DueReason, ReasonRequest
from buildfarm.api.responses.publish.composes import Compose as ComposeRow
from buildfarm.api.responses.publish.composes import ComposeList, ComposePage
from buildfarm.domain.auth.permissions import Action
from buildfarm.domain.publish.compose import Compose
from buildfarm_web import actions
from buildfarm_web.api.openapi.operation import reads, writes
from buildfarm_web.api.openapi.queries import DropsQuery
from buildfarm_web.api.reading import cursor, limit, listed
from buildfarm_web.app_context import the_hub
from buildfarm_web.http.access import read_body, require_permission_somewhere
from buildfarm_web.read_models.publish import composes

blueprint = Blueprint("api_composes", __name__, url_prefix="/api/v1")


@blueprint.get("/composes")
@reads("targets", ComposeList, DropsQuery)
def list_composes() -> Response:
    """Composes, the newest first; ``target`` chooses."""
    with the_hub().store.read() as tx:
        return listed(
            composes.composes(
                tx, limit=limit(), target=request.args.get("target", ""), cursor=cursor()
            )
        )


@blueprint.get("/composes/<compose>")
@reads("targets", ComposePage)
def show_compose(compose: str) -> Response:
    """One compose, and what changed since the one before. :raises NotFound: there is none."""
    with the_hub().store.read() as tx:
        return jsonify(composes.compose_page(tx, compose))


@blueprint.post("/composes")
@writes("targets", ComposeRequest, {HTTPStatus.CREATED: ComposeRow}, HTTPStatus.NOT_FOUND)
def post_compose() -> tuple[Response, HTTPStatus]:
    """Name the generation in force of a target, or another one; its folder is written right after,
    see ``written``.
    """
    require_permission_somewhere(Action.PROMOTE)
    body = read_body(ComposeRequest)
    made = actions.compose(body.target, generation=body.generation, why=body.reason)
    answer = _said(made)
    answer.headers["Location"] = url_for("api_composes.show_compose", compose=made.id)
    return answer, HTTPStatus.CREATED


@blueprint.post("/composes/<compose>/promote")
@writes("targets", DueReason, ComposeRow)
def promote_compose(compose: str) -> Response:
    """Let users have a compose in testing. A reason is due."""
    require_permission_somewhere(Action.PROMOTE)
    return _said(actions.promote(compose, why=read_body(ReasonRequest).reason))


@blueprint.post("/composes/<compose>/retire")
@writes("targets", DueReason, ComposeRow)
def retire_compose(compose: str) -> Response:
    """Hold a compose no longer; if users had it, they get the one promoted before.

    A reason is due.
    """
    require_permission_somewhere(Action.PROMOTE)
    return _said(actions.retire(compose, why=read_body(ReasonRequest).reason))


def _said(compose: Compose) -> Response:
    with the_hub().store.read() as tx:
        return jsonify(composes.compose_of(tx, compose))
