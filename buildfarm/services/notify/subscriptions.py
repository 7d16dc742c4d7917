"""Subscriptions: create and end them, and repeat a delivery; each by its own account, or by one
that may act for all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parseaddr

from buildfarm.domain.notify.notice import Topic
from buildfarm.domain.notify.subscription import Channel, Delivery, DeliveryState, Subscription
from buildfarm.domain.target.allowed_url import parsed
from buildfarm.errors import Conflict, InputError, NotAllowed, NotFound
from buildfarm.ports.store import Store, Transaction
from buildfarm.services.core import tasks

_MOST = 200
"""Of one account; a script that subscribes for ever hits it, a person does not."""
_MAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """The caller: an account, and whether it may act on other accounts' subscriptions."""

    name: str
    may_all: bool


def record(
    store: Store, asker: Asker, *, channel: Channel, address: str, topics: tuple[str, ...],
    target: str = "*", source: str = "*", sig: str = "",
) -> Subscription:  # fmt: skip
    """Create a subscription.

    :raises InputError: the address or a topic is none.
    :raises Conflict: the very same subscription is there.
    """
    _check(channel, address)
    if unknown := sorted(set(topics) - {topic.value for topic in Topic}):
        raise InputError(f"no topic {unknown[0]!r}", hint=f"one of {', '.join(Topic)}")
    if not topics:
        raise InputError("a subscription names at least one topic", hint=f"of {', '.join(Topic)}")
    with store.begin() as tx:
        held = tx.find(Subscription, owner=asker.name, ended=None)
        if len(held) >= _MOST:
            raise Conflict(
                f"{asker.name} has {len(held)} subscriptions",
                hint="one with a glob may do for many",
            )
        made = Subscription(
            id=tasks.new_id(), owner=asker.name, channel=channel, address=address,
            topics=tuple(dict.fromkeys(topics)), target=target, source=source, sig=sig,
            created=tx.now,
        )  # fmt: skip
        if same := [one for one in held if _words(one) == _words(made)]:
            raise Conflict(
                f"subscription {same[0].id} says that already",
                hint="`buildfarm subscriptions` lists them",
            )
        tx.add(made)
        scope = {"target": target, "source": source, "sig": sig}
        tx.event(
            "subscription.recorded",
            made.id,
            actor=asker.name,
            channel=channel.value,
            topics=list(topics),
            **scope,
        )
    return made


def _words(one: Subscription) -> tuple[object, ...]:
    return (one.channel, one.address, frozenset(one.topics), one.target, one.source, one.sig)


def _check(channel: Channel, address: str) -> None:
    if channel is Channel.MAIL:
        if not _MAIL.fullmatch(address) or parseaddr(address)[1] != address:
            raise InputError(
                f"{address[:80]!r} is no e-mail address", hint="name@host, nothing around it"
            )
        return
    parsed(address)


def end(store: Store, identity: str, asker: Asker, *, why: str = "") -> Subscription:
    """End a subscription; its pending deliveries are dropped.

    :raises NotFound: there is none. :raises NotAllowed: it is another's.
    """
    with store.begin() as tx:
        return end_in(
            tx, _own(tx, identity, asker), actor=asker.name, why=why or f"ended by {asker.name}"
        )


def end_in(tx: Transaction, found: Subscription, *, actor: str, why: str) -> Subscription:
    """End a subscription inside a transaction that is open. :raises Conflict: it has ended."""
    ended = tx.update(found, only_if={"ended": None}, ended=tx.now, ended_why=why)
    if ended is None:
        raise Conflict(f"subscription {found.id} has ended already: {found.ended_why}")
    for owed in tx.find(Delivery, subscription=found.id, state=DeliveryState.PENDING):
        tx.update(
            owed,
            only_if={"state": DeliveryState.PENDING},
            state=DeliveryState.DEAD,
            status="no longer wanted",
            settled=tx.now,
        )
    tx.event("subscription.ended", found.id, actor=actor, why=why)
    return ended


def redeliver(store: Store, identity: str, asker: Asker) -> Delivery:
    """Try a settled delivery again, at once, under the same id.

    :raises NotFound: there is none. :raises NotAllowed: it is another's.
    :raises Conflict: it is still being tried, or its subscription has ended.
    """
    with store.begin() as tx:
        owed = tx.first(Delivery, id=identity)
        if owed is None:
            raise NotFound(
                f"no delivery {identity}",
                hint="`buildfarm deliveries` lists them; settled ones go after 30 days",
            )
        if _own(tx, owed.subscription, asker).ended is not None:
            raise Conflict(f"the subscription of {identity} has ended", hint="subscribe again")
        if owed.state is DeliveryState.PENDING:
            raise Conflict(f"{identity} is tried again at {owed.due:%Y-%m-%d %H:%M:%S} UTC anyway")
        again = tx.update(
            owed,
            only_if={"state": owed.state},
            state=DeliveryState.PENDING,
            attempts=0,
            due=tx.now,
            batch="",
            settled=None,
        )
        if again is None:
            raise Conflict(f"{identity} was changed meanwhile", hint="try again")
        tx.event("delivery.asked_again", identity, actor=asker.name)
        return again


def _own(tx: Transaction, identity: str, asker: Asker) -> Subscription:
    found = tx.first(Subscription, id=identity)
    if found is None:
        raise NotFound(f"no subscription {identity}", hint="`buildfarm subscriptions` lists them")
    if found.owner != asker.name and not asker.may_all:
        raise NotAllowed(
            f"subscription {identity} is {found.owner}'s",
            hint="its owner or an engineer may do that",
        )
    return found
