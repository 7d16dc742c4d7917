"""Subscriptions and their deliveries."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.api.responses.core.base import ApiResponse, ListPage, Moment
from buildfarm.domain.notify.notice import Topic
from buildfarm.domain.notify.subscription import Channel, DeliveryState


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription(ApiResponse):
    """A subscription to notices; ``pending`` deliveries are owed, ``dead`` ones were given up."""

    id: str
    owner: str
    channel: Channel
    address: str
    topics: list[Topic]
    target: str
    source: str
    sig: str
    created: Moment
    ended: Moment | None
    ended_why: str
    pending: int
    dead: int
    last_delivered: Moment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubscription(Subscription):
    """A subscription that was made; a webhook's ``secret`` is shown in this answer and never again."""

    secret: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery(ApiResponse):
    """One event owed to one subscription; ``status`` is what the last try met with, ``due`` when
    the next one is.
    """

    id: str
    subscription: str
    channel: Channel
    event: int
    state: DeliveryState
    attempts: int
    status: str
    due: Moment
    created: Moment
    settled: Moment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutDelivery(Delivery):
    """The same with what it tells, in words."""

    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryList(ListPage):
    """Deliveries, the newest first."""

    deliveries: list[AboutDelivery]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventConsumer(ApiResponse):
    """Position of an event consumer: ``event`` is the number of the last one."""

    id: str
    event: int
    length: int
    moved: Moment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionList(ApiResponse):
    """Subscriptions that ``who`` asks may see, with their newest deliveries and all topics there
    are.
    """

    who: str
    subscriptions: list[Subscription]
    deliveries: list[AboutDelivery]
    topics: list[Topic]
    consumers: list[EventConsumer]
