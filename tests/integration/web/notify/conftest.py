"""The notifier over a farm's hub, and the real receivers that it tells."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildfarm.adapters.notify.keys import NotificationKeys
from buildfarm.adapters.notify.mail import Smtp
from buildfarm.adapters.notify.webhooks import Webhooks
from buildfarm.config import Mail
from buildfarm.domain.core.records import Event, EventConsumer
from buildfarm.domain.notify.digest import Pace
from buildfarm.domain.notify.notice import Notice, Topic
from buildfarm.domain.notify.subscription import Channel, Delivery, Subscription
from buildfarm.services.core.hub import Hub
from buildfarm.services.notify import consumers, subscriptions
from buildfarm.services.notify import notices as noticing
from buildfarm.services.notify.deliveries import DeliverySender
from buildfarm.services.notify.subscriptions import Asker
from tests.fakes import Clock
from tests.integration.web.receivers import Mailbox, Receiver, receiving, taking_mail
from tests.integration.web.scenarios import Scenario

ANN = Asker(name="ann", may_all=False)
EVERYTHING = tuple(topic.value for topic in Topic)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture(scope="module")
def mail_server() -> Iterator[Mailbox]:
    with taking_mail() as made:
        yield made


@pytest.fixture
def mailbox(mail_server: Mailbox) -> Mailbox:
    mail_server.letters, mail_server.recipients, mail_server.refuse = [], [], ""
    return mail_server


@dataclass
class Notifications:
    """The notifier's duties over one hub, one step at a time."""

    hub: Hub
    clock: Clock
    delivery_sender: DeliverySender
    keys: NotificationKeys

    def notice(self) -> None:
        """Tell everything that happened until now, what follows from it included."""
        while consumers.consume(
            self.hub.store,
            "notices",
            lambda tx, events: noticing.write(self.hub.config, tx, events),
            limit=40,
        ):
            pass

    def subscribe(self, channel: Channel, address: str, *topics: str, **scope: str) -> Subscription:
        asked = topics or EVERYTHING
        return subscriptions.record(
            self.hub.store, ANN, channel=channel, address=address, topics=asked, **scope
        )

    def owed(self, **where: object) -> list[Delivery]:
        with self.hub.store.read() as tx:
            return tx.find(Delivery, order_by="notice,id", **where)

    def notices(self, topic: Topic | None = None) -> list[Notice]:
        with self.hub.store.read() as tx:
            return tx.find(Notice, order_by="id", **({"topic": topic} if topic else {}))

    def events(self, kind: str) -> list[Event]:
        with self.hub.store.read() as tx:
            return tx.find(Event, kind=kind, order_by="id")


@pytest.fixture
def notifications(
    hub: Hub, clock: Clock, scenario: Scenario, mailbox: Mailbox, tmp_path: Path
) -> Notifications:
    with hub.store.begin() as tx:
        for name in ("notices", "metrics"):
            tx.add(EventConsumer(id=name, moved=tx.now))
    keys = NotificationKeys(tmp_path / "notifications.key")
    settings = Mail(host="127.0.0.1", port=mailbox.port, sender="Reef builds <builds@reef.example>")
    delivery_sender = DeliverySender(
        store=hub.store, post=Webhooks(keys, allowed=("http://127.0.0.1",)), mail=Smtp(settings, password_file=None),
        pace=Pace(), url="https://builds.reef.example", chance=lambda: 0.0,
        unsubscribe=lambda one: f"https://builds.reef.example/subscriptions/{one}/unsubscribe?proof={keys.proof(one)}",
    )  # fmt: skip
    return Notifications(hub, clock, delivery_sender, keys)


def allow(notifications: Notifications, receiver: Receiver) -> None:
    post = Webhooks(notifications.keys, allowed=(receiver.url,))
    notifications.delivery_sender = dataclasses.replace(notifications.delivery_sender, post=post)
