"""Every event is a message on a real Redis stream, once, whatever Redis or the notifier forgets."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator

import pytest
import redis

from buildfarm.adapters.notify import event_stream
from buildfarm.adapters.notify.event_stream import RedisStream
from buildfarm.adapters.schedule.broker import PrivateRedis
from buildfarm.domain.core.records import Event, EventConsumer
from buildfarm.errors import InfraError
from buildfarm.services.notify import stream as streaming
from tests.integration.web.notify.conftest import Notifications
from tests.integration.web.receivers import free_port
from tests.integration.web.scenarios import Scenario


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRedis]:
    private = PrivateRedis(
        folder=tmp_path_factory.mktemp("redis"), port=free_port(), password="hub-secret"
    )
    process = subprocess.Popen(
        ["redis-server", private.write_configuration()], stdout=subprocess.DEVNULL
    )
    client = redis.Redis.from_url(
        private.url, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), 100)
    )
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


def tell_all(notifications: Notifications, stream: RedisStream, limit: int = 30) -> None:
    while streaming.forward(notifications.hub.config, notifications.hub.store, stream, limit=limit):
        pass


def test_every_event_is_one_message_under_its_number(
    notifications: Notifications, raw: redis.Redis, redis_server: PrivateRedis, scenario: Scenario
) -> None:
    stream = RedisStream(redis_server.url, length=10_000)
    tell_all(notifications, stream)
    with notifications.hub.store.read() as tx:
        events = tx.find(Event, order_by="id")
        consumer = tx.get(EventConsumer, "stream")
    messages = raw.xrange(event_stream.KEY)
    assert [identity for identity, _ in messages] == [f"{event.id}-0" for event in events]
    assert (consumer.event, consumer.length) == (events[-1].id, len(events))
    said = next(fields for _, fields in messages if fields["kind"] == "build.failed")
    assert (said["source"], said["target"], said["sig"]) == ("reef-cannot-build", "reef-9", "core")
    assert json.loads(said["data"])["failure_kind"] == "build"
    opened = next(fields for _, fields in messages if fields["kind"] == "task.open")
    assert opened["build"], "a task's message names its build"


def test_what_was_told_before_a_crash_is_not_told_twice(
    notifications: Notifications, raw: redis.Redis, redis_server: PrivateRedis
) -> None:
    stream = RedisStream(redis_server.url, length=10_000)
    streaming.forward(notifications.hub.config, notifications.hub.store, stream, limit=10)
    with notifications.hub.store.read() as tx:
        first = tx.find(Event, order_by="id", limit=15)
    stream.append(
        [(event.id or 0, {"kind": event.kind}) for event in first]
    )  # another notifier, a moment behind
    assert raw.xlen(event_stream.KEY) == 15
    tell_all(notifications, stream)
    with notifications.hub.store.read() as tx:
        assert raw.xlen(event_stream.KEY) == tx.count(Event)


def test_a_redis_that_lost_its_memory_is_told_again(
    notifications: Notifications, raw: redis.Redis, redis_server: PrivateRedis
) -> None:
    stream = RedisStream(redis_server.url, length=10_000)
    tell_all(notifications, stream)
    whole = raw.xlen(event_stream.KEY)
    raw.delete(event_stream.KEY)
    tell_all(notifications, stream)
    assert raw.xlen(event_stream.KEY) == whole


def test_the_stream_of_another_farm_is_not_written_to(
    notifications: Notifications, raw: redis.Redis, redis_server: PrivateRedis
) -> None:
    raw.xadd(event_stream.KEY, {"kind": "x"}, id="999999-0")
    with pytest.raises(InfraError, match="another farm"):
        tell_all(notifications, RedisStream(redis_server.url, length=10))


def test_a_reader_may_read_the_stream_and_nothing_else(
    notifications: Notifications, raw: redis.Redis, redis_server: PrivateRedis
) -> None:
    tell_all(notifications, RedisStream(redis_server.url, length=10_000))
    reader = redis.Redis.from_url(
        event_stream.add_reader(redis_server.url, "dash"), decode_responses=True
    )
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
