"""Parts of a JSON answer that its ETag stands for."""

from __future__ import annotations

from flask.testing import FlaskClient

from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.task import Task, TaskState
from buildfarm.domain.core.worker import Worker
from buildfarm.services.core.hub import Hub
from tests.integration.web.scenarios import Scenario


def test_seconds_that_something_took_are_part_of_the_tag(
    client: FlaskClient, hub: Hub, scenario: Scenario
) -> None:
    seen = client.get("/api/v1/workers").headers["ETag"]
    for seconds in (1, 2):
        with hub.store.begin() as tx:
            worker = tx.get(Worker, "local-1")
            tx.update(worker, features={"boot": {"seconds": seconds}})
        answer = client.get("/api/v1/workers", headers={"If-None-Match": seen})
        assert answer.status_code == 200, seconds
        seen = answer.headers["ETag"]


def test_seconds_of_what_goes_on_are_no_part_of_the_tag(
    client: FlaskClient, hub: Hub, scenario: Scenario
) -> None:
    with hub.store.read() as tx:
        running = tx.find(Task, state=TaskState.OPEN, limit=1)[0]
        building = tx.find(Build, state=BuildState.BUILDING, limit=1)[0]
    for path in (f"/api/v1/tasks?subject={running.subject}", f"/api/v1/builds/{building.id}"):
        first = client.get(path)
        scenario.clock.pass_seconds(1)
        again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert again.status_code == 304, path
        assert client.get(path).get_data() != first.get_data()
