"""What happens is told to real receivers: HTTP that fails first, SMTP, a Redis stream; a crash loses and doubles nothing."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from standardwebhooks import Webhook
from web_story import Clock, Story

from buildfarm.adapters import event_stream
from buildfarm.adapters.broker import PrivateRedis
from buildfarm.adapters.database import SqlStore
from buildfarm.adapters.event_stream import RedisStream
from buildfarm.adapters.mail import Smtp
from buildfarm.adapters.telling_keys import TellingKeys
from buildfarm.adapters.webhooks import Webhooks
from buildfarm.config import Mail
from buildfarm.domain.build import Build, BuildState, FailureKind
from buildfarm.domain.compare.policy import Waiver
from buildfarm.domain.digest import Pace
from buildfarm.domain.meter import Meter
from buildfarm.domain.notice import Notice, Topic
from buildfarm.domain.records import Event, Follower
from buildfarm.domain.subscription import MOST_ATTEMPTS, Channel, Delivery, DeliveryState, Subscription
from buildfarm.domain.task import Task, TaskState
from buildfarm.errors import Conflict, InfraError
from buildfarm.services import builds, following, metering, noticing, streaming, subscriptions, waivers
from buildfarm.services.couriers import Couriers
from buildfarm.services.hub import Hub
from buildfarm.services.subscriptions import Asker
from tests.integration.store.query_plans import recording, whole_reads
from tests.integration.web.telling_places import Mailbox, Receiver, free_port, receiving, taking_mail

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
class Telling:
    """The teller's duties over one hub, one step at a time."""

    hub: Hub
    clock: Clock
    couriers: Couriers
    keys: TellingKeys

    def notice(self) -> None:
        """Tell everything that happened until now, what follows from it included."""
        while following.follow(
            self.hub.store, "notices", lambda tx, events: noticing.write(self.hub.config, tx, events), limit=40
        ):
            pass

    def subscribe(self, channel: Channel, address: str, *topics: str, **scope: str) -> Subscription:
        asked = topics or EVERYTHING
        return subscriptions.record(self.hub.store, ANN, channel=channel, address=address, topics=asked, **scope)

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
def telling(hub: Hub, clock: Clock, story: Story, mailbox: Mailbox, tmp_path: Path) -> Telling:
    with hub.store.begin() as tx:
        for name in ("notices", "meters"):
            tx.add(Follower(id=name, moved=tx.now))
    keys = TellingKeys(tmp_path / "telling.key")
    settings = Mail(host="127.0.0.1", port=mailbox.port, sender="Reef builds <builds@reef.example>")
    couriers = Couriers(
        store=hub.store, post=Webhooks(keys, allowed=("http://127.0.0.1",)), mail=Smtp(settings, password_file=None),
        pace=Pace(), url="https://builds.reef.example", chance=lambda: 0.0,
        unsubscribe=lambda one: f"https://builds.reef.example/subscriptions/{one}/unsubscribe?proof={keys.proof(one)}",
    )  # fmt: skip
    return Telling(hub, clock, couriers, keys)


def allow(telling: Telling, receiver: Receiver) -> None:
    post = Webhooks(telling.keys, allowed=(receiver.url,))
    telling.couriers = dataclasses.replace(telling.couriers, post=post)


# --- notices


def test_each_thing_that_happened_is_one_notice_with_its_facts(telling: Telling, story: Story) -> None:
    telling.notice()
    failed = telling.notices(Topic.FAILED)
    assert [(one.name, one.source, one.target, one.sig) for one in failed] == [
        ("reef-cannot-build-1.0-1.el9", "reef-cannot-build", "reef-9", "core")
    ]
    assert "undeclared" in failed[0].why
    assert {one.source for one in telling.notices(Topic.REFUSED)} == {"bzip2", "popt"}
    assert telling.notices(Topic.REFUSED)[0].data["verdict"] == "INCOMPATIBLE"
    assert {one.source for one in telling.notices(Topic.ON_HOLD)} == {"chrpath"}
    assert len(telling.notices(Topic.PUBLISHED)) == 5
    assert [one.drop_id for one in telling.notices(Topic.RECEIVED)] == [story.drop]
    before = telling.notices()
    telling.notice()
    assert telling.notices() == before


def test_a_crash_while_telling_takes_everything_back_and_the_next_round_tells_it_once(telling: Telling) -> None:
    subscription = telling.subscribe(Channel.WEBHOOK, "http://127.0.0.1:1/")

    def crash(tx: object, events: object) -> None:
        noticing.write(telling.hub.config, tx, events)  # type: ignore[arg-type]
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        following.follow(telling.hub.store, "notices", crash)
    assert telling.owed() == []
    telling.notice()
    assert [one.notice for one in telling.owed()] == [one.id for one in telling.notices()]
    assert {one.subscription for one in telling.owed()} == {subscription.id}


def test_of_two_that_follow_at_once_one_is_refused(telling: Telling) -> None:
    def overtaken(tx: object, events: object) -> None:
        raise AssertionError("its place was taken")

    settled = telling.hub.store.settled

    def late(after: int, limit: int) -> list[Event]:
        events = settled(after, limit)
        telling.hub.store.settled = settled  # type: ignore[method-assign]
        telling.notice()  # another process was quicker
        return events

    telling.hub.store.settled = late  # type: ignore[method-assign]
    with pytest.raises(Conflict):
        following.follow(telling.hub.store, "notices", overtaken)


def test_a_drop_that_came_to_rest_is_told_once_and_again_after_a_retry(telling: Telling, story: Story) -> None:
    with telling.hub.store.begin() as tx:
        for build in tx.find(Build, drop_id=story.drop):
            if build.source in ("diffutils", "tree", "less"):
                builds.cancel(tx, build, actor="ann", why="not today")
    telling.clock.pass_seconds(1)
    telling.notice()
    assert len(telling.events("drop.at_rest")) == 1
    (rest,) = telling.notices(Topic.AT_REST)
    assert "1 failed" in rest.why
    assert "5 published" in rest.why
    with telling.hub.store.begin() as tx:
        failed = tx.get(Build, story.ids["reef-cannot-build"])
        again = builds.retry(tx, failed, actor="ann", why="once more")
    telling.notice()
    assert len(telling.events("drop.at_rest")) == 1
    telling.clock.pass_seconds(5)
    with telling.hub.store.begin() as tx:
        builds.fail(tx, again, FailureKind.BUILD, "it still does not compile", actor="worker:local-1")
    telling.clock.pass_seconds(1)
    telling.notice()
    assert len(telling.events("drop.at_rest")) == 2


def test_a_waiver_that_ends_within_a_week_is_told_once(telling: Telling) -> None:
    day = (telling.clock.now + timedelta(days=5)).date()
    waiver = Waiver(
        id="W-1", owner="ann", reason="known", expires=day, kind="file-mode", source="bzip2", target="reef-9"
    )
    waivers.record(telling.hub, waiver, actor="ann", role="engineer")
    telling.subscribe(Channel.MAIL, "ann@reef.example", "waiver", source="bzip*")
    telling.subscribe(Channel.MAIL, "ann@reef.example", "waiver", source="zlib")
    assert waivers.warn(telling.hub) == ("W-1",)
    assert waivers.warn(telling.hub) == ()
    telling.notice()
    assert len(telling.owed()) == 1


# --- webhooks


def test_a_receiver_that_fails_gets_the_same_message_later_signed_as_the_standard_says(
    telling: Telling, receiver: Receiver
) -> None:
    allow(telling, receiver)
    one = telling.subscribe(Channel.WEBHOOK, f"{receiver.url}/hook", "failed")
    telling.notice()
    receiver.failures = 2
    assert telling.couriers.webhooks() == 1
    assert telling.couriers.webhooks() == 0, "it is not due yet"
    telling.clock.pass_seconds(6)
    telling.couriers.webhooks()
    (owed,) = telling.owed()
    assert (owed.attempts, owed.status, owed.state) == (2, "HTTP 503", DeliveryState.PENDING)
    assert owed.due == telling.clock.now + timedelta(seconds=20)
    telling.clock.pass_seconds(21)
    telling.couriers.webhooks()
    (owed,) = telling.owed()
    assert (owed.attempts, owed.status, owed.state) == (3, "HTTP 204", DeliveryState.DELIVERED)
    assert len(receiver.came) == 3
    assert len(set(receiver.ids)) == 1
    headers, body = receiver.came[-1]
    stamp = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    oracle = Webhook(telling.keys.secret(one.id))
    assert headers["webhook-signature"] == oracle.sign(headers["webhook-id"], stamp, body.decode())
    said = json.loads(body)
    assert said["type"] == "buildfarm.failed"
    assert said["data"]["source"] == "reef-cannot-build"
    assert said["data"]["url"].startswith("https://builds.reef.example/builds/")
    assert telling.couriers.webhooks() == 0


def test_the_reference_library_accepts_a_message_of_now_and_refuses_one_that_was_changed(
    tmp_path: Path, receiver: Receiver
) -> None:
    keys = TellingKeys(tmp_path / "key")
    post = Webhooks(keys, allowed=(receiver.url,))
    answer = post(receiver.url, message_id="msg_1", subscription="s", body=b'{"type":"x"}', at=datetime.now(UTC))
    assert answer.accepted
    headers, body = receiver.came[0]
    assert Webhook(keys.secret("s")).verify(body, headers) == {"type": "x"}
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(keys.secret("another")).verify(body, headers)
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0


def test_killed_between_delivery_and_mark_the_same_message_comes_again(telling: Telling, receiver: Receiver) -> None:
    allow(telling, receiver)
    telling.subscribe(Channel.WEBHOOK, receiver.url, "failed")
    telling.notice()
    post = telling.couriers.post

    def killed(url: str, **what: object) -> object:
        post(url, **what)  # type: ignore[arg-type]
        raise RuntimeError("killed before it was marked")

    with pytest.raises(RuntimeError):
        dataclasses.replace(telling.couriers, post=killed).webhooks()
    telling.couriers.webhooks()
    assert len(receiver.came) == 2
    assert len(set(receiver.ids)) == 1
    assert telling.owed()[0].state is DeliveryState.DELIVERED


def test_after_its_last_try_a_delivery_is_dead_and_a_person_may_ask_for_it_again(
    telling: Telling, receiver: Receiver
) -> None:
    allow(telling, receiver)
    telling.subscribe(Channel.WEBHOOK, receiver.url, "failed")
    telling.notice()
    receiver.failures = MOST_ATTEMPTS
    for _ in range(MOST_ATTEMPTS):
        telling.couriers.webhooks()
        telling.clock.pass_seconds(7 * 3600)
    (owed,) = telling.owed()
    assert owed.state is DeliveryState.DEAD
    assert [event.subject for event in telling.events("delivery.dead")] == [owed.id]
    assert telling.couriers.webhooks() == 0
    subscriptions.redeliver(telling.hub.store, owed.id, ANN)
    telling.couriers.webhooks()
    assert telling.owed()[0].state is DeliveryState.DELIVERED
    assert len(set(receiver.ids)) == 1


def test_a_receiver_that_is_gone_is_told_no_more(telling: Telling, receiver: Receiver) -> None:
    allow(telling, receiver)
    telling.subscribe(Channel.WEBHOOK, receiver.url, "refused", "failed")
    telling.notice()
    receiver.failures, receiver.code = 1, 410
    telling.couriers.webhooks()
    assert len(receiver.came) == 1
    assert {one.state for one in telling.owed()} == {DeliveryState.DEAD}
    with telling.hub.store.read() as tx:
        (one,) = tx.find(Subscription)
    assert "HTTP 410" in one.ended_why


def test_redirects_are_not_followed(telling: Telling, receiver: Receiver) -> None:
    allow(telling, receiver)
    telling.subscribe(Channel.WEBHOOK, receiver.url, "failed")
    telling.notice()
    receiver.failures, receiver.code = 1, 302
    telling.couriers.webhooks()
    assert len(receiver.came) == 1
    assert "redirects are not followed" in telling.owed()[0].status


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"])
def test_the_hub_posts_to_no_private_address(tmp_path: Path, receiver: Receiver, host: str) -> None:
    port = receiver.url.rpartition(":")[2]
    post = Webhooks(TellingKeys(tmp_path / "key"), allowed=("http://127.0.0.1:1/", f"http://127.0.0.1:{port}/allowed"))
    answer = post(f"http://{host}:{port}/", message_id="m", subscription="s", body=b"{}", at=datetime.now(UTC))
    assert not answer.accepted
    assert answer.final
    assert "not a public address" in answer.status
    assert receiver.came == []


def test_a_dead_receiver_is_asked_once_a_round_and_keeps_nobody_waiting(telling: Telling, receiver: Receiver) -> None:
    allow(telling, receiver)
    dead = telling.subscribe(Channel.WEBHOOK, "http://127.0.0.1:9/", "published")
    telling.couriers = dataclasses.replace(
        telling.couriers, post=Webhooks(telling.keys, allowed=(receiver.url, "http://127.0.0.1:9/"))
    )
    telling.subscribe(Channel.WEBHOOK, receiver.url, "published")
    telling.notice()
    telling.couriers.webhooks()
    assert len(receiver.came) == 5
    tried = [one for one in telling.owed(subscription=dead.id) if one.attempts]
    assert len(tried) == 1
    assert "ConnectError" in tried[0].status


def test_settled_deliveries_are_forgotten_after_a_month(telling: Telling, receiver: Receiver) -> None:
    allow(telling, receiver)
    telling.subscribe(Channel.WEBHOOK, receiver.url, "failed")
    telling.notice()
    telling.couriers.webhooks()
    assert telling.couriers.forget() == 0
    telling.clock.pass_seconds(31 * 86400)
    assert telling.couriers.forget() == 1
    assert telling.owed() == []


# --- mail


def test_a_whole_drop_is_one_mail_and_failures_of_one_cause_are_one_line(
    telling: Telling, mailbox: Mailbox, story: Story
) -> None:
    reason = "/usr/include/broken.h:{}: error: expected ';'"
    with telling.hub.store.begin() as tx:
        for number, source in enumerate(("zlib", "expat", "jansson")):
            build = tx.get(Build, story.ids[source])
            held = builds.move(tx, build, BuildState.BUILT, actor="compare", why="vendor binaries came")
            builds.fail(tx, held, FailureKind.BUILD, reason.format(number + 7), actor="worker:local-1")
    telling.subscribe(Channel.MAIL, "ann@reef.example")
    telling.subscribe(Channel.MAIL, "ann@reef.example", "failed", source="z*")
    telling.notice()
    assert telling.couriers.mails() == 0, "more may come"
    telling.clock.pass_seconds(121)
    assert telling.couriers.mails() == 1
    assert telling.couriers.mails() == 0
    (letter,) = mailbox.letters
    assert mailbox.recipients == [["ann@reef.example"]]
    body = letter.get_content()
    assert "4 failed" in letter["Subject"]
    assert body.count("3 builds fail because of: …/broken.h: error: expected ';'") == 1
    assert "buildfarm retry --cluster" in body
    assert "bzip2-1.0-1.el9: verdict INCOMPATIBLE: no tag takes it" in body
    assert letter["In-Reply-To"] == f"<drop.{story.drop}@reef.example>"
    assert letter["From"] == "Reef builds <builds@reef.example>"
    assert letter["List-Unsubscribe"].startswith("<https://builds.reef.example/subscriptions/")
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert {one.state for one in telling.owed()} == {DeliveryState.DELIVERED}


def test_a_digest_comes_at_most_every_quarter_of_an_hour_and_at_once_when_a_drop_rests(
    telling: Telling, mailbox: Mailbox, story: Story
) -> None:
    telling.subscribe(Channel.MAIL, "ann@reef.example")
    telling.notice()
    telling.clock.pass_seconds(121)
    telling.couriers.mails()
    with telling.hub.store.begin() as tx:
        for build in tx.find(Build, drop_id=story.drop):
            if build.source in ("diffutils", "tree", "less"):
                builds.cancel(tx, build, actor="ann", why="not today")
    telling.clock.pass_seconds(1)
    telling.notice()
    telling.clock.pass_seconds(14 * 60)
    assert telling.couriers.mails() == 0
    telling.clock.pass_seconds(60)
    assert telling.couriers.mails() == 1
    assert "has come to rest" in mailbox.letters[-1]["Subject"]


def test_killed_between_sending_and_mark_the_same_mail_comes_again_under_its_id(
    telling: Telling, mailbox: Mailbox, story: Story
) -> None:
    telling.subscribe(Channel.MAIL, "ann@reef.example")
    telling.notice()
    telling.clock.pass_seconds(121)
    send = telling.couriers.mail

    def killed(letter: object) -> object:
        send(letter)  # type: ignore[arg-type]
        raise RuntimeError("killed before it was marked")

    with pytest.raises(RuntimeError):
        dataclasses.replace(telling.couriers, mail=killed).mails()
    with telling.hub.store.begin() as tx:  # more happens meanwhile: it goes into the next one
        builds.retry(tx, tx.get(Build, story.ids["reef-cannot-build"]), actor="ann", why="again")
        builds.cancel(tx, tx.get(Build, story.ids["reef-cannot-build"]), actor="ann", why="no")
    telling.notice()
    telling.couriers.mails()
    first, second = mailbox.letters
    assert first["Message-ID"] == second["Message-ID"]
    assert first.get_content() == second.get_content()


def test_a_server_that_is_busy_gets_the_mail_later_and_one_that_refuses_for_good_does_not(
    telling: Telling, mailbox: Mailbox
) -> None:
    telling.subscribe(Channel.MAIL, "ann@reef.example", "failed")
    telling.notice()
    telling.clock.pass_seconds(121)
    mailbox.refuse = "451 try later"
    telling.couriers.mails()
    (owed,) = telling.owed()
    assert (owed.state, owed.status) == (DeliveryState.PENDING, "SMTP 451 try later")
    mailbox.refuse = "550 nobody here"
    telling.clock.pass_seconds(6)
    telling.couriers.mails()
    (owed,) = telling.owed()
    assert (owed.state, owed.status) == (DeliveryState.DEAD, "SMTP 550 nobody here")


def test_a_hostile_name_cannot_write_a_header(telling: Telling, mailbox: Mailbox, story: Story) -> None:
    with telling.hub.store.begin() as tx:
        build = tx.get(Build, story.ids["reef-cannot-build"])
        tx.change(build, version="1\r\nBcc: everybody@reef.example\r\n\r\nhello", reason="a\r\n.\r\nQUIT")
    telling.subscribe(Channel.MAIL, "ann@reef.example", "failed")
    telling.notice()
    telling.clock.pass_seconds(121)
    telling.couriers.mails()
    (letter,) = mailbox.letters
    assert letter["Bcc"] is None
    assert mailbox.recipients == [["ann@reef.example"]]
    assert "Bcc: everybody" in letter["Subject"], "it is a word of the subject, nothing else"


# --- stream


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRedis]:
    private = PrivateRedis(folder=tmp_path_factory.mktemp("redis"), port=free_port(), password="hub-secret")
    process = subprocess.Popen(["redis-server", private.write_configuration()], stdout=subprocess.DEVNULL)
    client = redis.Redis.from_url(private.url, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), 100))
    client.ping()
    client.close()
    yield private
    process.terminate()
    process.wait()


@pytest.fixture
def raw(redis_server: PrivateRedis) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(redis_server.url, decode_responses=True)
    client.delete(event_stream.KEY)
    yield client
    client.close()


Stream = Callable[[int], RedisStream]


def tell_all(telling: Telling, stream: RedisStream, limit: int = 30) -> None:
    while streaming.tell(telling.hub.config, telling.hub.store, stream, limit=limit):
        pass


def test_every_event_is_one_message_under_its_number(
    telling: Telling, raw: redis.Redis, redis_server: PrivateRedis, story: Story
) -> None:
    stream = RedisStream(redis_server.url, length=10_000)
    tell_all(telling, stream)
    with telling.hub.store.read() as tx:
        events = tx.find(Event, order_by="id")
        follower = tx.get(Follower, "stream")
    messages = raw.xrange(event_stream.KEY)
    assert [identity for identity, _ in messages] == [f"{event.id}-0" for event in events]
    assert (follower.event, follower.length) == (events[-1].id, len(events))
    said = next(fields for _, fields in messages if fields["kind"] == "build.failed")
    assert (said["source"], said["target"], said["sig"]) == ("reef-cannot-build", "reef-9", "core")
    assert json.loads(said["data"])["failure_kind"] == "build"
    opened = next(fields for _, fields in messages if fields["kind"] == "task.open")
    assert opened["build"], "a task's message names its build"


def test_what_was_told_before_a_crash_is_not_told_twice(
    telling: Telling, raw: redis.Redis, redis_server: PrivateRedis
) -> None:
    stream = RedisStream(redis_server.url, length=10_000)
    streaming.tell(telling.hub.config, telling.hub.store, stream, limit=10)
    with telling.hub.store.read() as tx:
        first = tx.find(Event, order_by="id", limit=15)
    stream.tell([(event.id or 0, {"kind": event.kind}) for event in first])  # another teller, a moment behind
    assert raw.xlen(event_stream.KEY) == 15
    tell_all(telling, stream)
    with telling.hub.store.read() as tx:
        assert raw.xlen(event_stream.KEY) == tx.count(Event)


def test_a_redis_that_lost_its_memory_is_told_again(
    telling: Telling, raw: redis.Redis, redis_server: PrivateRedis
) -> None:
    stream = RedisStream(redis_server.url, length=10_000)
    tell_all(telling, stream)
    whole = raw.xlen(event_stream.KEY)
    raw.delete(event_stream.KEY)
    tell_all(telling, stream)
    assert raw.xlen(event_stream.KEY) == whole


def test_the_stream_of_another_farm_is_not_written_to(
    telling: Telling, raw: redis.Redis, redis_server: PrivateRedis
) -> None:
    raw.xadd(event_stream.KEY, {"kind": "x"}, id="999999-0")
    with pytest.raises(InfraError, match="another farm"):
        tell_all(telling, RedisStream(redis_server.url, length=10))


def test_a_reader_may_read_the_stream_and_nothing_else(
    telling: Telling, raw: redis.Redis, redis_server: PrivateRedis
) -> None:
    tell_all(telling, RedisStream(redis_server.url, length=10_000))
    reader = redis.Redis.from_url(event_stream.add_reader(redis_server.url, "dash"), decode_responses=True)
    assert reader.xread({event_stream.KEY: "0"}, count=1)
    for forbidden in (
        lambda: reader.xadd(event_stream.KEY, {"a": "b"}),
        lambda: reader.get("bf:hub:wake"),
        lambda: reader.delete(event_stream.KEY),
        reader.flushall,
    ):
        with pytest.raises(redis.exceptions.NoPermissionError):
            forbidden()
    reader.close()


# --- meters


def test_each_task_and_verdict_is_counted_once_whatever_crashes(telling: Telling, story: Story) -> None:
    with telling.hub.store.begin() as tx:
        task = tx.first(Task, subject=story.ids["diffutils"])
        assert task is not None
        tx.event("task.closed", task.id, actor="worker:local-1", about=task.subject)
        tx.change(task, state=TaskState.CLOSED, finished=task.started + timedelta(seconds=42))  # type: ignore[operator]

    def crash(tx: object, events: object) -> None:
        metering.write(tx, events)  # type: ignore[arg-type]
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        following.follow(telling.hub.store, "meters", crash)
    while following.follow(telling.hub.store, "meters", metering.write, limit=7):
        pass
    with telling.hub.store.read() as tx:
        meters = {one.id: one for one in tx.find(Meter)}
        opened = tx.count(Event, kind="task.open")
    ran = meters["buildfarm_task_seconds|build|reef-9|ok"]
    assert (ran.count, ran.seconds) == (1, 42)
    assert meters["buildfarm_schedule_seconds|build"].count == opened
    assert meters["buildfarm_comparisons|reef-9|INCOMPATIBLE"].count == 1
    assert meters["buildfarm_publish_seconds|reef-9"].count == 5
    assert meters["buildfarm_events|build.published"].count == 5


# --- at scale


def test_the_teller_reads_no_whole_table(telling: Telling, receiver: Receiver, story: Story) -> None:
    allow(telling, receiver)
    telling.subscribe(Channel.WEBHOOK, receiver.url)
    telling.subscribe(Channel.MAIL, "ann@reef.example")
    assert isinstance(telling.hub.store, SqlStore)
    with recording(telling.hub.store) as recorded:
        telling.notice()
        while following.follow(telling.hub.store, "meters", metering.write):
            pass
        telling.clock.pass_seconds(200)
        assert telling.couriers.webhooks()
        assert telling.couriers.mails()
        telling.couriers.forget()
    assert len(recorded.statements) > 15
    assert whole_reads(telling.hub.store, recorded) == []
