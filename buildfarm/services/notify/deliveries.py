"""DeliverySender: sends pending deliveries to webhooks and mailboxes, at least once.

A delivery is marked after the receiver accepted it. If the process is killed in between, it is sent
again under the same id; several senders at once have the same effect.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from buildfarm import log
from buildfarm.domain.build.clusters import clusters
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.notify.digest import Pace, due_at
from buildfarm.domain.notify.notice import Notice, Topic
from buildfarm.domain.notify.subscription import (
    Channel,
    Delivery,
    DeliveryState,
    Subscription,
    pause_after,
)
from buildfarm.ports.notifications import DeliveryResult, Mailer, MailMessage, WebhookSender
from buildfarm.ports.store import Store, Transaction, matching
from buildfarm.presentation import notice_texts
from buildfarm.services.notify import subscriptions

_SIDE_BY_SIDE = 4
_IN_A_ROW = 50
_IN_A_MAIL = 5000
_KEPT = timedelta(days=30)
_FORGOTTEN_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySender:
    """``chance`` gives a number from 0 to 1; ``url`` is where people reach the farm;
    ``unsubscribe`` makes a mail's link.
    """

    store: Store
    post: WebhookSender
    mail: Mailer
    pace: Pace
    url: str
    unsubscribe: Callable[[str], str]
    chance: Callable[[], float]

    def webhooks(self) -> int:
        """Send the webhooks that are due and return how many were tried.

        A receiver that fails gets nothing more in this round and delays no other.
        """
        with self.store.read() as tx:
            rows = [
                [
                    owed
                    for owed in _pending(tx, _IN_A_ROW, subscription=one.id)
                    if owed.due <= tx.now
                ]
                for one in tx.find(Subscription, channel=Channel.WEBHOOK, ended=None)
            ]
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            return sum(pool.map(self._post_row, filter(None, rows)))

    def _post_row(self, row: Sequence[Delivery]) -> int:
        for tried, owed in enumerate(row, 1):
            with self.store.read() as tx:
                (notice,), now = _notices(tx, [owed]), tx.now
            body = json.dumps(
                notice_texts.webhook_message(notice, url=self.url),
                ensure_ascii=False,
                separators=(",", ":"),
            ).encode()
            result = self.post(
                owed.address, message_id=owed.id, subscription=owed.subscription, body=body, at=now
            )
            self._settle([owed], result)
            if not result.accepted:
                return tried
        return len(row)

    def mails(self) -> int:
        """Send the digests that are due and return how many were tried."""
        with self.store.read() as tx:
            addresses = {
                one.address for one in tx.find(Subscription, channel=Channel.MAIL, ended=None)
            }
        return sum(self._write_to(address) for address in sorted(addresses))

    def _write_to(self, address: str) -> int:
        with self.store.read() as tx:
            owed = _pending(tx, _IN_A_MAIL, address=address)
            now = tx.now
        underway = [one for one in owed if one.batch]
        if not underway and owed:
            underway = self._gather(address, owed)
        due = [one for one in underway if one.due <= now]
        if due:
            self._settle(due, self.mail(self._message(due)))
        return bool(due)

    def _gather(self, address: str, loose: Sequence[Delivery]) -> list[Delivery]:
        """Return the deliveries of the next digest to ``address``, if one is due.

        The batch stays the same, however often it is sent.
        """
        with self.store.begin() as tx:
            last = tx.first(
                Delivery,
                address=address,
                state=DeliveryState.DELIVERED,
                order_by="settled",
                descending=True,
            )
            if due_at(_notices(tx, loose), last.settled if last else None, self.pace) > tx.now:
                return []
            batch = hashlib.sha256("\n".join(sorted(one.id for one in loose)).encode()).hexdigest()[
                :32
            ]
            unsent = {"state": DeliveryState.PENDING, "batch": ""}
            made = [tx.update(one, only_if=unsent, batch=batch, due=tx.now) for one in loose]
        return [one for one in made if one is not None]

    def _message(self, owed: Sequence[Delivery]) -> MailMessage:
        with self.store.read() as tx:
            notices = _notices(tx, owed)
            failed = tuple(notice.subject for notice in notices if notice.topic is Topic.FAILED)
            causes = clusters(tx.find(Build, id=failed, state=BuildState.FAILED)) if failed else ()
        threads = tuple(dict.fromkeys(notice.drop_id for notice in notices if notice.drop_id))
        link = self.unsubscribe(owed[0].subscription)
        text = notice_texts.digest_text(notices, causes, url=self.url)
        footer = f"\n-- \n{self.url}/subscriptions\nNo more of this: {link}\n"
        return MailMessage(
            to=owed[0].address,
            subject=notice_texts.digest_subject(notices),
            text=text + footer,
            batch=owed[0].batch,
            threads=threads,
            unsubscribe=link,
            at=max(notice.at for notice in notices),
        )

    def _settle(self, owed: Sequence[Delivery], result: DeliveryResult) -> None:
        """Store the result of one try.

        Nothing more is sent to a receiver that is gone for good (HTTP 410).
        """
        chance = self.chance()  # one for all: what goes out together is tried again together
        with self.store.begin() as tx:
            for one in owed:
                _settle_one(tx, one, result, chance)
            if result.gone:
                for subscription in {one.subscription for one in owed}:
                    found = tx.first(Subscription, id=subscription, ended=None)
                    if found is not None:
                        subscriptions.end_in(
                            tx, found, actor="notifier", why=f"the receiver says: {result.status}"
                        )

    def forget(self) -> int:
        """Delete deliveries that were settled long ago and return how many."""
        with self.store.begin() as tx:
            old: list[str] = []
            for state in (DeliveryState.DELIVERED, DeliveryState.DEAD):
                found = tx.find(Delivery, state=state, order_by="due", limit=_FORGOTTEN_AT_ONCE)
                old += [
                    one.id
                    for one in found
                    if one.settled is not None and one.settled < tx.now - _KEPT
                ]
            if old:
                tx.remove(Delivery, id=tuple(old))
        return len(old)


def _pending(tx: Transaction, limit: int, **where: object) -> list[Delivery]:
    wanted = matching(Delivery, state=DeliveryState.PENDING, **where)
    return tx.find(Delivery, order_by="due,id", limit=limit, **wanted)


def _notices(tx: Transaction, owed: Iterable[Delivery]) -> list[Notice]:
    """Return each notice once, however many subscriptions of one address want it."""
    return tx.find(Notice, id=tuple({one.notice for one in owed}), order_by="id")


def _settle_one(tx: Transaction, owed: Delivery, result: DeliveryResult, chance: float) -> None:
    attempts = owed.attempts + 1
    values: dict[str, object] = {"attempts": attempts, "status": result.status}
    pause = None if result.final else pause_after(attempts, chance)
    if result.accepted:
        values |= {"state": DeliveryState.DELIVERED, "settled": tx.now}
    elif pause is None:
        values |= {"state": DeliveryState.DEAD, "settled": tx.now}
    else:
        values |= {"due": tx.now + pause}
    changed = tx.update(
        owed, only_if={"state": DeliveryState.PENDING, "attempts": owed.attempts}, **values
    )
    if changed is not None and changed.state is DeliveryState.DEAD:
        tx.event(
            "delivery.dead",
            owed.id,
            actor="notifier",
            why=result.status,
            attempts=attempts,
            subscription=owed.subscription,
        )
        log.get().warning(
            "delivery.dead", delivery=owed.id, channel=owed.channel.value, reason=result.status
        )
