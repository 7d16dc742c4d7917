"""Prometheus' own parser reads the metrics; readiness says what is missing."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from buildfarm import log
from buildfarm.adapters.core.database import SqlStore
from buildfarm.domain.core.build import Build
from buildfarm.domain.core.records import Event, EventConsumer, Leader
from buildfarm.domain.core.task import Task, TaskKind, TaskState
from buildfarm.domain.core.worker import Worker, WorkerState
from buildfarm.services.core import tasks
from buildfarm.services.core.hub import Hub
from buildfarm.services.notify import consumers, metrics
from buildfarm.services.schedule import task_handlers
from tests.conftest import CHECKOUT
from tests.fakes import Clock
from tests.integration.store.query_plans import recording, whole_reads
from tests.integration.web.scenarios import Scenario


def figures(client: FlaskClient) -> dict[str, dict[tuple[str, ...], float]]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    return {
        family.name: {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value
            for sample in family.samples
        }
        for family in text_string_to_metric_families(answer.get_data(as_text=True))
    }


def test_the_figures_are_those_of_the_store(
    client: FlaskClient, hub: Hub, clock: Clock, scenario: Scenario
) -> None:
    with hub.store.begin() as tx:
        tasks.ensure(tx, TaskKind.DEBRAND, "oldest", target="reef-9", queue="services")
        counts = {
            state: tx.count(Build, target="reef-9", state=state, successor="")
            for state in ("published", "failed")
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


def test_alive_is_not_ready_until_a_scheduler_leads(
    client: FlaskClient, hub: Hub, clock: Clock
) -> None:
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


def names(text: str) -> set[str]:
    """Every name that PromQL may ask for, whether it has a sample yet or not."""
    suffixes = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",), "gauge": ("",)}
    return {
        family.name + suffix
        for family in text_string_to_metric_families(text)
        for suffix in suffixes[family.type]
    }


def test_every_metric_of_the_dashboard_is_one_of_ours(client: FlaskClient) -> None:
    dashboard = json.loads(
        (CHECKOUT / "configs/grafana/buildfarm.json").read_text(encoding="utf-8")
    )
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    asked.append(dashboard["templating"]["list"][1]["definition"])
    wanted = {name for expression in asked for name in re.findall(r"\bbuildfarm_\w+", expression)}
    ours = names(client.get("/metrics").text)
    assert len(wanted) > 15
    assert wanted - ours == set()
    unseen = {
        name.removesuffix("_bucket")
        for name in ours - wanted
        if not name.endswith(("_count", "_sum"))
    }
    assert unseen == set(), "each of ours is drawn somewhere"
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places)


def test_counters_and_histograms_are_what_the_teller_counted(
    client: FlaskClient, hub: Hub, scenario: Scenario
) -> None:
    with hub.store.begin() as tx:
        tx.add(EventConsumer(id="metrics", moved=tx.now))
        tx.add(EventConsumer(id="stream", event=3, length=2, moved=tx.now))
        host = {
            "token_hash": "",
            "arches": ("x86_64",),
            "queues": (),
            "builder": "mock",
            "state": WorkerState.LOST,
        }
        tx.add(Worker(id="kvm1-aa", host="kvm1", machine={"accelerator": "kvm"}, **host))
        tx.event("guest.admitted", "kvm1-aa", actor="host:kvm1")
    with hub.store.begin() as tx:
        tx.event("worker.ready", "kvm1-aa", actor="worker:kvm1-aa")
        last = tx.first(Event, order_by="id", descending=True)
    while consumers.consume(hub.store, "metrics", metrics.write):
        pass
    text = client.get("/metrics").text
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    published = ("target", "reef-9")
    assert samples["buildfarm_publish_seconds_count", published] == 5
    assert samples["buildfarm_publish_seconds_bucket", ("le", "+Inf"), published] == 5
    assert samples["buildfarm_guest_start_seconds_count", ("accelerator", "kvm")] == 1
    assert samples["buildfarm_comparisons_total", published, ("verdict", "MISSING")] == 1
    assert samples["buildfarm_stream_length",] == 2
    assert samples["buildfarm_consumer_lag_events", ("consumer", "metrics")] == 0
    assert last is not None
    assert samples["buildfarm_consumer_lag_events", ("consumer", "stream")] == (last.id or 0) - 3


def test_nothing_that_is_asked_all_day_reads_a_whole_table(
    client: FlaskClient, hub: Hub, scenario: Scenario
) -> None:
    assert isinstance(hub.store, SqlStore)
    consumers.begin(hub.store, ("notices", "metrics"))
    with recording(hub.store) as recorded:
        for path in (
            "/metrics",
            "/feeds/all.atom",
            "/feeds/source/zlib.atom",
            "/badges/reef-9.svg",
            "/badges/reef-9/zlib.svg",
        ):
            assert client.get(path).status_code == 200
    assert len(recorded.statements) > 8
    assert whole_reads(hub.store, recorded) == []


def test_lines_of_a_request_carry_its_id_and_what_it_is_about(
    client: FlaskClient,
    scenario: Scenario,
    engineer: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.configure(json=True)
    build = scenario.ids["reef-cannot-build"]
    answer = client.post(
        f"/api/v1/builds/{build}/retry",
        json={"reason": "x"},
        headers={**engineer, "X-Request-ID": "from-the-proxy-1"},
    )
    assert answer.headers["X-Request-ID"] == "from-the-proxy-1"
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["event"], line["request"], line["build"]) == (
        "web.answered",
        "from-the-proxy-1",
        build,
    )
    assert (line["status"], line["method"]) == (200, "POST")
    other = client.get("/", headers={"X-Request-ID": "a\tb c"})
    assert re.fullmatch("[0-9a-f]{16}", other.headers["X-Request-ID"])
    assert capsys.readouterr().err == ""
    log.configure()


def test_lines_of_a_hub_worker_carry_task_worker_and_build(
    hub: Hub, scenario: Scenario, capsys: pytest.CaptureFixture[str]
) -> None:
    with hub.store.begin() as tx:
        tasks.ensure(tx, TaskKind.COMPARE, scenario.ids["bzip2"], target="reef-9", queue="services")
        (task,) = tx.find(Task, kind=TaskKind.COMPARE, state=TaskState.FREE)
        tx.update(task, state=TaskState.ASSIGNED, worker="services-1")
    log.configure(json=True)

    def handler(*_: object) -> None:
        log.get().info("compare.read", files=3)
        raise ValueError("a tool broke")

    task_handlers.serve(hub, {TaskKind.COMPARE: handler}, task.id, "services-1")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["task.open", "compare.read", "task.broke"]
    about = {
        "task": task.id,
        "worker": "services-1",
        "kind": "compare",
        "build": scenario.ids["bzip2"],
    }
    assert all(line.items() >= about.items() for line in lines)
    assert "ValueError: a tool broke" in lines[-1]["exception"]
    log.get().info("afterwards")
    assert "build" not in json.loads(capsys.readouterr().err)
    log.configure()
