"""Notices go to receivers over HTTP that fail first: signed, retried, given up, and never to a
private address.
"""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from buildfarm.adapters.notify.keys import NotificationKeys
from buildfarm.adapters.notify.webhooks import Webhooks
from buildfarm.domain.notify.subscription import MOST_ATTEMPTS, Channel, DeliveryState, Subscription
from buildfarm.services.notify import subscriptions
from tests.integration.web.notify.conftest import ANN, Notifications, allow
from tests.integration.web.receivers import Receiver


def test_a_receiver_that_fails_gets_the_same_message_later_signed_as_the_standard_says(
    notifications: Notifications, receiver: Receiver
) -> None:
    allow(notifications, receiver)
    one = notifications.subscribe(Channel.WEBHOOK, f"{receiver.url}/hook", "failed")
    notifications.notice()
    receiver.failures = 2
    assert notifications.delivery_sender.webhooks() == 1
    assert notifications.delivery_sender.webhooks() == 0, "it is not due yet"
    notifications.clock.pass_seconds(6)
    notifications.delivery_sender.webhooks()
    (owed,) = notifications.owed()
    assert (owed.attempts, owed.status, owed.state) == (2, "HTTP 503", DeliveryState.PENDING)
    assert owed.due == notifications.clock.now + timedelta(seconds=20)
    notifications.clock.pass_seconds(21)
    notifications.delivery_sender.webhooks()
    (owed,) = notifications.owed()
    assert (owed.attempts, owed.status, owed.state) == (3, "HTTP 204", DeliveryState.DELIVERED)
    assert len(receiver.came) == 3
    assert len(set(receiver.ids)) == 1
    headers, body = receiver.came[-1]
    stamp = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    oracle = Webhook(notifications.keys.secret(one.id))
    assert headers["webhook-signature"] == oracle.sign(headers["webhook-id"], stamp, body.decode())
    said = json.loads(body)
    assert said["type"] == "buildfarm.failed"
    assert said["data"]["source"] == "reef-cannot-build"
    assert said["data"]["url"].startswith("https://builds.reef.example/builds/")
    assert notifications.delivery_sender.webhooks() == 0


def test_the_reference_library_accepts_a_message_of_now_and_refuses_one_that_was_changed(
    tmp_path: Path, receiver: Receiver
) -> None:
    keys = NotificationKeys(tmp_path / "key")
    post = Webhooks(keys, allowed=(receiver.url,))
    answer = post(
        receiver.url,
        message_id="msg_1",
        subscription="s",
        body=b'{"type":"x"}',
        at=datetime.now(UTC),
    )
    assert answer.accepted
    headers, body = receiver.came[0]
    assert Webhook(keys.secret("s")).verify(body, headers) == {"type": "x"}
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(keys.secret("another")).verify(body, headers)
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0


def test_killed_between_delivery_and_mark_the_same_message_comes_again(
    notifications: Notifications, receiver: Receiver
) -> None:
    allow(notifications, receiver)
    notifications.subscribe(Channel.WEBHOOK, receiver.url, "failed")
    notifications.notice()
    post = notifications.delivery_sender.post

    def killed(url: str, **what: object) -> object:
        post(url, **what)  # type: ignore[arg-type]
        raise RuntimeError("killed before it was marked")

    with pytest.raises(RuntimeError):
        dataclasses.replace(notifications.delivery_sender, post=killed).webhooks()
    notifications.delivery_sender.webhooks()
    assert len(receiver.came) == 2
    assert len(set(receiver.ids)) == 1
    assert notifications.owed()[0].state is DeliveryState.DELIVERED


def test_after_its_last_try_a_delivery_is_dead_and_a_person_may_ask_for_it_again(
    notifications: Notifications, receiver: Receiver
) -> None:
    allow(notifications, receiver)
    notifications.subscribe(Channel.WEBHOOK, receiver.url, "failed")
    notifications.notice()
    receiver.failures = MOST_ATTEMPTS
    for _ in range(MOST_ATTEMPTS):
        notifications.delivery_sender.webhooks()
        notifications.clock.pass_seconds(7 * 3600)
    (owed,) = notifications.owed()
    assert owed.state is DeliveryState.DEAD
    assert [event.subject for event in notifications.events("delivery.dead")] == [owed.id]
    assert notifications.delivery_sender.webhooks() == 0
    subscriptions.redeliver(notifications.hub.store, owed.id, ANN)
    notifications.delivery_sender.webhooks()
    assert notifications.owed()[0].state is DeliveryState.DELIVERED
    assert len(set(receiver.ids)) == 1


def test_a_receiver_that_is_gone_is_told_no_more(
    notifications: Notifications, receiver: Receiver
) -> None:
    allow(notifications, receiver)
    notifications.subscribe(Channel.WEBHOOK, receiver.url, "refused", "failed")
    notifications.notice()
    receiver.failures, receiver.code = 1, 410
    notifications.delivery_sender.webhooks()
    assert len(receiver.came) == 1
    assert {one.state for one in notifications.owed()} == {DeliveryState.DEAD}
    with notifications.hub.store.read() as tx:
        (one,) = tx.find(Subscription)
    assert "HTTP 410" in one.ended_why


def test_redirects_are_not_followed(notifications: Notifications, receiver: Receiver) -> None:
    allow(notifications, receiver)
    notifications.subscribe(Channel.WEBHOOK, receiver.url, "failed")
    notifications.notice()
    receiver.failures, receiver.code = 1, 302
    notifications.delivery_sender.webhooks()
    assert len(receiver.came) == 1
    assert "redirects are not followed" in notifications.owed()[0].status


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"]
)
def test_the_hub_posts_to_no_private_address(tmp_path: Path, receiver: Receiver, host: str) -> None:
    port = receiver.url.rpartition(":")[2]
    post = Webhooks(
        NotificationKeys(tmp_path / "key"),
        allowed=("http://127.0.0.1:1/", f"http://127.0.0.1:{port}/allowed"),
    )
    answer = post(
        f"http://{host}:{port}/", message_id="m", subscription="s", body=b"{}", at=datetime.now(UTC)
    )
    assert not answer.accepted
    assert answer.final
    assert "not a public address" in answer.status
    assert receiver.came == []


def test_a_dead_receiver_is_asked_once_a_round_and_keeps_nobody_waiting(
    notifications: Notifications, receiver: Receiver
) -> None:
    allow(notifications, receiver)
    dead = notifications.subscribe(Channel.WEBHOOK, "http://127.0.0.1:9/", "published")
    notifications.delivery_sender = dataclasses.replace(
        notifications.delivery_sender,
        post=Webhooks(notifications.keys, allowed=(receiver.url, "http://127.0.0.1:9/")),
    )
    notifications.subscribe(Channel.WEBHOOK, receiver.url, "published")
    notifications.notice()
    notifications.delivery_sender.webhooks()
    assert len(receiver.came) == 5
    tried = [one for one in notifications.owed(subscription=dead.id) if one.attempts]
    assert len(tried) == 1
    assert "ConnectError" in tried[0].status


def test_settled_deliveries_are_forgotten_after_a_month(
    notifications: Notifications, receiver: Receiver
) -> None:
    allow(notifications, receiver)
    notifications.subscribe(Channel.WEBHOOK, receiver.url, "failed")
    notifications.notice()
    notifications.delivery_sender.webhooks()
    assert notifications.delivery_sender.forget() == 0
    notifications.clock.pass_seconds(31 * 86400)
    assert notifications.delivery_sender.forget() == 1
    assert notifications.owed() == []
