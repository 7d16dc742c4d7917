"""What happens becomes notices, once each, whatever crashes; and the notifier reads no whole table."""

from __future__ import annotations

from datetime import timedelta

import pytest

from buildfarm.adapters.core.database import SqlStore
from buildfarm.domain.compare.policy import Waiver
from buildfarm.domain.core.build import Build, FailureKind
from buildfarm.domain.core.records import Event
from buildfarm.domain.notify.notice import Topic
from buildfarm.domain.notify.subscription import Channel
from buildfarm.errors import Conflict
from buildfarm.services.build import waivers
from buildfarm.services.core import builds
from buildfarm.services.notify import consumers, metrics, notices
from tests.integration.store.query_plans import recording, whole_reads
from tests.integration.web.notify.conftest import Notifications, allow
from tests.integration.web.receivers import Receiver
from tests.integration.web.scenarios import Scenario


def test_each_thing_that_happened_is_one_notice_with_its_facts(
    notifications: Notifications, scenario: Scenario
) -> None:
    notifications.notice()
    failed = notifications.notices(Topic.FAILED)
    assert [(one.name, one.source, one.target, one.sig) for one in failed] == [
        ("reef-cannot-build-1.0-1.el9", "reef-cannot-build", "reef-9", "core")
    ]
    assert "undeclared" in failed[0].why
    assert {one.source for one in notifications.notices(Topic.REFUSED)} == {"bzip2", "popt"}
    assert notifications.notices(Topic.REFUSED)[0].data["verdict"] == "INCOMPATIBLE"
    assert {one.source for one in notifications.notices(Topic.ON_HOLD)} == {"chrpath"}
    assert len(notifications.notices(Topic.PUBLISHED)) == 5
    assert [one.drop_id for one in notifications.notices(Topic.RECEIVED)] == [scenario.drop]
    before = notifications.notices()
    notifications.notice()
    assert notifications.notices() == before


def test_a_crash_while_telling_takes_everything_back_and_the_next_round_tells_it_once(
    notifications: Notifications,
) -> None:
    subscription = notifications.subscribe(Channel.WEBHOOK, "http://127.0.0.1:1/")

    def crash(tx: object, events: object) -> None:
        notices.write(notifications.hub.config, tx, events)  # type: ignore[arg-type]
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        consumers.consume(notifications.hub.store, "notices", crash)
    assert notifications.owed() == []
    notifications.notice()
    assert [one.notice for one in notifications.owed()] == [
        one.id for one in notifications.notices()
    ]
    assert {one.subscription for one in notifications.owed()} == {subscription.id}


def test_of_two_that_follow_at_once_one_is_refused(notifications: Notifications) -> None:
    def overtaken(tx: object, events: object) -> None:
        raise AssertionError("its place was taken")

    settled = notifications.hub.store.settled

    def late(after: int, limit: int) -> list[Event]:
        events = settled(after, limit)
        notifications.hub.store.settled = settled  # type: ignore[method-assign]
        notifications.notice()  # another process was quicker
        return events

    notifications.hub.store.settled = late  # type: ignore[method-assign]
    with pytest.raises(Conflict):
        consumers.consume(notifications.hub.store, "notices", overtaken)


def test_a_drop_that_came_to_rest_is_told_once_and_again_after_a_retry(
    notifications: Notifications, scenario: Scenario
) -> None:
    with notifications.hub.store.begin() as tx:
        for build in tx.find(Build, drop_id=scenario.drop):
            if build.source in ("diffutils", "tree", "less"):
                builds.cancel(tx, build, actor="ann", why="not today")
    notifications.clock.pass_seconds(1)
    notifications.notice()
    assert len(notifications.events("drop.at_rest")) == 1
    (rest,) = notifications.notices(Topic.AT_REST)
    assert "1 failed" in rest.why
    assert "5 published" in rest.why
    with notifications.hub.store.begin() as tx:
        failed = tx.get(Build, scenario.ids["reef-cannot-build"])
        again = builds.retry(tx, failed, actor="ann", why="once more")
    notifications.notice()
    assert len(notifications.events("drop.at_rest")) == 1
    notifications.clock.pass_seconds(5)
    with notifications.hub.store.begin() as tx:
        builds.fail(
            tx, again, FailureKind.BUILD, "it still does not compile", actor="worker:local-1"
        )
    notifications.clock.pass_seconds(1)
    notifications.notice()
    assert len(notifications.events("drop.at_rest")) == 2


def test_a_waiver_that_ends_within_a_week_is_told_once(notifications: Notifications) -> None:
    day = (notifications.clock.now + timedelta(days=5)).date()
    waiver = Waiver(
        id="W-1",
        owner="ann",
        reason="known",
        expires=day,
        kind="file-mode",
        source="bzip2",
        target="reef-9",
    )
    waivers.record(notifications.hub, waiver, actor="ann", role="engineer")
    notifications.subscribe(Channel.MAIL, "ann@reef.example", "waiver", source="bzip*")
    notifications.subscribe(Channel.MAIL, "ann@reef.example", "waiver", source="zlib")
    assert waivers.warn(notifications.hub) == ("W-1",)
    assert waivers.warn(notifications.hub) == ()
    notifications.notice()
    assert len(notifications.owed()) == 1


def test_the_teller_reads_no_whole_table(
    notifications: Notifications, receiver: Receiver, scenario: Scenario
) -> None:
    allow(notifications, receiver)
    notifications.subscribe(Channel.WEBHOOK, receiver.url)
    notifications.subscribe(Channel.MAIL, "ann@reef.example")
    assert isinstance(notifications.hub.store, SqlStore)
    with recording(notifications.hub.store) as recorded:
        notifications.notice()
        while consumers.consume(notifications.hub.store, "metrics", metrics.write):
            pass
        notifications.clock.pass_seconds(200)
        assert notifications.delivery_sender.webhooks()
        assert notifications.delivery_sender.mails()
        notifications.delivery_sender.forget()
    assert len(recorded.statements) > 15
    assert whole_reads(notifications.hub.store, recorded) == []
