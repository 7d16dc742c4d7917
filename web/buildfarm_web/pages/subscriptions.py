"""The page of subscriptions with its forms, and the link in a mail that ends it."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from buildfarm import bootstrap
from buildfarm.api.requests import SubscriptionRequest
from buildfarm.domain.notify.notice import WANT_A_PERSON
from buildfarm.domain.notify.subscription import Channel, Subscription
from buildfarm.errors import NotFound
from buildfarm.services.notify import subscriptions
from buildfarm_web.api import subscriptions as notifications_api
from buildfarm_web.app_context import the_hub
from buildfarm_web.pages.rendering import render
from buildfarm_web.read_models.notify import feed
from buildfarm_web.read_models.notify import subscriptions as reading

blueprint = Blueprint("notifications_pages", __name__)


@blueprint.get("/subscriptions")
def list_subscriptions() -> str:
    """Whom the farm tells what, and where its feeds are."""
    return _page()


def _page(secret: str = "") -> str:
    who, hub = notifications_api.reader(), the_hub()
    with hub.store.read() as tx:
        found = reading.subscriptions(tx, who, everything=bool(request.args.get("all")))
        now = tx.now
    return render(
        "notify/subscriptions.html", now, it=found, targets=sorted(hub.config.targets), sigs=feed.sigs(hub), secret=secret,
        usual=[topic.value for topic in WANT_A_PERSON],
    )  # fmt: skip


@blueprint.post("/subscriptions")
def subscribe() -> str | Response:
    """Begin to tell somebody; a webhook's secret is on the page that answers, and on no other."""
    who, form = notifications_api.asker(), request.form
    body = SubscriptionRequest(
        channel=form.get("channel", ""), address=form.get("address", "").strip(), topics=form.getlist("topics"),  # type: ignore[arg-type]  # parsed
        target=form.get("target") or "*", source=form.get("source", "").strip() or "*", sig=form.get("sig", ""),
    )  # fmt: skip
    _, secret = notifications_api.begin(who, body)
    return (
        _page(secret) if secret else redirect("/subscriptions?did=subscribe", HTTPStatus.SEE_OTHER)
    )


@blueprint.post("/subscriptions/<subscription>/end")
def end(subscription: str) -> Response:
    """Tell no more."""
    subscriptions.end(the_hub().store, subscription, notifications_api.asker())
    return redirect("/subscriptions?did=unsubscribe", HTTPStatus.SEE_OTHER)


@blueprint.post("/deliveries/<delivery>/redeliver")
def redeliver(delivery: str) -> Response:
    """Try a settled delivery again."""
    subscriptions.redeliver(the_hub().store, delivery, notifications_api.asker())
    return redirect("/subscriptions?did=redeliver", HTTPStatus.SEE_OTHER)


@blueprint.get("/subscriptions/<subscription>/unsubscribe")
def ask_unsubscribe(subscription: str) -> str:
    """Ask whether to stop: a mail program that follows links must not end anything."""
    found = _proved(subscription)
    proof = request.args["proof"]
    return _farewell(subscription=found, stopped=found.ended is not None, proof=proof)


@blueprint.post("/subscriptions/<subscription>/unsubscribe")
def unsubscribe(subscription: str) -> str:
    """Stop all mail to that address (RFC 8058, one click); the link in the mail is proof enough.

    Safe to repeat.
    """
    found = _proved(subscription)
    with the_hub().store.begin() as tx:
        for one in tx.find(Subscription, address=found.address, channel=Channel.MAIL, ended=None):
            subscriptions.end_in(tx, one, actor="mail", why="its reader wants no more mail")
    return _farewell(subscription=found, stopped=True)


def _farewell(**values: object) -> str:
    """Return a page for the holder of the link; it has no JSON representation."""
    return render_template(
        "notify/unsubscribe.html", distribution=the_hub().config.farm.distribution, **values
    )


def _proved(identity: str) -> Subscription:
    hub = the_hub()
    with hub.store.read() as tx:
        found = tx.first(Subscription, id=identity, channel=Channel.MAIL)
    if found is None or not bootstrap.notification_keys(hub.config).is_proof(
        identity, request.args.get("proof", "")
    ):
        raise NotFound("this link is none of ours", hint="take it from the mail as it is")
    return found
