"""``/api/v1``: who may write, a drop is a drop once, errors are problems in words."""

import hashlib
import io
import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from buildfarm.domain.core.build import BuildState
from buildfarm.domain.core.records import Event
from buildfarm.domain.core.task import Task
from buildfarm.services.core.hub import Hub
from tests.integration.web import scenarios
from tests.integration.web.scenarios import Scenario

SRPM = b"any bytes: they are verified later"
SRPM_SHA = hashlib.sha256(SRPM).hexdigest()
DROP = {"target": "reef-9", "srpms": [{"sha256": SRPM_SHA, "filename": "a-1-1.el9.src.rpm"}]}

WRITES = [
    ("PUT", f"/api/v1/blobs/{SRPM_SHA}"), ("POST", "/api/v1/drops"), ("POST", "/api/v1/drops/x/release-hold"),
    ("POST", "/api/v1/builds/x/cancel"), ("POST", "/api/v1/builds/x/retry"), ("POST", "/api/v1/builds/x/release-hold"),
    ("POST", "/api/v1/overrides"), ("POST", "/api/v1/waivers"), ("POST", "/api/v1/waivers/x/revoke"),
]  # fmt: skip


def problem(answer: Any) -> dict[str, Any]:
    assert answer.content_type == "application/problem+json"
    found: dict[str, Any] = json.loads(answer.data)
    assert found["status"] == answer.status_code
    return found


def upload(
    client: FlaskClient, engineer: dict[str, str], data: bytes = SRPM, digest: str = SRPM_SHA
) -> Any:
    return client.put(f"/api/v1/blobs/{digest}", data=data, headers=engineer)


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_every_write_without_a_token_is_refused(
    client: FlaskClient, method: str, path: str
) -> None:
    answer = client.open(path, method=method, json={})
    assert answer.status_code == 401
    assert problem(answer)["hint"]
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_every_write_with_an_unknown_token_is_refused(
    client: FlaskClient, method: str, path: str
) -> None:
    headers = {"Authorization": "Bearer guessed"}
    assert client.open(path, method=method, json={}, headers=headers).status_code == 401


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_a_reader_may_not_write(client: FlaskClient, method: str, path: str) -> None:
    headers = {"Authorization": f"Bearer {scenarios.READER}"}
    answer = client.open(path, method=method, json={}, headers=headers)
    assert answer.status_code == 403
    assert "rob" in problem(answer)["detail"]


def test_a_blob_is_created_once_and_known_the_second_time(
    client: FlaskClient, engineer: dict[str, str]
) -> None:
    assert upload(client, engineer).status_code == 201
    assert upload(client, engineer).status_code == 200


def test_a_blob_with_another_digest_is_refused_and_not_kept(
    client: FlaskClient, hub: Hub, engineer: dict[str, str]
) -> None:
    answer = upload(client, engineer, data=b"something else")
    assert answer.status_code == 422
    assert "SHA-256" in problem(answer)["detail"]
    assert not hub.blobs.has(SRPM_SHA)


def test_a_blob_beyond_the_limit_is_refused(client: FlaskClient, engineer: dict[str, str]) -> None:
    data = b"x" * ((1 << 20) + 1)
    answer = upload(client, engineer, data=data, digest=hashlib.sha256(data).hexdigest())
    assert answer.status_code == 413


def test_a_blob_whose_length_is_not_announced_is_bounded_too(
    client: FlaskClient, engineer: dict[str, str]
) -> None:
    answer = client.put(
        f"/api/v1/blobs/{SRPM_SHA}", input_stream=io.BytesIO(b"x" * (1 << 21)), headers=engineer,
        environ_overrides={"wsgi.input_terminated": True},
    )  # fmt: skip
    assert answer.status_code in (413, 422)


def test_a_path_is_no_digest(client: FlaskClient, engineer: dict[str, str]) -> None:
    assert client.put("/api/v1/blobs/..%2f..%2fetc", data=b"x", headers=engineer).status_code in (
        404,
        405,
        422,
    )
    assert client.put(f"/api/v1/blobs/{'A' * 64}", data=b"x", headers=engineer).status_code == 422


def test_the_same_drop_twice_is_the_same_drop(
    client: FlaskClient, hub: Hub, engineer: dict[str, str]
) -> None:
    upload(client, engineer)
    first = client.post("/api/v1/drops", json=DROP, headers=engineer)
    second = client.post("/api/v1/drops", json=DROP, headers=engineer)
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.headers["Location"] == second.headers["Location"]
    assert (first.json["created"], second.json["created"]) == (True, False)  # type: ignore[index]
    assert client.get(first.headers["Location"]).json["name"]  # type: ignore[index]
    with hub.store.read() as tx:
        assert tx.count(Task) == 1


def test_a_drop_may_name_files_in_a_drop_folder_and_nowhere_else(
    client: FlaskClient, hub: Hub, engineer: dict[str, str]
) -> None:
    inside = hub.config.folder / "drop" / "b-1-1.el9.src.rpm"
    inside.write_bytes(SRPM)
    body: dict[str, Any] = {"target": "reef-9", "srpms": [{"path": str(inside)}]}
    assert client.post("/api/v1/drops", json=body, headers=engineer).status_code == 202
    body["srpms"] = [{"path": f"{inside.parent}/../farm.db"}]
    answer = client.post("/api/v1/drops", json=body, headers=engineer)
    assert answer.status_code == 422
    assert "drop folder" in problem(answer)["detail"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400), (b'{"target": "reef-9", "surprise": 1}', 422), (b'{"target": "nowhere", "srpms": [{"path": "x"}]}', 404),
        (b'{"target": "reef-9", "srpms": []}', 422), (b'{"target": "reef-9", "srpms": [{"filename": "x"}]}', 422),
        (b'{"target": "reef-9", "id": "f00", "srpms": [{"sha256": "%s"}]}' % SRPM_SHA.encode(), 422), (b"[]", 422),
    ],
)  # fmt: skip
def test_a_drop_that_makes_no_sense_is_a_problem_in_words(
    client: FlaskClient, engineer: dict[str, str], body: bytes, status: int
) -> None:
    upload(client, engineer)
    answer = client.post(
        "/api/v1/drops", data=body, headers=engineer, content_type="application/json"
    )
    assert answer.status_code == status
    assert problem(answer)["detail"]


def test_a_build_is_found_by_its_id_and_by_its_name(
    client: FlaskClient, scenario: Scenario
) -> None:
    by_id = client.get(f"/api/v1/builds/{scenario.ids['zlib']}").json
    by_name = client.get("/api/v1/builds/zlib-1.0-1.el9").json
    assert by_id == by_name
    assert client.get("/api/v1/builds/zlib-9-9").status_code == 404


def test_a_refused_build_says_which_symbol_is_gone(client: FlaskClient, scenario: Scenario) -> None:
    build = client.get("/api/v1/builds/bzip2-1.0-1.el9").json
    assert build is not None
    assert "BZ2_bzPlanted" in build["why"]
    assert build["settled"] is True
    assert [item["verdict"] for item in build["comparison"]["pairs"][0]["findings"]] == [
        "INCOMPATIBLE", "INCOMPATIBLE", "REVIEW", "EQUIVALENT",
    ]  # fmt: skip


def test_a_build_tells_its_whole_way(client: FlaskClient, scenario: Scenario) -> None:
    build = client.get("/api/v1/builds/libpng-1.0-1.el9").json
    assert build is not None
    assert [step["state"] for step in build["states"]] == [
        "ingested", "debranded", "waiting", "queued", "building", "built", "comparing", "compared", "published",
    ]  # fmt: skip
    assert build["self_hosted_share"] == pytest.approx(3 / 7)
    links = [link["link"] for link in build["provenance"]]
    assert links[0] == "vendor's SRPM"
    assert {"debrand rule", "buildroot lock", "RPM we made", "RPM as published", "verdict"} <= set(
        links
    )


def test_the_lock_marks_what_was_built_here(client: FlaskClient, scenario: Scenario) -> None:
    lock = client.get("/api/v1/builds/libpng-1.0-1.el9/lock").json["locks"][0]["lock"]  # type: ignore[index]
    assert {rpm["name"] for rpm in lock if rpm["ours"]} == {"zlib", "expat", "jansson"}


def test_a_drop_counts_every_vendor_rpm_against_it(client: FlaskClient, scenario: Scenario) -> None:
    drop = client.get(f"/api/v1/drops/{scenario.drop}").json
    assert drop is not None
    found = drop["compatibility"]
    assert (found["compatible"], found["total"]) == (6, 14)
    assert sum(found["by_verdict"].values()) == 14
    assert found["by_verdict"]["UNCOMPARED"] == 6
    waves = [[story_name(scenario, key) for key in wave] for wave in drop["plan"]["waves"]]
    assert "zlib" in waves[0]
    assert "libpng" in waves[1]
    assert waves[2] == ["tree"]


def story_name(scenario: Scenario, identity: str) -> str:
    return next(name for name, key in scenario.ids.items() if key == identity)


def test_a_target_tells_heads_share_and_brand_hits(client: FlaskClient, scenario: Scenario) -> None:
    found = client.get("/api/v1/targets/reef-9").json
    assert found is not None
    assert {head["tag"]: head["number"] for head in found["heads"]} == {
        "reef-9": 2,
        "reef-9-build": 2,
    }
    assert 0 < found["self_hosted_share"] < 1
    assert found["brand_hits"] == 0
    assert found["phase"] == "full updates"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("state=failed", {"reef-cannot-build"}), ("state=failed,on_hold", {"reef-cannot-build", "chrpath"}),
        ("source=zlib", {"zlib"}), ("verdict=MISSING", {"popt"}), ("target=reef-9&source=less", {"less"}),
    ],
)  # fmt: skip
def test_builds_are_filtered_by_the_url(
    client: FlaskClient, scenario: Scenario, query: str, names: set[str]
) -> None:
    found = client.get(f"/api/v1/builds?{query}").json
    assert found is not None
    assert {build["source"] for build in found["builds"]} == names


def test_builds_come_in_pages(client: FlaskClient, scenario: Scenario) -> None:
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(f"/api/v1/builds?limit=5&cursor={cursor}").json
        assert page is not None
        seen += [build["id"] for build in page["builds"]]
        cursor = page["cursor"]
    assert sorted(seen) == sorted(scenario.ids.values())


def test_an_unknown_state_is_named(client: FlaskClient) -> None:
    answer = client.get("/api/v1/builds?state=sleeping")
    assert answer.status_code == 422
    assert "sleeping" in problem(answer)["detail"]


def test_events_go_on_from_a_number_without_loss_or_repeat(
    client: FlaskClient, hub: Hub, scenario: Scenario
) -> None:
    seen: list[int] = []
    after = 0
    while page := client.get(f"/api/v1/events?after={after}&limit=7").json["events"]:  # type: ignore[index]
        seen += [event["id"] for event in page]
        after = seen[-1]
    with hub.store.read() as tx:
        assert seen == [event.id for event in tx.find(Event, order_by="id")]
    newest = client.get("/api/v1/events?limit=3").json["events"]  # type: ignore[index]
    assert [event["id"] for event in newest] == seen[-3:]
    of_build = client.get("/api/v1/events?subject=zlib-1.0-1.el9").json["events"]  # type: ignore[index]
    assert of_build[0]["kind"] == "build.ingested"


def test_a_decision_is_recorded_with_who_and_why(
    client: FlaskClient, hub: Hub, scenario: Scenario, engineer: dict[str, str]
) -> None:
    where = "/api/v1/builds/chrpath-1.0-1.el9/release-hold"
    assert client.post(where, json={"reason": " "}, headers=engineer).status_code == 422
    answer = client.post(where, json={"reason": "key checked by phone"}, headers=engineer)
    assert answer.status_code == 200
    assert answer.json["state"] == "ingested"  # type: ignore[index]
    with hub.store.read() as tx:
        event = tx.find(Event, subject=scenario.ids["chrpath"], order_by="id")[-1]
    assert (event.actor, event.why) == ("ann", "key checked by phone")
    assert client.post(where, json={"reason": "again"}, headers=engineer).status_code == 409


def test_retry_and_cancel_follow_the_states(
    client: FlaskClient, scenario: Scenario, engineer: dict[str, str]
) -> None:
    assert (
        client.post("/api/v1/builds/zlib-1.0-1.el9/retry", json={}, headers=engineer).status_code
        == 409
    )
    retried = client.post(
        "/api/v1/builds/reef-cannot-build-1.0-1.el9/retry", json={}, headers=engineer
    )
    assert retried.json["attempt"] == 2  # type: ignore[index]
    where = f"/api/v1/builds/{scenario.ids['diffutils']}/cancel"
    assert client.post(where, json={}, headers=engineer).status_code == 422
    canceled = client.post(where, json={"reason": "wrong patch"}, headers=engineer)
    assert canceled.json["state"] == BuildState.CANCELED  # type: ignore[index]


def test_an_override_replaces_the_former_and_can_be_removed(
    client: FlaskClient, scenario: Scenario, engineer: dict[str, str]
) -> None:
    body: dict[str, Any] = {
        "target": "reef-9",
        "source": "zlib",
        "reason": "flaky",
        "settings": {"nocheck": True},
    }
    assert client.post("/api/v1/overrides", json=body, headers=engineer).status_code == 201
    body |= {"settings": {"with_": ["static"], "seconds": 60}, "reason": "static wanted"}
    assert client.post("/api/v1/overrides", json=body, headers=engineer).status_code == 201
    found = client.get("/api/v1/overrides?source=zlib").json["overrides"]  # type: ignore[index]
    assert [(item["settings"], item["actor"]) for item in found] == [
        ({"with_": ["static"], "seconds": 60}, "ann")
    ]
    assert (
        client.post("/api/v1/overrides", json=body | {"remove": True}, headers=engineer).status_code
        == 200
    )
    assert client.get("/api/v1/overrides?source=zlib").json["overrides"] == []  # type: ignore[index]
    assert (
        client.post("/api/v1/overrides", json=body | {"reason": ""}, headers=engineer).status_code
        == 422
    )
    assert (
        client.post(
            "/api/v1/overrides", json=body | {"settings": {"shell": "x"}}, headers=engineer
        ).status_code
        == 422
    )


def test_a_waiver_is_recorded_listed_and_revoked_by_the_words_of_its_file(
    client: FlaskClient, scenario: Scenario, engineer: dict[str, str]
) -> None:
    body = {
        "id": "W1",
        "owner": "sig-core",
        "reason": "known",
        "expires": "2099-01-01",
        "kind": "tag",
        "source": "zlib",
    }
    made = client.post("/api/v1/waivers", json=body, headers=engineer)
    assert (made.status_code, made.json["state"], made.json["actor"]) == (201, "active", "ann")  # type: ignore[index]
    assert client.post("/api/v1/waivers", json=body, headers=engineer).status_code == 409
    found: dict[str, Any] = client.get("/api/v1/waivers").json  # type: ignore[assignment]
    assert [item["id"] for item in found["waivers"]] == found["unused"] == ["W1"]
    assert "W1 matches nothing" in client.get("/waivers").text
    for wrong in (
        {"expires": "2001-01-01"},
        {"kind": "no-such-kind"},
        {"reason": ""},
        {"until": 1},
        {"kind": "damaged"},
    ):
        assert client.post(
            "/api/v1/waivers", json={**body, "id": "W2", **wrong}, headers=engineer
        ).status_code in (400, 422)
    security = client.post(
        "/api/v1/waivers", json={**body, "id": "W3", "authority": "security"}, headers=engineer
    )
    assert security.status_code == 403
    assert "security" in problem(security)["detail"]
    revoke = "/api/v1/waivers/W1/revoke"
    assert client.post(revoke, json={}, headers=engineer).status_code in (400, 422)
    assert client.post(revoke, json={"reason": "repaired"}, headers=engineer).status_code == 200
    assert client.post(revoke, json={"reason": "repaired"}, headers=engineer).status_code == 409
    assert client.get("/api/v1/waivers").json["waivers"] == []  # type: ignore[index]
    ended = client.get("/api/v1/waivers?all=1").json["waivers"][0]  # type: ignore[index]
    assert (ended["state"], ended["ended_why"]) == ("revoked", "revoked: repaired")
    assert (
        client.post(
            "/api/v1/waivers/none/revoke", json={"reason": "x"}, headers=engineer
        ).status_code
        == 404
    )


def test_health_says_ok_and_unknown_paths_are_problems(client: FlaskClient) -> None:
    assert client.get("/api/v1/health").json["status"] == "ok"  # type: ignore[index]
    assert problem(client.get("/api/v1/nothing"))["status"] == 404
    assert problem(client.delete("/api/v1/drops"))["status"] == 405


def test_an_unchanged_answer_is_not_sent_again(client: FlaskClient, scenario: Scenario) -> None:
    first = client.get("/api/v1/builds/zlib-1.0-1.el9")
    again = client.get(
        "/api/v1/builds/zlib-1.0-1.el9", headers={"If-None-Match": first.headers["ETag"]}
    )
    assert (again.status_code, again.data) == (304, b"")


def test_the_log_goes_on_from_an_offset_and_says_whether_it_grows(
    client: FlaskClient, scenario: Scenario
) -> None:
    whole = client.get("/api/v1/builds/diffutils-1.0-1.el9/log")
    assert whole.content_type == "text/plain; charset=utf-8"
    assert whole.headers["X-Log-Growing"] == "1"
    rest = client.get("/api/v1/builds/diffutils-1.0-1.el9/log?offset=10")
    assert whole.data[10:] == rest.data
    assert client.get("/api/v1/builds/diffutils-1.0-1.el9/log?offset=999999").data == b""
    assert client.get("/api/v1/builds/zlib-1.0-1.el9/log").headers["X-Log-Growing"] == "0"
    assert client.get("/api/v1/builds/chrpath-1.0-1.el9/log").status_code == 404
