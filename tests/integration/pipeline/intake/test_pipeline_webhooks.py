"""Webhooks over HTTP: signed messages become drops once, everything else is refused or answered
with why there is nothing to do.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from buildfarm_web.app import create_app
from flask.testing import FlaskClient
from standardwebhooks import Webhook
from werkzeug.test import TestResponse

from buildfarm.adapters.intake.rpm_verify import verify_many
from buildfarm.domain.core.records import Event
from buildfarm.domain.core.task import Task
from buildfarm.domain.intake.drop import Approval, Drop, DropItem, ItemKind
from buildfarm.domain.target.trigger import HookCall, TriggerState
from tests.fakes import Clock
from tests.integration.pipeline.conftest import World

SECRET = "whsec_" + base64.b64encode(b"a key of thirty-two bytes, truly").decode()
COMMIT = "da1560886d4f094c3e6c9ef40349f7d38b5d27d7"
HOOKS = [
    {"name": "vendor", "secret": "secrets/vendor"},
    {
        "name": "github",
        "forge": "github",
        "secret": "secrets/github",
        "refs": ["refs/heads/c9", "refs/tags/imports/c9/*"],
        "priority": 5,
    },
]
DIST_GIT = {"url": "https://github.com/rpms/{source}.git", "lookaside": "https://sources.example/"}


@pytest.fixture
def make(make_world: Callable[..., World]) -> Callable[..., tuple[World, FlaskClient]]:
    def made(**changed: Any) -> tuple[World, FlaskClient]:
        settings = {
            "triggers": {"webhooks": HOOKS}, "upstream": {"vendor": "ACME", "keys": ["keys/RPM-GPG-KEY-acme"], "dist_git": DIST_GIT},
            **changed,
        }  # fmt: skip
        world = make_world(**settings)
        secrets = world.hub.config.path("secrets")
        secrets.mkdir(exist_ok=True)
        (secrets / "vendor").write_text(f"{SECRET}\n")
        (secrets / "github").write_text("s3cret\n")
        return world, create_app(world.hub, intake=verify_many).test_client()

    return made


def standard(
    client: FlaskClient,
    clock: Clock,
    body: Any,
    *,
    identity: str = "msg_1",
    at: datetime | None = None,
    **more: str,
) -> TestResponse:
    text = json.dumps(body)
    moment = at or clock.now
    headers = {
        "webhook-id": identity, "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(identity, moment, text), **more,
    }  # fmt: skip
    return client.post("/api/v1/hooks/reef-9/vendor", data=text, headers=headers)


def github(
    client: FlaskClient,
    *,
    event: str = "push",
    delivery: str = "d-1",
    secret: str = "s3cret",
    **changed: Any,
) -> TestResponse:
    repository = {
        "clone_url": "https://github.com/rpms/tree.git",
        "html_url": "https://github.com/rpms/tree",
    }
    body = json.dumps(
        {
            "ref": "refs/heads/c9",
            "after": COMMIT,
            "deleted": False,
            "repository": repository,
            **changed,
        }
    ).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    return client.post(
        "/api/v1/hooks/reef-9/github", data=body, headers=headers, content_type="application/json"
    )


def count(world: World, kind: type) -> int:
    with world.hub.store.read() as tx:
        return tx.count(kind)


def test_a_signed_drop_is_taken_once_and_answered_with_where_to_follow_it(make, clock):
    world, client = make()
    sha256 = world.hub.blobs.put_file(world.srpm("zlib")).sha256
    body = {"name": "zlib, at last", "srpms": [{"sha256": sha256, "filename": "zlib.src.rpm"}]}
    first = standard(client, clock, body)
    assert (first.status_code, first.json["created"]) == (202, True)
    assert first.json["url"] == f"{world.hub.config.farm.url}/drops/{first.json['id']}"
    assert client.get(first.headers["Location"]).json["trigger"] == "webhook vendor"
    again = standard(client, clock, body)
    assert (again.status_code, again.json["id"], again.json["known"]) == (
        200,
        first.json["id"],
        True,
    )
    other = standard(client, clock, body, identity="msg_2")
    assert (other.status_code, other.json["created"], other.json["known"]) == (200, False, False)
    assert (count(world, Drop), count(world, Task), count(world, HookCall)) == (1, 1, 2)


def test_a_replayed_message_does_nothing_and_an_old_one_is_refused(make, clock):
    world, client = make()
    body = {"dist_git": [{"source": "tree", "commit": COMMIT}]}
    assert standard(client, clock, body).status_code == 202
    sent = clock.now
    clock.pass_seconds(299)
    assert standard(client, clock, body, at=sent).json["known"] is True
    clock.pass_seconds(2)
    late = standard(client, clock, body, at=sent)
    assert (late.status_code, late.content_type) == (403, "application/problem+json")
    assert count(world, Drop) == 1


def test_a_refusal_never_says_what_was_wrong_and_does_not_fill_the_history(make, clock):
    world, client = make()
    body = {"srpms": [{"sha256": "0" * 64}]}
    wrong = [
        standard(client, clock, body, **changed)
        for changed in (
            {"webhook-signature": "v1,AAAA"},
            {"webhook-id": "other"},
            {"webhook-timestamp": "1"},
            {"webhook-signature": ""},
        )
    ]
    wrong += [client.post("/api/v1/hooks/reef-9/vendor", data=b"x" * 1000) for _ in range(20)]
    assert {answer.status_code for answer in wrong} == {403}
    assert len({answer.get_data() for answer in wrong}) == 1
    assert SECRET not in wrong[0].get_data(as_text=True)
    with world.hub.store.read() as tx:
        assert [event.kind for event in tx.find(Event)] == ["trigger.failing", "webhook.refused"]
        (state,) = tx.find(TriggerState)
    assert "not signed" in state.problem
    clock.pass_seconds(61)
    assert standard(client, clock, body).status_code == 422  # signed well; the blob is not there
    assert count(world, Drop) == 0


def test_a_push_to_a_followed_ref_becomes_a_source_of_dist_git(make):
    world, client = make()
    answer = github(client)
    assert (answer.status_code, answer.json["owner"], answer.json["priority"]) == (
        202,
        "webhook github",
        5,
    )
    with world.hub.store.read() as tx:
        (item,) = tx.find(DropItem)
    assert (item.kind, item.filename) == (ItemKind.DIST_GIT, f"tree@{COMMIT}")
    redelivered = github(
        client, delivery="d-2"
    )  # the header is not signed: the same body is the same message
    assert (redelivered.status_code, redelivered.json["known"]) == (200, True)
    tag = github(
        client,
        ref="refs/tags/imports/c9/tree-1.8",
        after="0" * 39 + "1",
        head_commit={"id": COMMIT},
    )
    assert (tag.status_code, tag.json["created"]) == (200, False)
    assert count(world, Drop) == 1


NOT_FOR_US: list[tuple[dict[str, Any], str]] = [
    ({"ref": "refs/heads/main"}, "refs/heads/main is not followed"),
    ({"deleted": True, "after": "0" * 40}, "refs/heads/c9 was deleted"),
    ({"event": "ping"}, "the event is ping, not a push"),
    (
        {"repository": {"clone_url": "https://evil.example/rpms/tree.git"}},
        "the repository is none of the target's dist-git",
    ),
    (
        {"repository": {"clone_url": "http://169.254.169.254/rpms/tree"}},
        "the repository is none of the target's dist-git",
    ),
    (
        {"repository": {"clone_url": "https://github.com/rpms/tree/../../etc.git"}},
        "the repository is none of the target's dist-git",
    ),
]


def test_what_is_not_for_this_target_is_answered_and_does_nothing(make):
    world, client = make()
    for changed, why in NOT_FOR_US:
        answer = github(client, **changed, number=why)
        assert (answer.status_code, answer.json["nothing_to_do"]) == (200, why)
        assert github(client, **changed, number=why).json == {"nothing_to_do": why, "known": True}
    assert count(world, Drop) == 0


def test_a_mass_import_is_stopped_by_the_storm_guard_one_push_at_a_time(make, clock):
    _, client = make(trigger_limits={"most_builds": 2})
    drops = [github(client, after=f"{number:040x}").json for number in range(1, 5)]
    assert [drop["approval"] for drop in drops] == ["", "", "awaited", "awaited"]
    assert drops[2]["reason"].endswith(
        "1 builds after 2 by the same trigger in 24 h, the target allows 2"
    )
    clock.pass_seconds(24 * 3600)
    assert github(client, after=f"{9:040x}").json["approval"] == Approval.NOT_NEEDED.value


WRONG: list[tuple[Any, str]] = [
    ({"srpms": [{"path": "/etc/passwd"}]}, "not in a drop folder"),
    ({"srpms": [{"url": "http://127.0.0.1/x.src.rpm"}]}, "not under a URL that the target allows"),
    ({"srpms": [], "target": "other"}, "the drop is for target other"),
    ({"srpms": [], "surprise": 1}, "surprise"),
    ({"srpms": [{"url": "https://a.example/", "path": "/x"}]}, "not both"),
    ([], "body"),
]


def test_a_signed_body_is_checked_like_any_other_drop(make, clock):
    _, client = make()
    for number, (body, why) in enumerate(WRONG):
        answer = standard(client, clock, body, identity=f"msg_{number}")
        assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
        assert why in answer.json["detail"]


def test_a_body_that_is_too_large_is_refused_before_it_is_read(make):
    _, client = make()
    answer = client.post(
        "/api/v1/hooks/reef-9/vendor", environ_overrides={"CONTENT_LENGTH": str(26 << 20)}
    )
    assert (answer.status_code, answer.content_type) == (413, "application/problem+json")


def test_unknown_hooks_and_missing_secrets_say_so_without_a_path(make, clock):
    world, client = make()
    assert client.post("/api/v1/hooks/reef-9/nobody").status_code == 404
    assert client.post("/api/v1/hooks/reef-1/vendor").status_code == 404
    world.hub.config.path("secrets/vendor").unlink()
    broken = standard(client, clock, {})
    assert broken.status_code == 500
    assert "secret cannot be read" in broken.json["detail"]
    assert str(world.hub.config.folder) not in broken.get_data(as_text=True)


def test_the_page_the_api_and_the_drop_show_what_a_trigger_did(make):
    _, client = make()
    github(client)
    (vendor, forge) = client.get("/api/v1/triggers").json["triggers"]
    assert (vendor["state"], vendor["looked"], vendor["found"]) == ("listening", None, "")
    assert (forge["kind"], forge["name"], forge["drop"]) == (
        "webhook",
        "github",
        client.get("/api/v1/drops").json["drops"][0]["id"],
    )
    assert "s3cret" not in json.dumps(forge)
    assert "secrets/" not in json.dumps(forge)
    page = client.get("/triggers").get_data(as_text=True)
    assert "refs/tags/imports/c9/*" in page
    assert f"/drops/{forge['drop']}" in page
    assert 'href="/api/v1/triggers"' in page
