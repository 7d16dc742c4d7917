"""Subscriptions and deliveries over ``/api/v1``, and the link in a mail that ends it."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, jsonify, render_template, request

from buildfarm import bootstrap
from buildfarm.api_models import ReasonRequest, SubscriptionRequest
from buildfarm.domain.notice import WANT_A_PERSON
from buildfarm.domain.people import Action
from buildfarm.domain.subscription import Channel, Subscription
from buildfarm.errors import InputError, NotFound
from buildfarm.services import subscriptions
from buildfarm.services.hub import Hub
from buildfarm.services.subscriptions import Asker
from buildfarm_web import access
from buildfarm_web.api import limit
from buildfarm_web.parts import the_hub
from buildfarm_web.read_models import feed
from buildfarm_web.read_models import subscriptions as reading

blueprint = Blueprint("telling", __name__)


def _asker() -> Asker:
    """Who asks: anybody the farm knows for what is theirs, whoever operates it for all. :raises Unauthenticated: nobody knows who."""
    known = access.known()
    return Asker(name=known.account or known.name, may_all=access.may(Action.OPERATE))


def reader() -> Asker | None:
    """Who looks; ``None`` for a stranger."""
    return _asker() if access.seen().is_known else None


@blueprint.get("/api/v1/subscriptions")
def list_subscriptions() -> Response:
    """Whom the farm tells what: one's own, or all for an engineer; ``all=1`` shows ended ones too."""
    asker = reader()
    with the_hub().store.read() as tx:
        return jsonify(reading.subscriptions(tx, asker, everything=bool(request.args.get("all"))))


@blueprint.post("/api/v1/subscriptions")
def post_subscription() -> tuple[Response, HTTPStatus]:
    """Begin to tell somebody. The answer holds a webhook's ``secret``, which is shown this once."""
    asker, wish, hub = _asker(), access.body(SubscriptionRequest), the_hub()
    _check(hub, wish)
    made = subscriptions.record(
        hub.store, asker, channel=wish.channel, address=wish.address, topics=wish.topics or WANT_A_PERSON, target=wish.target,
        source=wish.source, sig=wish.sig,
    )  # fmt: skip
    with hub.store.read() as tx:
        answer = reading.subscription_json(tx, made)
    if made.channel is Channel.WEBHOOK:
        answer["secret"] = bootstrap.telling_keys(hub.config).secret(made.id)
    return jsonify(answer), HTTPStatus.CREATED


def _check(hub: Hub, wish: SubscriptionRequest) -> None:
    """Refuse at once what would never be told."""
    if wish.sig and wish.sig not in feed.sigs(hub):
        raise InputError(f"no SIG {wish.sig!r}", hint=f"known: {', '.join(feed.sigs(hub)) or 'none'}")
    if wish.channel is Channel.WEBHOOK:
        bootstrap.check_webhook(hub.config, wish.address)
    elif hub.config.farm.mail is None:
        raise InputError("this farm sends no mail", hint="`mail:` in farm.yaml names a server")


@blueprint.delete("/api/v1/subscriptions/<subscription>")
def delete_subscription(subscription: str) -> Response:
    """Tell no more; what is still owed is dropped."""
    asker, hub = _asker(), the_hub()
    why = access.body(ReasonRequest).reason if request.content_length else ""
    ended = subscriptions.end(hub.store, subscription, asker, why=why)
    with hub.store.read() as tx:
        return jsonify(reading.subscription_json(tx, ended))


@blueprint.get("/api/v1/deliveries")
def list_deliveries() -> Response:
    """What is owed to subscriptions and what became of it; ``state`` and ``subscription`` choose."""
    asker, args = _asker(), request.args
    with the_hub().store.read() as tx:
        return jsonify(
            reading.visible_deliveries(
                tx, asker, limit=limit(), state=args.get("state", ""), subscription=args.get("subscription", "")
            )
        )


@blueprint.post("/api/v1/deliveries/<delivery>/redeliver")
def redeliver(delivery: str) -> Response:
    """Try a settled delivery again, under the same id."""
    return jsonify(reading.delivery_json(subscriptions.redeliver(the_hub().store, delivery, _asker())))


@blueprint.get("/subscriptions/<subscription>/unsubscribe")
def ask_unsubscribe(subscription: str) -> str:
    """Ask whether to stop: a mail program that follows links must not end anything."""
    found = _proved(subscription)
    return render_template(
        "unsubscribe.html", subscription=found, stopped=found.ended is not None, proof=request.args["proof"]
    )


@blueprint.post("/subscriptions/<subscription>/unsubscribe")
def unsubscribe(subscription: str) -> str:
    """Stop all mail to that address (RFC 8058, one click); the link in the mail is proof enough. Safe to repeat."""
    found = _proved(subscription)
    with the_hub().store.begin() as tx:
        for one in tx.find(Subscription, address=found.address, channel=Channel.MAIL, ended=None):
            subscriptions.end_in(tx, one, actor="mail", why="its reader wants no more mail")
    return render_template("unsubscribe.html", subscription=found, stopped=True)


def _proved(identity: str) -> Subscription:
    hub = the_hub()
    with hub.store.read() as tx:
        found = tx.first(Subscription, id=identity, channel=Channel.MAIL)
    if found is None or not bootstrap.telling_keys(hub.config).is_proof(identity, request.args.get("proof", "")):
        raise NotFound("this link is none of ours", hint="take it from the mail as it is")
    return found
