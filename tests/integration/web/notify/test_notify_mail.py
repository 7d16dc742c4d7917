"""Notices go out as digests over SMTP, one message a batch, the same one after a crash."""

from __future__ import annotations

import dataclasses

import pytest

from buildfarm.domain.core.build import Build, BuildState, FailureKind
from buildfarm.domain.notify.subscription import Channel, DeliveryState
from buildfarm.services.core import builds
from tests.integration.web.notify.conftest import Notifications
from tests.integration.web.receivers import Mailbox
from tests.integration.web.scenarios import Scenario


def test_a_whole_drop_is_one_mail_and_failures_of_one_cause_are_one_line(
    notifications: Notifications, mailbox: Mailbox, scenario: Scenario
) -> None:
    reason = "/usr/include/broken.h:{}: error: expected ';'"
    with notifications.hub.store.begin() as tx:
        for number, source in enumerate(("zlib", "expat", "jansson")):
            build = tx.get(Build, scenario.ids[source])
            held = builds.move(
                tx, build, BuildState.BUILT, actor="compare", why="vendor binaries came"
            )
            builds.fail(
                tx, held, FailureKind.BUILD, reason.format(number + 7), actor="worker:local-1"
            )
    notifications.subscribe(Channel.MAIL, "ann@reef.example")
    notifications.subscribe(Channel.MAIL, "ann@reef.example", "failed", source="z*")
    notifications.notice()
    assert notifications.delivery_sender.mails() == 0, "more may come"
    notifications.clock.pass_seconds(121)
    assert notifications.delivery_sender.mails() == 1
    assert notifications.delivery_sender.mails() == 0
    (letter,) = mailbox.letters
    assert mailbox.recipients == [["ann@reef.example"]]
    body = letter.get_content()
    assert "4 failed" in letter["Subject"]
    assert body.count("3 builds fail because of: …/broken.h: error: expected ';'") == 1
    assert "buildfarm retry --cluster" in body
    assert "bzip2-1.0-1.el9: verdict INCOMPATIBLE: no tag takes it" in body
    assert letter["In-Reply-To"] == f"<drop.{scenario.drop}@reef.example>"
    assert letter["From"] == "Reef builds <builds@reef.example>"
    assert letter["List-Unsubscribe"].startswith("<https://builds.reef.example/subscriptions/")
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert {one.state for one in notifications.owed()} == {DeliveryState.DELIVERED}


def test_a_digest_comes_at_most_every_quarter_of_an_hour_and_at_once_when_a_drop_rests(
    notifications: Notifications, mailbox: Mailbox, scenario: Scenario
) -> None:
    notifications.subscribe(Channel.MAIL, "ann@reef.example")
    notifications.notice()
    notifications.clock.pass_seconds(121)
    notifications.delivery_sender.mails()
    with notifications.hub.store.begin() as tx:
        for build in tx.find(Build, drop_id=scenario.drop):
            if build.source in ("diffutils", "tree", "less"):
                builds.cancel(tx, build, actor="ann", why="not today")
    notifications.clock.pass_seconds(1)
    notifications.notice()
    notifications.clock.pass_seconds(14 * 60)
    assert notifications.delivery_sender.mails() == 0
    notifications.clock.pass_seconds(60)
    assert notifications.delivery_sender.mails() == 1
    assert "has come to rest" in mailbox.letters[-1]["Subject"]


def test_killed_between_sending_and_mark_the_same_mail_comes_again_under_its_id(
    notifications: Notifications, mailbox: Mailbox, scenario: Scenario
) -> None:
    notifications.subscribe(Channel.MAIL, "ann@reef.example")
    notifications.notice()
    notifications.clock.pass_seconds(121)
    send = notifications.delivery_sender.mail

    def killed(letter: object) -> object:
        send(letter)  # type: ignore[arg-type]
        raise RuntimeError("killed before it was marked")

    with pytest.raises(RuntimeError):
        dataclasses.replace(notifications.delivery_sender, mail=killed).mails()
    with notifications.hub.store.begin() as tx:  # more happens meanwhile: it goes into the next one
        builds.retry(tx, tx.get(Build, scenario.ids["reef-cannot-build"]), actor="ann", why="again")
        builds.cancel(tx, tx.get(Build, scenario.ids["reef-cannot-build"]), actor="ann", why="no")
    notifications.notice()
    notifications.delivery_sender.mails()
    first, second = mailbox.letters
    assert first["Message-ID"] == second["Message-ID"]
    assert first.get_content() == second.get_content()


def test_a_server_that_is_busy_gets_the_mail_later_and_one_that_refuses_for_good_does_not(
    notifications: Notifications, mailbox: Mailbox
) -> None:
    notifications.subscribe(Channel.MAIL, "ann@reef.example", "failed")
    notifications.notice()
    notifications.clock.pass_seconds(121)
    mailbox.refuse = "451 try later"
    notifications.delivery_sender.mails()
    (owed,) = notifications.owed()
    assert (owed.state, owed.status) == (DeliveryState.PENDING, "SMTP 451 try later")
    mailbox.refuse = "550 nobody here"
    notifications.clock.pass_seconds(6)
    notifications.delivery_sender.mails()
    (owed,) = notifications.owed()
    assert (owed.state, owed.status) == (DeliveryState.DEAD, "SMTP 550 nobody here")


def test_a_hostile_name_cannot_write_a_header(
    notifications: Notifications, mailbox: Mailbox, scenario: Scenario
) -> None:
    with notifications.hub.store.begin() as tx:
        build = tx.get(Build, scenario.ids["reef-cannot-build"])
        tx.update(
            build, version="1\r\nBcc: everybody@reef.example\r\n\r\nhello", reason="a\r\n.\r\nQUIT"
        )
    notifications.subscribe(Channel.MAIL, "ann@reef.example", "failed")
    notifications.notice()
    notifications.clock.pass_seconds(121)
    notifications.delivery_sender.mails()
    (letter,) = mailbox.letters
    assert letter["Bcc"] is None
    assert mailbox.recipients == [["ann@reef.example"]]
    assert "Bcc: everybody" in letter["Subject"], "it is a word of the subject, nothing else"
