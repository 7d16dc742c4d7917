"""What engineers decide over HTTP about drops, priorities and workers: a reason is due, a token
too, and it stands in the history.
"""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.records import Event
from buildfarm.domain.core.worker import Worker, WorkerState
from buildfarm.domain.intake.drop import Approval, Drop
from buildfarm.services.core.hub import Hub
from tests.integration.web.scenarios import Scenario

WHY = {"reason": "looked at it"}


def await_approval(hub: Hub, drop: str) -> None:
    with hub.store.begin() as tx:
        tx.update(
            tx.get(Drop, drop),
            approval=Approval.AWAITED,
            reason="awaits approval: 9 builds at once",
        )


def test_a_plan_is_shown_approved_once_and_told(
    client: FlaskClient, hub: Hub, scenario: Scenario, engineer: dict[str, str]
) -> None:
    await_approval(hub, scenario.drop)
    page = client.get(f"/drops/{scenario.drop}").get_data(as_text=True)
    assert "The plan awaits approval" in page
    assert "buildfarm approve" in page
    plan = client.get(f"/api/v1/drops/{scenario.drop}/plan").get_json()
    assert (plan["approval"], plan["reason"]) == ("awaited", "awaits approval: 9 builds at once")
    url = f"/api/v1/drops/{scenario.drop}/approve"
    assert client.post(url, json=WHY).status_code == 401
    assert client.post(url, json={"reason": ""}, headers=engineer).status_code == 422
    assert client.post(url, json=WHY, headers=engineer).get_json()["approval"] == "given"
    assert client.post(url, json=WHY, headers=engineer).status_code == 409
    with hub.store.read() as tx:
        (event,) = tx.find(Event, subject=scenario.drop, kind="drop.approval_given")
    assert event.why == "looked at it"
    assert "The plan awaits approval" not in client.get(f"/drops/{scenario.drop}").get_data(
        as_text=True
    )


def test_a_refused_drop_is_canceled(
    client: FlaskClient, hub: Hub, scenario: Scenario, engineer: dict[str, str]
) -> None:
    await_approval(hub, scenario.drop)
    assert (
        client.post(f"/api/v1/drops/{scenario.drop}/refuse", json=WHY, headers=engineer).status_code
        == 200
    )
    with hub.store.read() as tx:
        states = {build.state for build in tx.find(Build, drop_id=scenario.drop)}
    assert not states & {
        BuildState.INGESTED,
        BuildState.DEBRANDED,
        BuildState.WAITING,
        BuildState.QUEUED,
    }


def test_a_drop_is_paused_and_goes_on(
    client: FlaskClient, scenario: Scenario, engineer: dict[str, str]
) -> None:
    url = f"/api/v1/drops/{scenario.drop}"
    assert client.post(
        f"{url}/pause", json={"reason": "disks are full"}, headers=engineer
    ).get_json()["paused"]
    assert "disks are full" in client.get(f"/drops/{scenario.drop}").get_data(as_text=True)
    assert client.post(f"{url}/pause", json=WHY, headers=engineer).status_code == 409
    assert client.post(f"{url}/resume", json=WHY, headers=engineer).get_json() == {
        "drop": scenario.drop, "paused": False, "canceled": 0,
    }  # fmt: skip
    assert client.post(f"{url}/resume", json=WHY, headers=engineer).status_code == 409


def test_a_priority_is_for_what_is_still_to_be_built(
    client: FlaskClient, hub: Hub, scenario: Scenario, engineer: dict[str, str]
) -> None:
    waiting = scenario.until_waiting(scenario._build("urgent-one"))
    url = f"/api/v1/builds/{waiting.id}/priority"
    assert (
        client.post(url, json={"priority": 500, "reason": "x"}, headers=engineer).status_code == 422
    )
    assert client.post(url, json={"priority": 5}, headers=engineer).status_code == 422
    assert (
        client.post(url, json={"priority": 5, **WHY}, headers=engineer).get_json()["priority"] == 5
    )
    with hub.store.read() as tx:
        (event,) = tx.find(Event, subject=waiting.id, kind="build.priority")
        done = tx.first(Build, state=BuildState.PUBLISHED)
    assert (event.data["was"], event.data["now"]) == (0, 5)
    assert done is not None
    refused = client.post(
        f"/api/v1/builds/{done.id}/priority", json={"priority": 5, **WHY}, headers=engineer
    )
    assert refused.status_code == 409


def test_a_worker_is_drained_and_taken_back(
    client: FlaskClient, hub: Hub, scenario: Scenario, engineer: dict[str, str]
) -> None:
    with hub.store.read() as tx:
        name = next(worker.id for worker in tx.find(Worker, state=WorkerState.READY, order_by="id"))
    url = f"/api/v1/workers/{name}"
    assert client.post(f"{url}/drain", json={"reason": " "}, headers=engineer).status_code == 422
    assert client.post(f"{url}/drain", json=WHY, headers=engineer).get_json() == {
        "id": name,
        "state": "drained",
    }
    assert client.post(f"{url}/drain", json=WHY, headers=engineer).status_code == 409
    assert client.post(f"{url}/resume", json=WHY, headers=engineer).get_json() == {
        "id": name,
        "state": "ready",
    }
    assert (
        client.post("/api/v1/workers/nobody/drain", json=WHY, headers=engineer).status_code == 404
    )


@pytest.mark.parametrize("path", ["order", "files/" + "0" * 64])
def test_what_reproduces_a_build_is_for_engineers_and_of_that_build_alone(
    client: FlaskClient, hub: Hub, scenario: Scenario, engineer: dict[str, str], path: str
) -> None:
    waiting = scenario.until_waiting(scenario._build("never-built"))
    assert client.get(f"/api/v1/builds/{waiting.id}/{path}").status_code == 401
    assert client.get(f"/api/v1/builds/{waiting.id}/{path}", headers=engineer).status_code == 404
