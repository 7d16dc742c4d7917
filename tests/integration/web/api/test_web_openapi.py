"""The OpenAPI document is valid, describes what there is and nothing else, and real answers are
what it says.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Any

import pytest
from buildfarm_web.api.openapi.operation import Operation, operation_of
from buildfarm_web.app import create_app
from buildfarm_web.read_models.build.findings import reading
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import TypeAdapter, ValidationError

from buildfarm.api.responses.build.findings import Findings
from buildfarm.api.responses.core.base import ApiResponse
from buildfarm.domain.build.clusters import clusters
from buildfarm.domain.compare.report import Distribution, PairResult, Report, Unpaired, to_json
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.records import (
    BootstrapVariant,
    Comparison,
    EventConsumer,
    ForecastRecord,
    SourceSurvey,
)
from buildfarm.domain.core.verdict import Finding, Verdict
from buildfarm.domain.intake.drop import Drop
from buildfarm.domain.notify.subscription import Channel, Delivery, DeliveryState, Subscription
from buildfarm.domain.publish.compose import Compose
from buildfarm.domain.publish.repository import Generation
from buildfarm.domain.target.trigger import Poll, Triggers, WatchedFolder, Webhook
from buildfarm.services.core.hub import Hub
from tests.integration.web import scenarios
from tests.integration.web.people_scenario import bearer, introduce, token_of
from tests.integration.web.scenarios import Scenario


def operations(app: Flask) -> dict[str, Operation]:
    """The described views by their endpoints."""
    found = {endpoint: operation_of(view) for endpoint, view in app.view_functions.items()}
    return {endpoint: operation for endpoint, operation in found.items() if operation is not None}


def test_every_route_is_described_and_nothing_else(app: Flask) -> None:
    routes = {rule.endpoint for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/")}
    assert routes == set(operations(app)), (
        "a view under /api/v1, and no other, needs a decorator of api/openapi/operation.py"
    )


def test_the_document_is_openapi_3_1_and_every_operation_says_what_it_is_for(
    client: FlaskClient,
) -> None:
    found = client.get("/api/v1/openapi.json").get_json()
    assert [error.message for error in OpenAPIV31SpecValidator(found).iter_errors()] == []
    operations = [
        operation for methods in found["paths"].values() for operation in methods.values()
    ]
    assert len({one["operationId"] for one in operations}) == len(operations)
    assert all(one["summary"] for one in operations)
    secured = {one["operationId"] for one in operations if one.get("security")}
    assert {"post_drop", "put_blob", "cancel_build", "get_file"} <= secured
    not_found = found["paths"]["/builds/{build}/audit"]["get"]["responses"]["404"]["description"]
    assert not_found == "No rule has touched this build."


def test_the_api_is_there_to_read_without_script(client: FlaskClient) -> None:
    assert 'href="/api/v1/docs"' in client.get("/targets").text
    page = client.get("/api/v1/docs").text
    assert "<code>POST /drops</code>" in page
    assert 'id="schema-BuildPage"' in page
    assert page.count("<script") == 1  # the farm's own


def places_of(hub: Hub) -> dict[str, list[str]]:
    """What the paths of the scenario name."""
    with hub.store.read() as tx:
        builds = tx.find(Build)
        return {
            "build": [build.id for build in builds],
            "drop": [drop.id for drop in tx.find(Drop)],
            "target": ["reef-9"],
            "source": sorted({build.source for build in builds}),
            "sig": [*hub.config.farm.sigs],
            "generation_id": [generation.id for generation in tx.find(Generation)],
            "cluster": [
                one.id
                for one in clusters(build for build in builds if build.state is BuildState.FAILED)
            ],
            "compose": [compose.id for compose in tx.find(Compose)],
            "sha256": ["0" * 64],
        }


def answers_of(
    client: FlaskClient, hub: Hub, engineer: dict[str, str]
) -> Iterator[tuple[str, Operation, Any]]:
    """Every JSON answer of the scenario: each GET route, of each thing it can be about."""
    places = places_of(hub)
    known = operations(client.application)
    for rule in client.application.url_map.iter_rules():
        operation = known.get(rule.endpoint)
        if (
            operation is None
            or "GET" not in (rule.methods or ())
            or rule.endpoint.startswith("api_docs")
        ):
            continue
        names = sorted(rule.arguments)
        for values in itertools.product(*(places[name] for name in names)):
            path = rule.rule
            for name, value in zip(names, values, strict=True):
                path = path.replace(f"<{name}>", value)
            asked = f"{path}?marked=1" if path.endswith("/log/search") else path
            answer = client.get(asked, headers=engineer)
            if answer.status_code == HTTPStatus.OK and answer.is_json:
                yield asked, operation, answer.get_json()


def strictly(model: type[ApiResponse], found: Any) -> list[str]:
    """What in an answer the model does not know, or knows otherwise."""
    try:
        read: ApiResponse = TypeAdapter(model).validate_json(json.dumps(found), extra="forbid")
    except ValidationError as error:
        places = [
            ".".join(str(part) for part in one["loc"] if not isinstance(part, int))
            for one in error.errors()
        ]
        return [
            f"{model.__name__}.{place}: {one['msg']}"
            for place, one in zip(places, error.errors(), strict=True)
        ]
    return [] if read.to_json() == found else [f"{model.__name__} does not write what it read"]


def test_every_real_answer_is_what_the_models_say(hub: Hub, later: Scenario) -> None:
    """A field that a read model gained has to be told in ``buildfarm/api/responses``: one line,
    named here.
    """
    client = create_app(_with_triggers(hub), intake=scenarios.fake_intake).test_client()
    introduce(hub)
    admin = bearer(token_of(hub, "admin"))
    _add_what_the_story_leaves_out(hub, later)
    waiver = {
        "owner": "sig-core",
        "reason": "known",
        "expires": "2099-01-01",
        "kind": "tag",
        "source": "zlib",
    }
    assert (
        client.post("/api/v1/waivers", json=waiver, headers=admin).status_code == HTTPStatus.CREATED
    )
    reference = {"text": "bash-1.0-1.el9.x86_64\ngcc-9-1.el9.x86_64\n"}
    attached = client.post(
        "/api/v1/builds/libpng-1.0-1.el9/reference", json=reference, headers=admin
    )
    assert attached.status_code == HTTPStatus.CREATED
    assert (
        client.post("/api/v1/composes", json={"target": "reef-9"}, headers=admin).status_code
        == HTTPStatus.CREATED
    )
    asked = {"kind": "export-removed", "reason": "nothing uses it"}
    assert (
        client.post(
            "/api/v1/builds/bzip2-1.0-1.el9/request-waiver", json=asked, headers=admin
        ).status_code
        == HTTPStatus.CREATED
    )
    wrong: set[str] = set()
    models = set()
    for _, operation, found in answers_of(client, hub, admin):
        model = operation.answers[HTTPStatus.OK]
        assert isinstance(model, type)
        models.add(model.__name__)
        wrong.update(strictly(model, found))
    assert not wrong, "\n".join(sorted(wrong))
    described = {
        answer.__name__ for one in operations(client.application).values() for status, answer in one.answers.items()
        if isinstance(answer, type) and status is HTTPStatus.OK and not one.secured
    }  # fmt: skip
    assert described <= models, "the scenario shows no answer of these"
    assert {"OwnAccount", "TokenList", "AccountList", "DeliveryList"} <= models


def test_what_is_written_is_answered_as_the_models_say(
    client: FlaskClient, hub: Hub, later: Scenario
) -> None:
    introduce(hub)
    admin = bearer(token_of(hub, "admin"))
    known = operations(client.application)
    described = {
        (rule.rule, method): known.get(rule.endpoint)
        for rule in client.application.url_map.iter_rules()
        for method in rule.methods or ()
    }

    def ask(rule: str, body: dict[str, object], method: str = "POST", **place: str) -> Any:
        path = rule
        for name, value in place.items():
            path = path.replace(f"<{name}>", value)
        answer = client.open(f"/api/v1{path}", method=method, json=body, headers=admin)
        operation = described[f"/api/v1{rule}", method]
        assert operation is not None
        model = operation.answers[HTTPStatus(answer.status_code)]
        assert isinstance(model, type)
        assert strictly(model, answer.get_json()) == []
        return answer.get_json()

    why: dict[str, object] = {"reason": "r"}
    ask(
        "/accounts",
        {"name": "vera", "role": "maintainer", "sigs": ["virt"], "password": "a long pass phrase"},
    )
    ask("/accounts/<account>/rights", {"role": "viewer", **why}, account="vera")
    ask("/accounts/<account>/password", {"password": "another pass phrase"}, account="vera")
    ask("/accounts/<account>/disable", why, account="vera")
    ask("/accounts/<account>/enable", why, account="vera")
    token = ask("/tokens", {"name": "for a test", "actions": ["submit"], "days": 30.0})
    ask("/tokens/<token>/revoke", why, token=token["id"])
    ask("/workers/<worker>/reserve", {"reserved": ["sig:core"], **why}, worker="local-1")
    ask("/builds/<build>/reference", {"text": "bash-1.0-1.el9.x86_64\n"}, build="libpng-1.0-1.el9")
    ask("/targets/<target>/reference", {"text": "bash-1.0-1.el9.x86_64\n"}, target="reef-9")
    made = ask("/subscriptions", {"channel": "webhook", "address": "http://93.184.215.14/x"})
    with hub.store.begin() as tx:
        tx.add(_dead_delivery(made["id"], tx.now))
    ask("/deliveries/<delivery>/redeliver", {}, delivery="msg_1")
    ask("/subscriptions/<subscription>", why, "DELETE", subscription=made["id"])
    first, second = (ask("/composes", {"target": "reef-9", **why})["id"] for _ in range(2))
    with hub.store.begin() as tx:
        tx.change_all(Compose, {}, written=tx.now)
    for one in (first, second):
        ask("/composes/<compose>/promote", why, compose=one)
    ask("/composes/<compose>/retire", why, compose=second)
    for kind, answer in (("export-removed", "decline"), ("content-data", "grant")):
        asked = ask(
            "/builds/<build>/request-waiver", {"kind": kind, **why}, build="bzip2-1.0-1.el9"
        )["id"]
        more = {"owner": "o", "expires": "2099-01-01"} if answer == "grant" else {}
        ask(f"/waiver-requests/<ask>/{answer}", {**why, **more}, ask=asked)


def _dead_delivery(subscription: str, at: datetime) -> Delivery:
    return Delivery(
        id="msg_1", subscription=subscription, channel=Channel.WEBHOOK, address="http://93.184.215.14/x", notice=1,
        state=DeliveryState.DEAD, status="HTTP 503", attempts=12, due=at, created=at, settled=at,
    )  # fmt: skip


def test_a_whole_report_is_what_the_models_say(hub: Hub) -> None:
    """The scenario tells small reports; this one has everything a comparison can write."""
    lifted = Finding(kind="file-mode", path="/bin/a", subject="", verdict=Verdict.EXPECTED, rule="waiver:W1", old="0755", new="0644",
                     was="REVIEW mode", diff="--- a\n+++ b\n")  # fmt: skip
    bad = Finding(
        kind="export-removed",
        path="/lib/a.so",
        subject="f",
        verdict=Verdict.INCOMPATIBLE,
        rule="elf",
        old="T f",
        new="",
    )
    alone = Unpaired(kind="rpm-missing", rpm="b-1-1.noarch.rpm", name="b", source="a", verdict=Verdict.MISSING, rule="rpm-missing",
                     sha256="ab" * 32, was="MISSING")  # fmt: skip
    pair = PairResult(old="a.rpm", new="a2.rpm", name="a", source="a", verdict=Verdict.INCOMPATIBLE, findings=(lifted, bad),
                      old_sha256="cd" * 32, new_sha256="ef" * 32)  # fmt: skip
    whole = Report(
        verdict=Verdict.MISSING, pairs=(pair,), missing=(alone,), extra=(alone,), expired_waivers=("W2",), unused_waivers=("W3",),
        sources=Distribution(old=2, new=1, missing=("c",), missing_provides=(("x", "y"),), worst=(("a", Verdict.MISSING, 1),)),
    )  # fmt: skip
    stored = Comparison(
        id="c", build="b", verdict="MISSING", report=json.loads(json.dumps(to_json(whole))), created=scenarios.START,
        brand_hits=({"word": "PNAELV", "rpm": "a.rpm", "path": "/a"},),
    )  # fmt: skip
    assert strictly(Findings, reading(stored)) == []


def _add_what_the_story_leaves_out(hub: Hub, scenario: Scenario) -> None:
    step = {
        "build": scenario.ids["tree"], "name": "tree-1.0-1.el9", "wave": 0, "cost": 1.0,
        "remaining_path": 1.0, "start": 0.0, "end": 1.0, "needs": [], "critical": True,
    }  # fmt: skip
    forecast: dict[str, object] = {
        "steps": [step], "workers": 2, "makespan": 1.0, "bound": 1.0, "critical_path": 1.0, "unscheduled_cycles": [["a", "b"]],
    }  # fmt: skip
    cycle = {"members": ["a"], "closing": [["a", "b"]], "conditions": [["a", "--without tests"]]}
    of_drop = {"problems": [{"nvr": "n", "kind": "cycle", "reason": "r"}], "cycles": [cycle]}
    with hub.store.begin() as tx:
        tree = tx.get(Build, scenario.ids["tree"])
        tx.remove(ForecastRecord, id=("reef-9", tree.drop_id))
        tx.add(ForecastRecord(id="reef-9", forecast=forecast, created=tx.now))
        tx.add(ForecastRecord(id=tree.drop_id, forecast={**forecast, **of_drop}, created=tx.now))
        tx.add(SourceSurvey(id=tree.srpm, policy="p", problem="cut short", created=tx.now))
        tx.add(
            BootstrapVariant(
                id=tree.id, target="reef-9", condition="--without tests", created=tx.now
            )
        )
        tx.add(EventConsumer(id="notifier", event=7, length=9, moved=tx.now))
        tx.add(Subscription(id="S1", owner="ann", channel=Channel.WEBHOOK, address="http://93.184.215.14/x", topics=("failed",),
                            created=tx.now))  # fmt: skip
        tx.add(_dead_delivery("S1", tx.now))


def _with_triggers(hub: Hub) -> Hub:
    """The hub with a trigger of each kind."""
    triggers = Triggers(
        webhooks=(Webhook(name="forge", secret="forge.secret"),), folders=(WatchedFolder(name="inbox", path="/srv/inbox"),),
        polls=(Poll(name="vendor", baseurl="https://vendor.example/source/"),),
    )  # fmt: skip
    reef = replace(hub.config.targets["reef-9"], triggers=triggers)
    return replace(hub, config=replace(hub.config, targets={"reef-9": reef}))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("limit=0", ["limit"]), ("limit=x", ["limit"]), ("limit=5001", ["limit"]), ("limit=1_0", ["limit"]), ("limit=5&limit=6", ["limit"]),
        ("colour=red", ["colour"]), ("offset=-1&source=a%00b", ["offset", "source"]), ("state=lost", ["state"]),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(client: FlaskClient, query: str, names: list[str]) -> None:
    answer = client.get(f"/api/v1/builds?{query}")
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert sorted(fault["parameter"] for fault in json.loads(answer.data)["errors"]) == sorted(
        names
    )


@pytest.mark.parametrize(
    "cursor", ["x", "WzcsImEiXQ", "W10", "bnVsbA", "W1sxXSxbMl1d", "eyJhdCI6MX0"]
)
def test_a_cursor_of_nothing_is_refused(
    client: FlaskClient, scenario: Scenario, cursor: str
) -> None:
    for path in ("builds", "events", "generations", "waivers"):
        assert client.get(f"/api/v1/{path}?cursor={cursor}").status_code == 422, path


@pytest.mark.parametrize(
    ("path", "key"),
    [("builds", "builds"), ("tasks", "tasks"), ("generations", "generations"), ("events?after=0", "events"), ("drops", "drops")],
)  # fmt: skip
def test_every_list_comes_whole_by_its_links(
    client: FlaskClient, scenario: Scenario, path: str, key: str
) -> None:
    start = f"/api/v1/{path}{'&' if '?' in path else '?'}limit="
    whole = client.get(f"{start}1000").get_json()
    assert whole["cursor"] is None
    seen: list[dict[str, Any]] = []
    following: str | None = f"{start}3"
    while following:
        answer = client.get(following)
        seen += answer.get_json()[key]
        link = answer.headers.get("Link", "")
        assert bool(link) == bool(answer.get_json()["cursor"])
        following = link.partition(">")[0].lstrip("<") or None
    assert seen == whole[key]


def test_what_came_in_between_moves_no_page(client: FlaskClient, scenario: Scenario) -> None:
    first = client.get("/api/v1/builds?limit=4").get_json()
    scenario._build("newcomer")
    second = client.get(f"/api/v1/builds?limit=4&cursor={first['cursor']}").get_json()
    assert not {one["id"] for one in first["builds"]} & {one["id"] for one in second["builds"]}
    assert "newcomer" not in {one["source"] for one in second["builds"]}


def test_other_methods_types_and_forms_are_problems(
    client: FlaskClient, scenario: Scenario, engineer: dict[str, str]
) -> None:
    refused = client.put("/api/v1/builds")
    assert (refused.status_code, refused.content_type) == (405, "application/problem+json")
    assert {"GET", "HEAD"} <= set(refused.headers["Allow"].split(", "))
    form = client.post(
        "/api/v1/builds/tree-1.0-1.el9/cancel", data={"reason": "x"}, headers=engineer
    )
    assert (form.status_code, form.content_type) == (415, "application/problem+json")
    xml = client.get("/api/v1/builds", headers={"Accept": "application/xml"})
    assert (xml.status_code, xml.content_type) == (406, "application/problem+json")
    assert (
        client.get("/api/v1/builds", headers={"Accept": "text/html, */*;q=0.1"}).status_code == 200
    )
    huge = client.post(
        "/api/v1/drops", data=b" " * (33 << 20), headers=engineer, content_type="application/json"
    )
    assert (huge.status_code, huge.content_type) == (413, "application/problem+json")
    head = client.head("/api/v1/builds")
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["ETag"] == client.get("/api/v1/builds").headers["ETag"]
    assert {"POST", "OPTIONS"} <= set(
        client.options("/api/v1/overrides").headers["Allow"].split(", ")
    )


def test_every_json_representation_answers_304_while_only_time_passes(
    client: FlaskClient, hub: Hub, scenario: Scenario, engineer: dict[str, str]
) -> None:
    for path in {path for path, _, _ in answers_of(client, hub, engineer)}:
        first = client.get(path, headers=engineer)
        scenario.clock.pass_seconds(1)
        again = client.get(path, headers={**engineer, "If-None-Match": first.headers["ETag"]})
        assert again.status_code == 304, path


def test_a_decision_holds_for_what_was_seen_alone(
    client: FlaskClient, scenario: Scenario, engineer: dict[str, str]
) -> None:
    where = f"/api/v1/builds/{scenario.ids['chrpath']}"
    seen = client.get(where).headers["ETag"]
    scenario.clock.pass_seconds(5)
    body = {"reason": "looked at it"}
    released = client.post(
        f"{where}/release-hold", json=body, headers={**engineer, "If-Match": seen}
    )
    assert released.status_code == 200
    late = client.post(f"{where}/cancel", json=body, headers={**engineer, "If-Match": seen})
    assert (late.status_code, late.content_type) == (412, "application/problem+json")
    assert client.get(where).get_json()["state"] == "ingested"
    now = client.get(where).headers["ETag"]
    assert (
        client.post(f"{where}/cancel", json=body, headers={**engineer, "If-Match": now}).status_code
        == 200
    )
    drop = f"/api/v1/drops/{scenario.drop}"
    assert (
        client.post(
            f"{drop}/pause", json=body, headers={**engineer, "If-Match": '"of-yesterday"'}
        ).status_code
        == 412
    )
    assert (
        client.post(f"{drop}/pause", json=body, headers={**engineer, "If-Match": "*"}).status_code
        == 200
    )


def test_a_page_names_only_what_its_json_takes(client: FlaskClient, scenario: Scenario) -> None:
    page = client.get("/builds?state=failed&colour=red").text
    assert 'href="/api/v1/builds?state=failed"' in page
    assert scenarios.ENGINEER not in page
