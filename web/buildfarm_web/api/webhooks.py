"""``POST /api/v1/hooks/<target>/<name>``: where forges and other systems send webhooks.

The signature is the only credential.
"""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, jsonify, request, url_for

from buildfarm.api.responses.core.base import fields_of
from buildfarm.api.responses.intake.triggers import NothingToDo, WebhookDrop
from buildfarm.domain.intake.webhook import Message
from buildfarm.services.intake import webhooks
from buildfarm.wire import MEBIBYTE
from buildfarm_web.api.openapi.operation import JSON, Operation, describe
from buildfarm_web.app_context import the_hub
from buildfarm_web.read_models.intake.drops import drop_of

blueprint = Blueprint("hooks_api", __name__, url_prefix="/api/v1")

MOST_BYTES = 25 * MEBIBYTE
"""GitHub caps its payloads there ("Webhook events and payloads")."""


@blueprint.post("/hooks/<target>/<name>")
@describe(
    Operation(
        tag="drops",
        body=JSON,
        answers={HTTPStatus.ACCEPTED: WebhookDrop, HTTPStatus.OK: WebhookDrop | NothingToDo},
        problems=frozenset(
            {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}
        ),
    )
)
def post_hook(target: str, name: str) -> tuple[Response, HTTPStatus]:
    """202 and where to follow the drop; 200 with the same place for a known one, or with why there
    is nothing to do.
    """
    hub = the_hub()
    found, hook = webhooks.find(hub, target, name)
    request.max_content_length = MOST_BYTES
    headers = {key.lower(): value for key, value in request.headers.items()}
    message = Message(headers=headers, body=request.get_data(cache=False), now=_now())
    done = webhooks.answer(hub, found, hook, message)
    if done.drop is None:
        return jsonify(NothingToDo(known=done.known, nothing_to_do=done.reason)), HTTPStatus.OK
    with hub.store.read() as tx:
        shown = fields_of(drop_of(tx, done.drop)) | {"created": done.created}
    url = f"{hub.config.farm.url}/drops/{done.drop.id}"
    answer = jsonify(WebhookDrop(**shown, known=done.known, url=url))
    answer.headers["Location"] = url_for("api.show_drop", drop=done.drop.id)
    return answer, HTTPStatus.ACCEPTED if done.created else HTTPStatus.OK


def _now() -> float:
    with the_hub().store.read() as tx:
        return tx.now.timestamp()
