"""``buildfarm subscribe`` and its siblings against a real hub on loopback, and the notifier as it
runs.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping

import pytest
from click.testing import CliRunner
from flask import Flask
from werkzeug.serving import make_server

from buildfarm import bootstrap
from buildfarm.cli.main import cli
from buildfarm.domain.core.records import Event, EventConsumer, Leader
from buildfarm.domain.notify.notice import Notice
from buildfarm.domain.notify.subscription import Delivery, DeliveryState, Subscription
from buildfarm.errors import InfraError
from buildfarm.services.core.hub import Hub
from buildfarm.services.notify.notifier import Notifier
from tests.fakes import Clock
from tests.integration.web import scenarios
from tests.integration.web.scenarios import Scenario

Run = Callable[..., str]


@pytest.fixture
def run(app: Flask) -> Iterator[Run]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    hub = {
        "BUILDFARM_URL": f"http://127.0.0.1:{server.server_port}",
        "BUILDFARM_TOKEN": scenarios.ENGINEER,
        "COLUMNS": "200",
    }

    def run(*words: str) -> str:
        done = CliRunner().invoke(cli, words, env=hub)
        assert done.exit_code == 0, done.output
        return done.stdout

    yield run
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_person_subscribes_looks_and_unsubscribes(run: Run, hub: Hub, clock: Clock) -> None:
    made = run(
        "subscribe",
        "webhook",
        "http://93.184.215.14/x",
        "--topic",
        "failed",
        "--source",
        "z*",
        "--json",
    )
    identity = json.loads(made)["id"]
    with hub.store.begin() as tx:
        tx.add(
            Delivery(
                id="msg_1", subscription=identity, channel="webhook", address="x", notice=1, state=DeliveryState.DEAD,
                status="HTTP 503", attempts=12, due=tx.now, created=tx.now, settled=tx.now,
            )  # type: ignore[arg-type]
        )  # fmt: skip
    assert run("subscriptions") == run("deliveries") == "", "tables go to the terminal itself"
    (listed,) = json.loads(run("subscriptions", "--json"))["subscriptions"]
    assert (listed["id"], listed["source"], listed["dead"]) == (identity, "z*", 1)
    assert [
        one["id"]
        for one in json.loads(run("deliveries", "--state", "dead", "--json"))["deliveries"]
    ] == ["msg_1"]
    run("redeliver", "msg_1")
    run("unsubscribe", identity, "--reason", "moved")
    with hub.store.read() as tx:
        assert tx.get(Subscription, identity).ended_why == "moved"
        kinds = [event.kind for event in tx.find(Event, subject=("msg_1", identity), order_by="id")]
    assert kinds == ["subscription.recorded", "delivery.asked_again", "subscription.ended"]


class Stream:
    """A stream that cannot be reached at first."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.troubles = 1

    def last(self) -> int | None:
        if self.troubles:
            self.troubles -= 1
            raise InfraError("Redis: away")
        return self.told[-1] if self.told else None

    def append(self, messages: Iterator[tuple[int, Mapping[str, str]]]) -> int:
        self.told += [number for number, _ in messages]
        return len(self.told)


def test_the_leader_does_all_duties_and_who_stands_by_none(hub: Hub, scenario: Scenario) -> None:
    with hub.store.begin() as tx:
        for name in ("notices", "metrics"):
            tx.add(EventConsumer(id=name, moved=tx.now))
        count = tx.count(Event)
    stop, streams = threading.Event(), [Stream(), Stream()]
    notifier = [
        Notifier(hub, stream, bootstrap.deliveries_of(hub), owner=f"notifier-{number}")
        for number, stream in enumerate(streams)
    ]
    threads = [threading.Thread(target=notifier.run, args=(stop,)) for notifier in notifier]
    for thread in threads:
        thread.start()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and (len(streams[0].told) < count or not _noticed(hub)):
            stop.wait(0.05)
    stop.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert len(streams[0].told) == count, "one that could not be reached is told later"
    assert streams[1].told == []
    with hub.store.read() as tx:
        assert tx.get(Leader, "notifier").owner == "notifier-0"


def _noticed(hub: Hub) -> bool:
    with hub.store.read() as tx:
        return tx.count(Notice) > 0
