"""What happens becomes notices, once each, whatever crashes; and the teller reads no whole table."""

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
from tests.integration.web.notify.conftest import Telling, allow
from tests.integration.web.receivers import Receiver
from tests.integration.web.scenario import Story


def test_each_thing_that_happened_is_one_notice_with_its_facts(
    telling: Telling, story: Story
) -> None:
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


def test_a_crash_while_telling_takes_everything_back_and_the_next_round_tells_it_once(
    telling: Telling,
) -> None:
    subscription = telling.subscribe(Channel.WEBHOOK, "http://127.0.0.1:1/")

    def crash(tx: object, events: object) -> None:
        notices.write(telling.hub.config, tx, events)  # type: ignore[arg-type]
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        consumers.follow(telling.hub.store, "notices", crash)
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
        consumers.follow(telling.hub.store, "notices", overtaken)


def test_a_drop_that_came_to_rest_is_told_once_and_again_after_a_retry(
    telling: Telling, story: Story
) -> None:
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
        builds.fail(
            tx, again, FailureKind.BUILD, "it still does not compile", actor="worker:local-1"
        )
    telling.clock.pass_seconds(1)
    telling.notice()
    assert len(telling.events("drop.at_rest")) == 2


def test_a_waiver_that_ends_within_a_week_is_told_once(telling: Telling) -> None:
    day = (telling.clock.now + timedelta(days=5)).date()
    waiver = Waiver(
        id="W-1",
        owner="ann",
        reason="known",
        expires=day,
        kind="file-mode",
        source="bzip2",
        target="reef-9",
    )
    waivers.record(telling.hub, waiver, actor="ann", role="engineer")
    telling.subscribe(Channel.MAIL, "ann@reef.example", "waiver", source="bzip*")
    telling.subscribe(Channel.MAIL, "ann@reef.example", "waiver", source="zlib")
    assert waivers.warn(telling.hub) == ("W-1",)
    assert waivers.warn(telling.hub) == ()
    telling.notice()
    assert len(telling.owed()) == 1


def test_the_teller_reads_no_whole_table(
    telling: Telling, receiver: Receiver, story: Story
) -> None:
    allow(telling, receiver)
    telling.subscribe(Channel.WEBHOOK, receiver.url)
    telling.subscribe(Channel.MAIL, "ann@reef.example")
    assert isinstance(telling.hub.store, SqlStore)
    with recording(telling.hub.store) as recorded:
        telling.notice()
        while consumers.follow(telling.hub.store, "meters", metrics.write):
            pass
        telling.clock.pass_seconds(200)
        assert telling.couriers.webhooks()
        assert telling.couriers.mails()
        telling.couriers.forget()
    assert len(recorded.statements) > 15
    assert whole_reads(telling.hub.store, recorded) == []
