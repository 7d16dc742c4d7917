"""Asked twice is done once; who asks too often is told when to come back."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from buildfarm_web.app import create_app
from flask import Flask
from flask.testing import FlaskClient

from buildfarm.adapters.schedule.broker import PrivateRedis
from buildfarm.config import Limits
from buildfarm.domain.core.idempotency import KeptAnswer
from buildfarm.domain.core.records import ApiToken, SourceOverride
from buildfarm.services.core import idempotency
from buildfarm.services.core.hub import Hub
from tests.fakes import Clock
from tests.integration.web import scenarios
from tests.integration.web.people_scenario import bearer, introduce, token_of

OVERRIDE = {"target": "reef-9", "source": "zlib", "reason": "flaky", "settings": {"nocheck": True}}
URL = "/api/v1/overrides"


def key(
    engineer: dict[str, str], name: str = "8e03978e-40d5-43dd-bc93-6894a57f9324"
) -> dict[str, str]:
    return {**engineer, "Idempotency-Key": f'"{name}"'}


def recorded(hub: Hub) -> int:
    with hub.store.read() as tx:
        return tx.count(SourceOverride)


def test_the_same_request_with_the_same_key_is_done_once(
    client: FlaskClient, hub: Hub, engineer: dict[str, str]
) -> None:
    first = client.post(URL, json=OVERRIDE, headers=key(engineer))
    again = client.post(URL, json=OVERRIDE, headers=key(engineer))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.data == again.data
    assert (first.content_type, again.content_type) == ("application/json", "application/json")
    assert ("Idempotency-Replayed" in first.headers, again.headers["Idempotency-Replayed"]) == (
        False,
        "true",
    )
    assert recorded(hub) == 1
    assert client.post(URL, json=OVERRIDE, headers=engineer).status_code == 201
    assert recorded(hub) == 2


def test_a_key_stands_for_one_request_of_one_caller(
    client: FlaskClient, hub: Hub, engineer: dict[str, str]
) -> None:
    assert client.post(URL, json=OVERRIDE, headers=key(engineer)).status_code == 201
    other = client.post(URL, json={**OVERRIDE, "source": "expat"}, headers=key(engineer))
    assert (other.status_code, other.content_type) == (422, "application/problem+json")
    elsewhere = client.post("/api/v1/builds/x/retry", json=OVERRIDE, headers=key(engineer))
    assert elsewhere.status_code == 422
    reader = key({"Authorization": f"Bearer {scenarios.READER}"})
    assert client.post(URL, json=OVERRIDE, headers=reader).status_code == 403
    assert client.post(URL, json=OVERRIDE, headers=key({})).status_code == 401
    assert recorded(hub) == 1
    with hub.store.read() as tx:
        assert tx.count(KeptAnswer) == 1


@pytest.mark.parametrize("wrong", ["", '""', "x" * 256, "with a blank", "ümlaut"])
def test_what_is_no_key_is_refused(
    client: FlaskClient, engineer: dict[str, str], wrong: str
) -> None:
    answer = client.post(URL, json=OVERRIDE, headers={**engineer, "Idempotency-Key": wrong})
    assert answer.status_code == 400


def test_a_refusal_is_kept_too_and_a_place_to_follow(
    client: FlaskClient, hub: Hub, engineer: dict[str, str]
) -> None:
    bad = {**OVERRIDE, "target": "nowhere"}
    first, again = (client.post(URL, json=bad, headers=key(engineer)) for _ in range(2))
    assert (first.status_code, first.data) == (404, again.data)
    assert again.headers["Idempotency-Replayed"] == "true"
    inside = hub.config.folder / "drop" / "b-1-1.el9.src.rpm"
    inside.write_bytes(b"srpm")
    drop = {"target": "reef-9", "srpms": [{"path": str(inside)}]}
    first, again = (
        client.post("/api/v1/drops", json=drop, headers=key(engineer, "drop")) for _ in range(2)
    )
    assert (first.status_code, first.json["created"]) == (202, True)  # type: ignore[index]
    assert (again.status_code, again.json) == (202, first.json)
    assert again.headers["Location"] == first.headers["Location"]


def test_a_secret_is_not_kept_and_a_token_that_ended_is_given_nothing_again(
    client: FlaskClient, hub: Hub
) -> None:
    introduce(hub)
    owner = bearer(token_of(hub, "engineer"))
    first, again = (
        client.post("/api/v1/tokens", json={"name": "once"}, headers=key(owner, "issue"))
        for _ in range(2)
    )
    assert (first.status_code, again.status_code, again.content_type) == (
        201,
        409,
        "application/problem+json",
    )
    made: dict[str, str] = first.json  # type: ignore[assignment]
    webhook = {"channel": "webhook", "address": "http://93.184.215.14/x"}
    told, told_again = (
        client.post("/api/v1/subscriptions", json=webhook, headers=key(owner, "tell"))
        for _ in range(2)
    )
    assert (told.status_code, told_again.status_code) == (201, 409)
    with hub.store.read() as tx:
        kept = "".join(one.body for one in tx.find(KeptAnswer))
        assert tx.count(ApiToken, account="engineer") == 2
    assert made["token"] not in kept
    assert told.json["secret"] not in kept  # type: ignore[index]
    body = {"reason": "r"}
    mine = key(bearer(made["token"]), "drain")
    assert client.post("/api/v1/workers/local-1/drain", json=body, headers=mine).status_code == 200
    assert (
        client.post(f"/api/v1/tokens/{made['id']}/revoke", json=body, headers=owner).status_code
        == 200
    )
    assert client.post("/api/v1/workers/local-1/drain", json=body, headers=mine).status_code == 401


def test_tokens_of_one_name_have_keys_of_their_own(client: FlaskClient, hub: Hub) -> None:
    introduce(hub)
    for token in (token_of(hub, "engineer"), token_of(hub, "engineer")):
        answer = client.post(URL, json=OVERRIDE, headers=key(bearer(token)))
        assert (answer.status_code, "Idempotency-Replayed" in answer.headers) == (201, False)
    assert recorded(hub) == 2


def test_while_the_first_is_at_work_the_second_waits_and_a_dead_one_is_taken_over(
    client: FlaskClient,
    hub: Hub,
    clock: Clock,
    engineer: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken, go_on = threading.Event(), threading.Event()
    original = idempotency.finish

    def slow(*args: object, **values: object) -> None:
        taken.set()
        assert go_on.wait(30)
        original(*args, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(idempotency, "finish", slow)
    answers: list[int] = []
    application = client.application
    first = threading.Thread(
        target=lambda: answers.append(
            application.test_client().post(URL, json=OVERRIDE, headers=key(engineer)).status_code
        )
    )
    first.start()
    assert taken.wait(30)
    second = client.post(URL, json=OVERRIDE, headers=key(engineer))
    assert (second.status_code, second.headers["Retry-After"]) == (409, "1")
    go_on.set()
    first.join()
    assert answers == [201]
    monkeypatch.undo()
    idempotency.begin(hub.store, "dead", "f")
    clock.pass_seconds(3600)
    assert idempotency.begin(hub.store, "dead", "f").status == 0


def test_answers_are_forgotten_after_a_day(
    client: FlaskClient, hub: Hub, clock: Clock, engineer: dict[str, str]
) -> None:
    assert client.post(URL, json=OVERRIDE, headers=key(engineer)).status_code == 201
    clock.pass_seconds(timedelta(hours=23).total_seconds())
    assert idempotency.prune(hub.store) == 0
    clock.pass_seconds(timedelta(hours=2).total_seconds())
    assert idempotency.prune(hub.store) == 1
    assert (
        client.post(URL, json={**OVERRIDE, "source": "expat"}, headers=key(engineer)).status_code
        == 201
    )


@pytest.fixture
def private_redis(tmp_path: Path) -> Iterator[str]:
    """The farm's own Redis with its own rights: the hub's user writes keys that begin with ``bf:``
    only.
    """
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    private = PrivateRedis(folder=tmp_path / "redis", port=port, password="hub-secret")
    process = subprocess.Popen(
        ["redis-server", private.write_configuration()],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    assert any("Ready to accept connections" in line for line in process.stdout)
    yield private.url
    process.terminate()
    process.stdout.close()
    process.wait()


def limited(hub: Hub, limits: Limits, storage: str = "memory://") -> Flask:
    farm = replace(hub.config.farm, limits=limits)
    other = replace(hub, config=replace(hub.config, farm=farm))
    return create_app(other, intake=scenarios.fake_intake, limits_storage=storage)


def test_who_asks_too_often_is_told_when_to_come_back(hub: Hub, engineer: dict[str, str]) -> None:
    client = limited(hub, Limits(reads="3/hour", writes="1/hour")).test_client()
    left = [client.get("/api/v1/builds").headers["RateLimit"].split(";")[1] for _ in range(3)]
    assert left == ["r=2", "r=1", "r=0"]
    refused = client.get("/api/v1/builds")
    assert (refused.status_code, refused.content_type) == (429, "application/problem+json")
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert refused.headers["RateLimit-Policy"] == '"reads";q=3;w=3600'
    guessed = {"Authorization": "Bearer guessed"}
    assert client.get("/api/v1/builds", headers=guessed).status_code == 429
    assert client.get("/api/v1/builds", headers=engineer).status_code == 200
    assert client.post(URL, json=OVERRIDE, headers=engineer).status_code == 201
    assert client.post(URL, json=OVERRIDE, headers=engineer).status_code == 429
    for free in ("/healthz", "/readyz", "/metrics", "/builds", "/repos/reef-9/current/x"):
        answer = client.get(free)
        assert answer.status_code != 429, free
        assert "RateLimit" not in answer.headers, free
    assert client.post("/worker/v1/hello", json={}).status_code == 401


def test_each_webhook_is_counted_by_itself(hub: Hub) -> None:
    client = limited(hub, Limits(writes="1/hour")).test_client()
    answers = [
        client.post(f"/api/v1/hooks/reef-9/{name}").status_code for name in ("one", "one", "other")
    ]
    assert answers == [404, 429, 404]
    assert client.post(URL, json=OVERRIDE).status_code == 401


def test_without_limits_nobody_is_counted(hub: Hub) -> None:
    client = limited(hub, Limits(reads="", writes="")).test_client()
    assert "RateLimit" not in client.get("/api/v1/builds").headers


def test_all_processes_count_together_in_redis_and_alone_while_it_is_away(
    hub: Hub, private_redis: str
) -> None:
    limits = Limits(reads="3/hour")
    one, other = (limited(hub, limits, private_redis).test_client() for _ in range(2))
    answers = [client.get("/api/v1/builds").status_code for client in (one, other, one, other)]
    assert answers == [200, 200, 200, 429]
    lost = limited(hub, limits, "redis://127.0.0.1:1/0").test_client()
    assert [lost.get("/api/v1/builds").status_code for _ in range(4)] == [200, 200, 200, 429]
