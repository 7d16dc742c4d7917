"""Subscriptions and deliveries: who is told what, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

from buildfarm.api.responses.notify.subscriptions import (
    AboutDelivery,
    Delivery,
    DeliveryList,
    NewSubscription,
    Subscription,
    SubscriptionList,
)
from buildfarm.client.transport import Transport, path_of
from buildfarm.domain.notify.notice import Topic
from buildfarm.domain.notify.subscription import Channel


class OfWhat(TypedDict, total=False):
    """What is told: globs over target and source, or only what a SIG answers for; no topics are all
    that want a person.
    """

    topics: Sequence[Topic]
    target: str
    source: str
    sig: str


class Notifications:
    """``/subscriptions`` and ``/deliveries``: one's own, or all for an engineer."""

    def __init__(self, transport: Transport) -> None:
        self._hub = transport

    def subscriptions(self, *, everything: bool = False) -> SubscriptionList:
        """Those in force, or with ``everything`` all that were."""
        return self._hub.read(SubscriptionList, "/subscriptions", all="1" if everything else "")

    def subscribe(self, channel: Channel, address: str, **what: Unpack[OfWhat]) -> NewSubscription:
        """Have an address told; a webhook's ``secret`` is in this answer alone."""
        return self._hub.change(
            NewSubscription, "/subscriptions", {"channel": channel, "address": address, **what}
        )

    def unsubscribe(self, subscription: str, *, reason: str = "") -> Subscription:
        """Tell no more; what is still owed is dropped."""
        return Subscription.from_json(
            self._hub.delete(path_of("subscriptions", subscription), {"reason": reason})
        )

    def deliveries(
        self, *, state: str = "", subscription: str = "", limit: int = 100
    ) -> Iterator[AboutDelivery]:
        """Every delivery, the newest first; ``limit`` is how many are asked for at a time."""
        given = {"state": state, "subscription": subscription, "limit": limit}
        for page in self._hub.pages(DeliveryList, "/deliveries", **given):
            yield from page.deliveries

    def page(
        self, *, state: str = "", subscription: str = "", limit: int = 100, cursor: str = ""
    ) -> DeliveryList:
        """One page of deliveries."""
        return self._hub.read(
            DeliveryList,
            "/deliveries",
            state=state,
            subscription=subscription,
            limit=limit,
            cursor=cursor,
        )

    def redeliver(self, delivery: str) -> Delivery:
        """Try a settled delivery again, under the same id."""
        return self._hub.change(Delivery, path_of("deliveries", delivery, "redeliver"), {})
