"""Subscriptions and deliveries over ``/api/v1``."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, jsonify, request

from buildfarm import bootstrap
from buildfarm.api.requests import ReasonRequest, SubscriptionRequest
from buildfarm.api.responses.core.base import fields_of
from buildfarm.api.responses.notify.subscriptions import (
    Delivery,
    DeliveryList,
    NewSubscription,
    SubscriptionList,
)
from buildfarm.api.responses.notify.subscriptions import Subscription as SubscriptionRow
from buildfarm.domain.auth.permissions import Action
from buildfarm.domain.notify.notice import WANT_A_PERSON
from buildfarm.domain.notify.subscription import Channel, Subscription
from buildfarm.errors import InputError
from buildfarm.services.core.hub import Hub
from buildfarm.services.notify import subscriptions
from buildfarm.services.notify.subscriptions import Asker
from buildfarm_web.api.openapi.operation import reads, writes
from buildfarm_web.api.openapi.queries import DeliveriesQuery, SubscriptionsQuery
from buildfarm_web.api.reading import cursor, flag, limit, listed
from buildfarm_web.app_context import the_hub
from buildfarm_web.http import access
from buildfarm_web.read_models.notify import feed
from buildfarm_web.read_models.notify import subscriptions as reading

blueprint = Blueprint("notifications_api", __name__, url_prefix="/api/v1")


def asker() -> Asker:
    """Return who asks: anybody the farm knows for what is theirs, whoever operates it for all.

    :raises Unauthenticated: nobody knows who.
    """
    known = access.require_login()
    return Asker(name=known.account or known.name, may_all=access.has_permission(Action.OPERATE))


def reader() -> Asker | None:
    """Return who looks; ``None`` for a stranger."""
    return asker() if access.seen().is_known else None


@blueprint.get("/subscriptions")
@reads("notifications", SubscriptionList, SubscriptionsQuery)
def list_subscriptions() -> Response:
    """Whom the farm tells what: one's own, or all for an engineer; ``all=1`` shows ended ones too."""
    who = reader()
    with the_hub().store.read() as tx:
        return jsonify(reading.subscriptions(tx, who, everything=flag("all")))


@blueprint.post("/subscriptions")
@writes("notifications", SubscriptionRequest, {HTTPStatus.CREATED: NewSubscription})
def post_subscription() -> tuple[Response, HTTPStatus]:
    """Begin to tell somebody. The answer holds a webhook's ``secret``, which is shown this once."""
    who = asker()
    made, secret = begin(who, access.read_body(SubscriptionRequest))
    with the_hub().store.read() as tx:
        said = reading.subscription_of(tx, made)
    answer = jsonify(NewSubscription(**fields_of(said), secret=secret))
    if secret:
        answer.headers["Cache-Control"] = "no-store"
    return answer, HTTPStatus.CREATED


def begin(who: Asker, body: SubscriptionRequest) -> tuple[Subscription, str]:
    """Record what is wished for; the subscription, and a webhook's secret.

    Errors as :func:`subscriptions.record`.
    """
    hub = the_hub()
    _check(hub, body)
    made = subscriptions.record(
        hub.store, who, channel=body.channel, address=body.address, topics=body.topics or WANT_A_PERSON, target=body.target,
        source=body.source, sig=body.sig,
    )  # fmt: skip
    return made, bootstrap.notification_keys(hub.config).secret(
        made.id
    ) if made.channel is Channel.WEBHOOK else ""


def _check(hub: Hub, body: SubscriptionRequest) -> None:
    """Refuse at once what would never be told."""
    if body.sig and body.sig not in feed.sigs(hub):
        raise InputError(
            f"no SIG {body.sig!r}", hint=f"known: {', '.join(feed.sigs(hub)) or 'none'}"
        )
    if body.channel is Channel.WEBHOOK:
        bootstrap.check_webhook(hub.config, body.address)
    elif hub.config.farm.mail is None:
        raise InputError("this farm sends no mail", hint="`mail:` in farm.yaml names a server")


@blueprint.delete("/subscriptions/<subscription>")
@writes("notifications", ReasonRequest, SubscriptionRow, HTTPStatus.CONFLICT)
def delete_subscription(subscription: str) -> Response:
    """Tell no more; what is still owed is dropped."""
    who, hub = asker(), the_hub()
    why = access.read_body(ReasonRequest).reason if request.content_length else ""
    ended = subscriptions.end(hub.store, subscription, who, why=why)
    with hub.store.read() as tx:
        return jsonify(reading.subscription_of(tx, ended))


@blueprint.get("/deliveries")
@reads("notifications", DeliveryList, DeliveriesQuery, secured=True)
def list_deliveries() -> Response:
    """Return the deliveries to subscriptions; ``state`` and ``subscription`` choose."""
    who, args = asker(), request.args
    with the_hub().store.read() as tx:
        return listed(
            reading.visible_deliveries(
                tx,
                who,
                limit=limit(),
                cursor=cursor(),
                state=args.get("state", ""),
                subscription=args.get("subscription", ""),
            )
        )


@blueprint.post("/deliveries/<delivery>/redeliver")
@writes("notifications", "", Delivery)
def redeliver(delivery: str) -> Response:
    """Try a settled delivery again, under the same id."""
    return jsonify(reading.delivery_of(subscriptions.redeliver(the_hub().store, delivery, asker())))
