"""Pauses, failures by cause and outlooks over HTTP."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from buildfarm.domain.core.build import Build, BuildState, FailureKind, WaitKind
from buildfarm.domain.core.records import Event, ForecastRecord
from buildfarm.domain.core.task import Task, TaskKind, TaskState
from buildfarm.services.core import builds, tasks
from buildfarm.services.core.hub import Hub
from tests.fakes import Clock
from tests.integration.web.scenarios import Scenario

TARGET = "/api/v1/targets/reef-9"


def test_a_pause_needs_a_reason_holds_once_and_is_seen_until_it_ends(
    client: FlaskClient, hub: Hub, scenario: Scenario, engineer: dict[str, str]
):
    assert client.post(f"{TARGET}/pause", json={"reason": " "}, headers=engineer).status_code == 422
    assert (
        client.post(
            f"{TARGET}/pause", json={"reason": "disks are full"}, headers=engineer
        ).status_code
        == 200
    )
    again = client.post(f"{TARGET}/pause", json={"reason": "still"}, headers=engineer)
    assert again.status_code == 409
    assert "disks are full" in again.get_json()["detail"]
    assert "disks are full" in client.get(f"{TARGET}/plan").get_json()["paused"]
    assert "disks are full" in client.get("/targets/reef-9").get_data(as_text=True)
    assert client.post(f"{TARGET}/resume", json={"reason": ""}, headers=engineer).status_code == 200
    assert client.post(f"{TARGET}/resume", json={"reason": ""}, headers=engineer).status_code == 409
    assert client.get(f"{TARGET}/plan").get_json()["paused"] == ""
    assert (
        client.post(f"{TARGET}/pause", json={"reason": "again"}, headers=engineer).status_code
        == 200
    )
    with hub.store.read() as tx:
        told = [
            event.kind
            for event in tx.find(Event, subject="reef-9", order_by="id")
            if event.kind.startswith("target.")
        ]
    assert told == ["target.paused", "target.resumed", "target.paused"]


def test_who_may_only_read_pauses_nothing(client: FlaskClient):
    assert client.post(f"{TARGET}/pause", json={"reason": "x"}).status_code in (401, 403)
    assert client.get(f"{TARGET}/plan").get_json()["paused"] == ""


def test_builds_that_failed_alike_are_one_line(client: FlaskClient, hub: Hub, scenario: Scenario):
    for source in ("alike-one", "alike-two"):
        build = scenario.until_waiting(scenario._build(source))
        with hub.store.begin() as tx:
            why = f"%build: /builddir/build/BUILD/{source}-1.0/main.c:7: error: 'gone' undeclared"
            builds.fail(tx, tx.get(Build, build.id), FailureKind.BUILD, why, actor="worker")
    found = client.get(f"{TARGET}/failures").get_json()
    assert found["failed"] == sum(len(one["builds"]) for one in found["clusters"])
    (cluster,) = [
        one
        for one in found["clusters"]
        if any(b["nvr"].startswith("alike-one") for b in one["builds"])
    ]
    assert {build["nvr"].rsplit("-", 2)[0] for build in cluster["builds"]} >= {
        "alike-one",
        "alike-two",
    }
    assert "Failures by cause" in client.get("/targets/reef-9").get_data(as_text=True)


def test_a_build_says_what_it_waits_for_and_when_it_should_start(
    client: FlaskClient, hub: Hub, clock: Clock, scenario: Scenario
):
    first, second = (
        scenario.until_waiting(scenario._build(source))
        for source in ("comes-first", "comes-second")
    )
    with hub.store.begin() as tx:
        builds.wait(
            tx, tx.get(Build, second.id), WaitKind.BLOCKED, "waits for comes-first (for libfirst)"
        )
        step = {"cost": 60.0, "remaining_path": 60.0, "wave": 0, "critical": True}
        steps = [
            {
                **step,
                "build": first.id,
                "name": first.nvr,
                "start": 0.0,
                "end": 60.0,
                "remaining_path": 120.0,
                "needs": [],
            },
            {
                **step,
                "build": second.id,
                "name": second.nvr,
                "start": 60.0,
                "end": 120.0,
                "wave": 1,
                "needs": [first.id],
            },
            {**step, "build": "gone", "name": "gone", "start": 500.0, "end": 900.0, "needs": []},
        ]
        found = {
            "steps": steps,
            "workers": 2,
            "makespan": 900.0,
            "bound": 120.0,
            "critical_path": 120.0,
            "cycles": [],
        }
        if not tx.insert_or_ignore(ForecastRecord(id="reef-9", forecast=found, created=tx.now)):
            tx.update(tx.get(ForecastRecord, "reef-9"), forecast=found, created=tx.now)
    why = client.get(f"/api/v1/builds/{second.id}/why").get_json()
    assert (why["state"], why["waits_for"], why["wave"], why["critical"]) == (
        BuildState.WAITING,
        [first.nvr],
        1,
        True,
    )
    assert why["estimated_start"].startswith(
        (clock() + timedelta(seconds=60)).strftime("%Y-%m-%dT%H:%M:%S")
    )
    plan = client.get(f"{TARGET}/plan").get_json()
    assert [step["name"] for step in plan["steps"]] == [first.nvr, second.nvr]
    assert plan["makespan"] == 120.0
    assert plan["waves"] == [[first.nvr], [second.nvr]]
    page = client.get(f"/builds/{second.id}").get_data(as_text=True)
    assert f"Waits for {first.nvr}" in page
    assert "What comes" in client.get("/targets/reef-9").get_data(as_text=True)


@pytest.mark.parametrize("kind", [kind for kind in TaskKind if kind.about == "build"])
def test_only_what_waits_for_a_builder_has_a_rank(
    client: FlaskClient, hub: Hub, scenario: Scenario, kind: TaskKind
):
    """A build that was sent through the pipeline again waits for the hub's own services first."""
    build = scenario.until_waiting(scenario._build("goes-again"))
    with hub.store.begin() as tx:
        task = Task(
            id=tasks.new_id(), kind=kind, subject=build.id, target="reef-9", arch="", queue="q", state=TaskState.FREE,
            created=tx.now,
        )  # fmt: skip
        tx.add(task)
    assert client.get(f"/builds/{build.id}").status_code == 200
    rank = client.get(f"/api/v1/builds/{build.id}/why").get_json()["rank"]
    assert rank == (
        {"position": 1, "of": 1, "queue": "q"} if kind in (TaskKind.BUILD, TaskKind.SRPM) else None
    )


def test_a_worker_is_reserved_and_given_back_to_everybody(
    client: FlaskClient, hub: Hub, scenario: Scenario, engineer: dict[str, str]
):
    place = "/api/v1/workers/local-1/reserve"
    assert client.post(place, json={"reserved": ["sig:virt"], "reason": "x"}).status_code == 401
    assert (
        client.post(place, json={"reserved": ["virt"], "reason": "x"}, headers=engineer).status_code
        == 422
    )
    assert (
        client.post(
            place, json={"reserved": ["sig:virt"], "reason": ""}, headers=engineer
        ).status_code
        == 422
    )
    made = client.post(
        place, json={"reserved": ["sig:virt"], "reason": "its tests"}, headers=engineer
    )
    assert made.get_json() == {"id": "local-1", "reserved": ["sig:virt"]}
    assert "for sig:virt alone" in client.get("/workers").get_data(as_text=True)
    assert (
        client.post(place, json={"reason": "done"}, headers=engineer).get_json()["reserved"] == []
    )


def test_why_names_a_next_step(client: FlaskClient, scenario: Scenario):
    (stuck,) = [
        b for b in client.get("/api/v1/builds").get_json()["builds"] if b["source"] == "reef-top"
    ]
    assert (
        "ingest the source that makes it"
        in client.get(f"/api/v1/builds/{stuck['id']}/why").get_json()["next"]
    )
    assert "Next: add what is missing" in client.get(f"/builds/{stuck['id']}").get_data(
        as_text=True
    )


@pytest.mark.parametrize("task_state", [TaskState.FREE, TaskState.OPEN, TaskState.FAILED])
def test_the_page_of_a_build_answers_whatever_it_and_its_newest_task_are_at(
    client: FlaskClient, hub: Hub, scenario: Scenario, task_state: TaskState
):
    build = scenario.until_waiting(scenario._build("any-moment"))
    for kind in (kind for kind in TaskKind if kind.about == "build"):
        with hub.store.begin() as tx:
            holder = (
                {"worker": "local-1", "lease_token": "x", "lease_until": tx.now}
                if task_state is TaskState.OPEN
                else {}
            )
            task = Task(
                id=tasks.new_id(), kind=kind, subject=build.id, target="reef-9", arch="", queue="q", state=TaskState.FREE,
                created=tx.now,
            )  # fmt: skip
            tx.add(task)
            tx.update(
                task,
                state=task_state,
                started=None if task_state is TaskState.FREE else tx.now,
                **holder,
            )
        for state in BuildState:
            with hub.store.begin() as tx:
                judged = state in (BuildState.COMPARED, BuildState.PUBLISHED)
                failed = FailureKind.BUILD.value if state is BuildState.FAILED else ""
                known = {"verdict": "EQUIVALENT" if judged else "", "failure_kind": failed}
                tx.update(tx.get(Build, build.id), state=state, **known)
            assert client.get(f"/builds/{build.id}").status_code == 200, (kind, state)
        scenario.clock.pass_seconds(1)
    for page in (f"/drops/{build.drop_id}", "/", "/workers", "/action-required", "/targets/reef-9"):
        assert client.get(page).status_code == 200, page
