"""Subscriptions over page, API and command; feeds as a feed reader sees them; badges."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import timedelta
from typing import Any

import feedparser
import pytest
from buildfarm_web.read_models.core.convert import Json
from flask import Flask
from flask.testing import FlaskClient

from buildfarm import bootstrap
from buildfarm.config import Mail
from buildfarm.domain.core.build import Build
from buildfarm.domain.core.records import Event, EventConsumer
from buildfarm.domain.notify.subscription import Delivery, DeliveryState, Subscription
from buildfarm.services.core.hub import Hub
from buildfarm.services.notify import consumers, notices
from tests.fakes import Clock
from tests.integration.web.people_scenario import browser_of, introduce
from tests.integration.web.scenarios import Scenario

Headers = dict[str, str]
MAIL = {"channel": "mail", "address": "ann@reef.example"}
HOOK = {
    "channel": "webhook",
    "address": "http://93.184.215.14/hook",
    "topics": ["failed"],
    "source": "z*",
}


@pytest.fixture
def hub(hub: Hub) -> Hub:
    """The hub with a mail server, which nothing here writes to."""
    farm = replace(hub.config.farm, mail=Mail(host="127.0.0.1", sender="builds@reef.example"))
    return replace(hub, config=replace(hub.config, farm=farm))


def post(client: FlaskClient, path: str, body: object, headers: Headers) -> Any:
    return client.post(f"/api/v1{path}", json=body, headers=headers)


@pytest.fixture
def noticed(hub: Hub, scenario: Scenario) -> Scenario:
    with hub.store.begin() as tx:
        tx.add(EventConsumer(id="notices", moved=tx.now))
    while consumers.consume(
        hub.store, "notices", lambda tx, events: notices.write(hub.config, tx, events)
    ):
        pass
    return scenario


def test_a_subscription_is_made_listed_and_ended(
    client: FlaskClient, hub: Hub, engineer: Headers
) -> None:
    made = post(client, "/subscriptions", MAIL, engineer)
    assert made.status_code == 201
    assert made.json["owner"] == "ann"
    assert set(made.json["topics"]) == {"approval", "on_hold", "failed", "refused", "waiver"}
    assert "secret" not in made.json
    listed = client.get("/api/v1/subscriptions", headers=engineer).json
    assert [one["address"] for one in listed["subscriptions"]] == ["ann@reef.example"]
    again = post(client, "/subscriptions", MAIL, engineer)
    assert again.status_code == 409
    ended = client.delete(
        f"/api/v1/subscriptions/{made.json['id']}", headers=engineer, json={"reason": "on leave"}
    )
    assert ended.json["ended_why"] == "on leave"
    assert client.get("/api/v1/subscriptions", headers=engineer).json["subscriptions"] == []
    assert (
        client.delete(f"/api/v1/subscriptions/{made.json['id']}", headers=engineer).status_code
        == 409
    )
    with hub.store.read() as tx:
        told = tx.find(Event, subject=made.json["id"])
    assert [event.kind for event in told] == ["subscription.recorded", "subscription.ended"]
    assert "ann@reef.example" not in json.dumps([event.data for event in told])


def test_a_webhooks_secret_is_shown_once_and_stands_nowhere(
    client: FlaskClient, hub: Hub, engineer: Headers
) -> None:
    made = post(client, "/subscriptions", HOOK, engineer).json
    assert made["secret"].startswith("whsec_")
    assert made["secret"] == bootstrap.notification_keys(hub.config).secret(made["id"])
    listed = client.get("/api/v1/subscriptions", headers=engineer)
    assert "whsec_" not in listed.get_data(as_text=True)
    assert made["secret"].encode() not in (hub.config.farm.home_path / "farm.db").read_bytes()


@pytest.mark.parametrize(
    "body",
    [
        {"channel": "mail", "address": "ann@reef.example\nBcc: x@y"},
        {"channel": "mail", "address": "Ann <ann@reef.example>"},
        {"channel": "webhook", "address": "ftp://93.184.215.14/"},
        {"channel": "webhook", "address": "http://name:word@93.184.215.14/"},
        {"channel": "pigeon", "address": "roof"},
        {**MAIL, "topics": ["gossip"]},
        {**MAIL, "sig": "nobody"},
    ],
)
def test_what_is_no_subscription_is_refused(
    client: FlaskClient, engineer: Headers, body: Json
) -> None:
    answer = post(client, "/subscriptions", body, engineer)
    assert answer.status_code == 422
    assert answer.json["detail"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "10.1.2.3", "[::1]"])
def test_a_webhook_to_a_private_address_is_refused_at_once(
    client: FlaskClient, engineer: Headers, host: str
) -> None:
    answer = post(client, "/subscriptions", {**HOOK, "address": f"http://{host}/"}, engineer)
    assert answer.status_code == 403
    assert "notifications.allowed_urls" in answer.json["hint"]


def test_strangers_see_no_address_and_change_nothing(
    client: FlaskClient, engineer: Headers
) -> None:
    made = post(client, "/subscriptions", MAIL, engineer).json
    assert client.get("/api/v1/subscriptions").json["subscriptions"] == []
    assert "ann@reef.example" not in client.get("/subscriptions").get_data(as_text=True)
    assert "ann@reef.example" in client.get("/subscriptions", headers=engineer).get_data(
        as_text=True
    )
    for answer in (
        client.post("/api/v1/subscriptions", json=MAIL),
        client.delete(f"/api/v1/subscriptions/{made['id']}"),
        client.get("/api/v1/deliveries"),
        client.post("/api/v1/deliveries/x/redeliver"),
    ):
        assert answer.status_code == 401


def test_the_link_in_a_mail_ends_it_with_one_click_and_no_other_link_does(
    client: FlaskClient, hub: Hub, engineer: Headers
) -> None:
    made = post(client, "/subscriptions", MAIL, engineer).json
    post(client, "/subscriptions", {**MAIL, "topics": ["published"]}, engineer)
    path = f"/subscriptions/{made['id']}/unsubscribe"
    assert client.post(f"{path}?proof=guess").status_code == 404
    good = f"{path}?proof={bootstrap.notification_keys(hub.config).proof(made['id'])}"
    assert "Stop all mail" in client.get(good).get_data(as_text=True)
    assert len(client.get("/api/v1/subscriptions", headers=engineer).json["subscriptions"]) == 2
    assert client.post(good, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert client.get("/api/v1/subscriptions", headers=engineer).json["subscriptions"] == []
    assert "is written to no more" in client.get(good).get_data(as_text=True)


def test_deliveries_are_listed_and_a_dead_one_is_asked_for_again(
    client: FlaskClient, hub: Hub, engineer: Headers, scenario: Scenario
) -> None:
    made = post(client, "/subscriptions", {**HOOK, "source": "*"}, engineer).json
    with hub.store.begin() as tx:
        tx.add(EventConsumer(id="notices", moved=tx.now))
    consumers.consume(
        hub.store, "notices", lambda tx, events: notices.write(hub.config, tx, events)
    )
    with hub.store.begin() as tx:
        (owed,) = tx.find(Delivery, subscription=made["id"])
        tx.update(owed, state=DeliveryState.DEAD, attempts=12, status="HTTP 503", settled=tx.now)
    listed = client.get("/api/v1/deliveries?state=dead", headers=engineer).json["deliveries"]
    assert [(one["id"], one["status"]) for one in listed] == [(owed.id, "HTTP 503")]
    assert "buildfarm redeliver" in client.get("/subscriptions", headers=engineer).get_data(
        as_text=True
    )
    again = post(client, f"/deliveries/{owed.id}/redeliver", {}, engineer).json
    assert (again["state"], again["attempts"]) == ("pending", 0)
    assert post(client, f"/deliveries/{owed.id}/redeliver", {}, engineer).status_code == 409
    assert post(client, "/deliveries/none/redeliver", {}, engineer).status_code == 404
    assert client.get("/api/v1/deliveries?state=lost", headers=engineer).status_code == 422


def test_a_person_of_no_rights_subscribes_on_the_page_and_sees_and_ends_what_is_theirs_alone(
    app: Flask, hub: Hub, engineer: Headers
) -> None:
    introduce(hub)
    post(app.test_client(), "/subscriptions", MAIL, engineer)
    viewer = browser_of(app, hub, "viewer")
    page = viewer.post(
        "/subscriptions",
        channel="webhook",
        address="http://93.184.215.14/v",
        topics="failed",
        sig="core",
    )
    assert "whsec_" in page
    assert "http://93.184.215.14/v" in page
    assert "ann@reef.example" not in page
    assert "whsec_" not in viewer.client.get("/subscriptions").text
    with hub.store.read() as tx:
        mine, foreign = tx.first(Subscription, owner="viewer"), tx.first(Subscription, owner="ann")
    assert mine is not None
    assert foreign is not None
    refused = viewer.client.post(f"/subscriptions/{foreign.id}/end", data={"csrf": viewer.csrf})
    assert refused.status_code == 403
    assert viewer.client.post(f"/subscriptions/{mine.id}/end").status_code == 403, (
        "no other site's form"
    )
    assert "The subscription is ended." in viewer.post(f"/subscriptions/{mine.id}/end")
    chief = browser_of(app, hub, "engineer")
    assert "ann@reef.example" in chief.client.get("/subscriptions").text
    assert "The subscription is ended." in chief.post(f"/subscriptions/{foreign.id}/end")
    assert (
        chief.client.post(
            "/subscriptions", data={"csrf": chief.csrf, "channel": "pigeon"}
        ).status_code
        == 422
    )


# --- feeds


@pytest.mark.parametrize("path", ["all", "target/reef-9", "sig/core"])
def test_a_feed_reader_finds_what_happened_newest_first(
    client: FlaskClient, noticed: Scenario, path: str
) -> None:
    answer = client.get(f"/feeds/{path}.atom")
    assert answer.content_type == "application/atom+xml; charset=utf-8"
    feed = feedparser.parse(answer.data)
    assert not feed.bozo
    topics = {entry.tags[0].term for entry in feed.entries}
    assert {"received", "published", "failed", "on_hold", "refused"} <= topics
    assert feed.entries == sorted(
        feed.entries, key=lambda entry: entry.updated_parsed, reverse=True
    )
    assert feed.feed.updated == feed.entries[0].updated
    assert all(
        entry.id.startswith("tag:signing@localhost,2026-03-02:event/") for entry in feed.entries
    )
    assert len({entry.id for entry in feed.entries}) == len(feed.entries)
    failed = next(entry for entry in feed.entries if entry.tags[0].term == "failed")
    assert failed.link == f"http://localhost/builds/{noticed.ids['reef-cannot-build']}"
    assert "undeclared" in failed.content[0].value


def test_a_sources_feed_has_that_source_only(client: FlaskClient, noticed: Scenario) -> None:
    feed = feedparser.parse(client.get("/feeds/source/zlib.atom").data)
    assert [entry.title for entry in feed.entries] == ["zlib-1.0-1.el9 is published (reef-9)"]
    empty = feedparser.parse(client.get("/feeds/source/not-there-yet.atom").data)
    assert (empty.bozo, empty.entries) == (False, [])


def test_who_asks_again_gets_nothing_until_something_happened(
    client: FlaskClient, hub: Hub, noticed: Scenario, clock: Clock
) -> None:
    first = client.get("/feeds/all.atom")
    clock.pass_seconds(600)
    again = client.get("/feeds/all.atom", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    since = client.get(
        "/feeds/all.atom", headers={"If-Modified-Since": first.headers["Last-Modified"]}
    )
    assert since.status_code == 304
    with hub.store.begin() as tx:
        tx.event(
            "drop.on_hold", noticed.drop, actor="ingest", why="its target ended \x0b\x00 today"
        )
    consumers.consume(
        hub.store, "notices", lambda tx, events: notices.write(hub.config, tx, events)
    )
    more = client.get("/feeds/all.atom", headers={"If-None-Match": first.headers["ETag"]})
    assert more.status_code == 200
    assert (
        feedparser.parse(more.data).entries[0].title
        == "drop PNAELV 9.4 update 3 is on hold (reef-9)"
    )


@pytest.mark.parametrize("path", ["target/none", "sig/none", "planet/earth"])
def test_there_is_no_feed_of_what_there_is_not(client: FlaskClient, path: str) -> None:
    assert client.get(f"/feeds/{path}.atom").status_code == 404


def test_pages_name_their_feeds(client: FlaskClient, scenario: Scenario) -> None:
    assert (
        'type="application/atom+xml" title="Everything" href="/feeds/all.atom"'
        in client.get("/").text
    )
    assert 'href="/feeds/target/reef-9.atom"' in client.get("/targets/reef-9").text
    assert 'href="/feeds/source/zlib.atom"' in client.get(f"/builds/{scenario.ids['zlib']}").text


# --- badges


def said(answer: Any) -> str:
    assert answer.status_code == 200
    assert answer.content_type == "image/svg+xml; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    drawn = ET.fromstring(answer.data)
    title = drawn.find("{http://www.w3.org/2000/svg}title")
    assert drawn.get("role") == "img"
    assert title is not None
    assert title.get("id") == drawn.get("aria-labelledby")
    return title.text or ""


def test_a_badge_says_state_verdict_and_share_in_words(
    client: FlaskClient, hub: Hub, scenario: Scenario
) -> None:
    with hub.store.read() as tx:
        judged = [one for one in tx.find(Build, target="reef-9") if one.verdict]
    good = sum(
        one.verdict in ("IDENTICAL", "EQUIVALENT", "EXPECTED", "COMPATIBLE") for one in judged
    )
    share = f"{good / len(judged) * 100:.1f} %"
    assert said(client.get("/badges/reef-9.svg")) == f"reef-9: {share} compatible"
    assert said(client.get("/badges/reef-9/zlib.svg")) == "zlib: published, IDENTICAL"
    assert said(client.get("/badges/reef-9/bzip2.svg")) == "bzip2: refused, INCOMPATIBLE"
    assert said(client.get("/badges/reef-9/chrpath.svg")) == "chrpath: on hold"
    first = client.get("/badges/reef-9/zlib.svg")
    assert client.get("/badges/reef-9/zlib.svg").data == first.data
    assert (
        client.get(
            "/badges/reef-9/zlib.svg", headers={"If-None-Match": first.headers["ETag"]}
        ).status_code
        == 304
    )


def test_what_is_not_known_is_a_grey_badge(client: FlaskClient) -> None:
    assert said(client.get("/badges/none.svg")) == "none: unknown"
    assert said(client.get("/badges/reef-9.svg")) == "reef-9: no builds yet"
    assert said(client.get("/badges/reef-9/none.svg")) == "none: unknown"
    hostile = client.get("/badges/reef-9/<script>alert(1)<script>.svg")
    assert said(hostile) == "<script>alert(1)<script>: unknown"
    assert b"<script" not in hostile.data


def test_old_feeds_stay_small(
    client: FlaskClient, hub: Hub, noticed: Scenario, clock: Clock
) -> None:
    with hub.store.begin() as tx:
        for _ in range(80):
            tx.event("drop.on_hold", noticed.drop, actor="ingest", why="again")
    consumers.consume(
        hub.store, "notices", lambda tx, events: notices.write(hub.config, tx, events)
    )
    clock.now += timedelta(seconds=1)
    assert len(feedparser.parse(client.get("/feeds/all.atom").data).entries) == 50
