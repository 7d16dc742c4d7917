"""Prometheus' own parser reads the metrics; readiness says what is missing."""

from __future__ import annotations

from datetime import timedelta

from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from buildfarm.domain.build import Build
from buildfarm.domain.records import Leader
from buildfarm.domain.task import TaskKind
from buildfarm.services import tasks
from buildfarm.services.hub import Hub
from tests.integration.web.conftest import Clock
from tests.integration.web.web_story import Story


def figures(client: FlaskClient) -> dict[str, dict[tuple[str, ...], float]]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    return {
        family.name: {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value for sample in family.samples
        }
        for family in text_string_to_metric_families(answer.get_data(as_text=True))
    }


def test_the_figures_are_those_of_the_store(client: FlaskClient, hub: Hub, clock: Clock, story: Story) -> None:
    with hub.store.begin() as tx:
        tasks.ensure(tx, TaskKind.DEBRAND, "oldest", target="reef-9", queue="services")
        counts = {
            state: tx.count(Build, target="reef-9", state=state, successor="") for state in ("published", "failed")
        }
    clock.pass_seconds(90)
    found = figures(client)
    for state, count in counts.items():
        assert count > 0
        assert found["buildfarm_builds"][state, "reef-9"] == count
    assert found["buildfarm_queue_age_seconds"]["debrand", "services"] == 90
    assert found["buildfarm_queue_length"]["services",] == 1
    assert found["buildfarm_tasks"]["debrand", "FREE"] >= 1
    assert found["buildfarm_generation"]["reef-9",] >= 1
    assert sum(found["buildfarm_verdicts"].values()) > 0


def test_alive_is_not_ready_until_a_scheduler_leads(client: FlaskClient, hub: Hub, clock: Clock) -> None:
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()["problems"]) == (503, ["no scheduler leads"])
    with hub.store.begin() as tx:
        tx.add(Leader(id="scheduler", owner="test", until=tx.now + timedelta(seconds=15)))
    assert client.get("/readyz").status_code == 200
    clock.pass_seconds(60)
    late = client.get("/readyz")
    assert late.status_code == 503
    assert "no scheduler leads since" in late.get_json()["problems"][0]
