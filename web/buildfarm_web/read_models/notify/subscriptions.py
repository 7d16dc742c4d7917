"""Subscriptions and their deliveries, for those who may
see them.
"""

from __future__ import annotations

from collections.abc import Sequence

from buildfarm.api.responses.core.base import fields_of
from buildfarm.api.responses.notify import subscriptions as responses
from buildfarm.domain.core.records import EventConsumer
from buildfarm.domain.notify.notice import Notice, Topic
from buildfarm.domain.notify.subscription import Delivery, DeliveryState, Subscription
from buildfarm.errors import InputError
from buildfarm.ports.store import Transaction, matching
from buildfarm.presentation.notice_texts import headline
from buildfarm.services.notify.subscriptions import Asker
from buildfarm_web.read_models.core.paging import Page, page

_RECENT = 50


def subscriptions(
    tx: Transaction, asker: Asker | None, *, everything: bool = False
) -> responses.SubscriptionList:
    """Those of ``asker``, or all for whom may act on all; addresses are nobody else's business, so
    a stranger sees none.
    """
    found = _visible(tx, asker, everything=everything)
    return responses.SubscriptionList(
        who=asker.name if asker else "",
        subscriptions=[subscription_of(tx, one) for one in found],
        deliveries=deliveries(tx, found, limit=_RECENT).records,
        topics=list(Topic),
        consumers=[
            responses.EventConsumer(id=one.id, event=one.event, length=one.length, moved=one.moved)
            for one in tx.find(EventConsumer, order_by="id")
        ],
    )


def _visible(tx: Transaction, asker: Asker | None, *, everything: bool) -> list[Subscription]:
    if asker is None:
        return []
    own = {} if asker.may_all else matching(Subscription, owner=asker.name)
    open_ones = {} if everything else matching(Subscription, ended=None)
    return tx.find(Subscription, order_by="created,id", descending=True, **own, **open_ones)


def subscription_of(tx: Transaction, one: Subscription) -> responses.Subscription:
    """One subscription, how much is owed to it, and what the last try met with."""
    counts = tx.count_by(Delivery, ("state",), subscription=one.id)
    last = tx.find(
        Delivery,
        subscription=one.id,
        state=DeliveryState.DELIVERED,
        order_by="settled",
        descending=True,
        limit=1,
    )
    return responses.Subscription(
        id=one.id, owner=one.owner, channel=one.channel, address=one.address, topics=[Topic(topic) for topic in one.topics],
        target=one.target, source=one.source, sig=one.sig, created=one.created, ended=one.ended, ended_why=one.ended_why,
        pending=counts.get((DeliveryState.PENDING,), 0), dead=counts.get((DeliveryState.DEAD,), 0),
        last_delivered=last[0].settled if last else None,
    )  # fmt: skip


def deliveries(
    tx: Transaction, of: Sequence[Subscription], *, limit: int, state: str = "", cursor: str = ""
) -> Page[responses.AboutDelivery]:
    """A page of what is owed or was brought, the newest first.

    :raises InputError: no such state, or a cursor of another list.
    """
    if state and state not in {known.value for known in DeliveryState}:
        raise InputError(f"no state {state!r}", hint=f"one of {', '.join(DeliveryState)}")
    if not of:
        return Page(records=[], cursor=None)
    states = (DeliveryState(state),) if state else tuple(DeliveryState)
    where: dict[str, object] = {"subscription": tuple(one.id for one in of), "state": states}
    found = page(tx, Delivery, "due,id", where, limit=limit, cursor=cursor)
    notices = tx.find(Notice, id=tuple({owed.notice for owed in found.records}))
    about = {one.id: headline(one) for one in notices}
    listed = [
        responses.AboutDelivery(**fields_of(delivery_of(owed)), about=about.get(owed.notice, ""))
        for owed in found.records
    ]
    return Page(records=listed, cursor=found.cursor)


def visible_deliveries(
    tx: Transaction,
    asker: Asker,
    *,
    limit: int,
    state: str = "",
    subscription: str = "",
    cursor: str = "",
) -> responses.DeliveryList:
    """The deliveries that ``asker`` may see; with ``subscription`` of that one only."""
    mine = [
        one
        for one in _visible(tx, asker, everything=True)
        if not subscription or one.id == subscription
    ]
    found = deliveries(tx, mine, limit=limit, state=state, cursor=cursor)
    return responses.DeliveryList(deliveries=found.records, cursor=found.cursor)


def delivery_of(owed: Delivery) -> responses.Delivery:
    """One delivery."""
    return responses.Delivery(
        id=owed.id, subscription=owed.subscription, channel=owed.channel, event=owed.notice, state=owed.state,
        attempts=owed.attempts, status=owed.status, due=owed.due, created=owed.created, settled=owed.settled,
    )  # fmt: skip
