"""One task over real HTTP, with a builder that is scripted: what the hub sees, whatever goes wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from buildfarm_workers.builders import Outcome
from buildfarm_workers.builders.port import Stage, Stop
from buildfarm_workers.config import WorkerConfig
from buildfarm_workers.hub_client import Hub
from buildfarm_workers.task_run import Worker

from buildfarm import wire
from buildfarm.domain.core.build import FailureKind
from buildfarm.errors import ConfigError, NotAllowed
from tests.integration.workers.hub_server import HubServer
from tests.waiting import until

Script = Callable[[Path, Stage, Stop], Outcome]
Order = Callable[..., wire.WorkOrder]


class ScriptedBuilder:
    """Does what the test says with the resultdir."""

    name = "chroot"

    def __init__(self) -> None:
        self.script: Script = good
        self.problems: tuple[str, ...] = ()
        self.payload = b""
        self.cleaned = 0
        self.folders: list[Path] = []

    def version(self) -> str:
        return "scripted 1"

    def features(self) -> dict[str, str]:
        return {"limit.memory": "none"}

    def missing(self) -> tuple[str, ...]:
        return self.problems

    def remove_stale(self) -> None:
        self.cleaned += 1

    def build(
        self,
        order: wire.WorkOrder,
        payload: Path,
        work: Path,
        result: Path,
        *,
        stage: Stage,
        stop: Stop,
    ) -> Outcome:
        self.payload = payload.read_bytes()
        self.folders += [work, result]
        return self.script(result, stage, stop)


def good(result: Path, stage: Stage, _stop: Stop) -> Outcome:
    stage("build")
    (result / "build.log").write_text("compiling\n")
    (result / "root.log").write_text("installing\n")
    (result / "state.log").write_text("")
    (result / "x-1-1.x86_64.rpm").write_bytes(b"an RPM")
    lock = wire.InstalledRpm(
        name="gcc", epoch=0, version="1", release="1", arch="x86_64", sha256="a" * 64
    )
    return Outcome(lock=(lock,), seconds={"build": 0.1}, facts={"memory.peak": "1 MiB"})


@pytest.fixture
def builder() -> ScriptedBuilder:
    return ScriptedBuilder()


@pytest.fixture
def worker(config: WorkerConfig, builder: ScriptedBuilder) -> Iterator[Worker]:
    hub = Hub(config.hub_url, config.token, patience=5.0)
    made = Worker(config, hub, builder, config.workdir / "slots" / "0")
    made.clean()
    yield made
    hub.close()


def test_a_task_is_claimed_built_uploaded_and_reported(
    hub: HubServer, worker: Worker, builder: ScriptedBuilder, order: Order
) -> None:
    task = hub.add(order(), b"an SRPM")
    worker.work("t1")
    (report,) = task.reports
    assert report.ok
    assert builder.payload == b"an SRPM"
    assert bytes(task.log) == b"compiling\n"
    assert {item.filename: item.sha256 for item in report.artifacts} == {
        name: digest for name, (digest, _) in task.artifacts.items()
    }
    assert task.artifacts["x-1-1.x86_64.rpm"][1] == b"an RPM"
    assert set(task.artifacts) == {"x-1-1.x86_64.rpm", "root.log"}
    assert [rpm.name for rpm in report.lock] == ["gcc"]
    assert report.builder == "scripted 1"
    assert report.host["memory.peak"] == "1 MiB"
    assert not any(folder.exists() for folder in builder.folders)


def test_a_task_that_is_not_ours_is_dropped(
    hub: HubServer, worker: Worker, builder: ScriptedBuilder, order: Order
) -> None:
    task = hub.add(order(), b"an SRPM")
    task.claimable = False
    worker.work("t1")
    worker.work("no-such-task")
    assert (task.reports, builder.folders) == ([], [])


def test_a_failed_build_is_reported_with_its_reason_at_the_end_of_the_log(
    hub: HubServer, worker: Worker, builder: ScriptedBuilder, order: Order
) -> None:
    def fail(result: Path, _stage: Stage, _stop: Stop) -> Outcome:
        (result / "build.log").write_text("")
        (result / "root.log").write_text("No matching package to install: 'x'\n")
        return Outcome(kind=FailureKind.DEPENDENCIES, reason="No matching package to install: x")

    builder.script = fail
    task = hub.add(order(), b"an SRPM")
    worker.work("t1")
    (report,) = task.reports
    assert (report.ok, report.failure_kind) == (False, FailureKind.DEPENDENCIES)
    assert bytes(task.log).decode().splitlines() == [
        "No matching package to install: 'x'", "", "*** dependencies: No matching package to install: x ***",
    ]  # fmt: skip


def test_a_hub_that_is_away_for_a_moment_costs_nothing(
    hub: HubServer, worker: Worker, order: Order
) -> None:
    task = hub.add(order(), b"an SRPM")
    hub.trouble = 3
    worker.work("t1")
    assert [report.ok for report in task.reports] == [True]
    assert task.claims == 1


def test_the_heartbeat_says_the_stage_and_a_canceled_build_stops_unreported(
    hub: HubServer, worker: Worker, builder: ScriptedBuilder, order: Order
) -> None:
    task = hub.add(order(), b"an SRPM")
    reasons: list[str] = []

    def wait(_result: Path, stage: Stage, stop: Stop) -> Outcome:
        stage("build")
        until(lambda: "build" in task.beats, "the heart-beat says the stage", seconds=10)
        task.go_on = False
        until(stop, "the builder is told to stop", seconds=10)
        reasons.append(stop())
        return Outcome(kind=FailureKind.INFRASTRUCTURE, reason=stop())

    builder.script = wait
    worker.hello()
    worker.work("t1")
    assert reasons == ["canceled by anna"]
    assert "build" in task.beats
    assert task.reports == []


def test_a_lost_lease_stops_the_build_unreported(
    hub: HubServer, worker: Worker, builder: ScriptedBuilder, order: Order
) -> None:
    task = hub.add(order(), b"an SRPM")

    def wait(_result: Path, _stage: Stage, stop: Stop) -> Outcome:
        task.lost = True
        until(stop, "the builder is told to stop", seconds=10)
        return Outcome(kind=FailureKind.INFRASTRUCTURE, reason=stop())

    builder.script = wait
    worker.work("t1")
    assert (task.reports, task.artifacts) == ([], {})


def test_a_worker_that_is_told_to_go_reports_what_it_did_not_finish(
    hub: HubServer, worker: Worker, builder: ScriptedBuilder, order: Order
) -> None:
    def wait(_result: Path, _stage: Stage, stop: Stop) -> Outcome:
        worker.end("w1 was told to stop")
        return Outcome(kind=FailureKind.INFRASTRUCTURE, reason=stop())

    builder.script = wait
    task = hub.add(order(), b"an SRPM")
    worker.work("t1")
    (report,) = task.reports
    assert (report.failure_kind, report.reason) == (
        FailureKind.INFRASTRUCTURE,
        "w1 was told to stop",
    )


def test_a_crash_in_the_builder_is_an_infrastructure_failure(
    hub: HubServer, worker: Worker, builder: ScriptedBuilder, order: Order
) -> None:
    def crash(_result: Path, _stage: Stage, _stop: Stop) -> Outcome:
        raise RuntimeError("a bug\nof ours")

    builder.script = crash
    task = hub.add(order(), b"an SRPM")
    worker.work("t1")
    (report,) = task.reports
    assert report.failure_kind is FailureKind.INFRASTRUCTURE
    assert report.reason == "RuntimeError: a bug of ours"


def test_a_payload_with_another_digest_is_not_built(
    config: WorkerConfig, hub: HubServer, builder: ScriptedBuilder, order: Order
) -> None:
    client = Hub(config.hub_url, config.token, patience=0.5)
    impatient = Worker(config, client, builder, config.workdir / "slots" / "0")
    task = hub.add(order(payload=b"what was ordered"), b"what came")
    impatient.work("t1")
    client.close()
    (report,) = task.reports
    assert report.failure_kind is FailureKind.INFRASTRUCTURE
    assert hashlib.sha256(b"what was ordered").hexdigest() in report.reason
    assert builder.folders == []


def test_the_log_grows_while_the_build_runs_and_resumes_where_the_hub_says(
    hub: HubServer, worker: Worker, builder: ScriptedBuilder, order: Order
) -> None:
    task = hub.add(order(), b"an SRPM")
    seen: list[bytes] = []
    hub.lose_log_bytes = 5

    def talk(result: Path, stage: Stage, stop: Stop) -> Outcome:
        with (result / "build.log").open("w") as log:
            log.write("line one\n")
            log.flush()
            until(lambda: len(task.log) >= 9, "the first line is sent", seconds=10)
            seen.append(bytes(task.log))
            log.write("line two\n")
        return Outcome()

    builder.script = talk
    worker.work("t1")
    assert seen == [b"line one\n"]
    assert bytes(task.log) == b"line one\nline two\n"


def test_a_report_the_hub_refuses_becomes_an_infrastructure_failure(
    hub: HubServer, worker: Worker, order: Order
) -> None:
    task = hub.add(order(), b"an SRPM")
    hub.refuse_reports = 1
    worker.work("t1")
    (report,) = task.reports
    assert report.failure_kind is FailureKind.INFRASTRUCTURE
    assert "calls itself something else" in report.reason


def test_hello_tells_what_the_worker_can_and_a_wrong_token_is_said_so(
    hub: HubServer, config: WorkerConfig, worker: Worker, builder: ScriptedBuilder
) -> None:
    worker.hello()
    (hello,) = hub.hellos
    assert (hello.name, hello.builder, hello.features["builder"]) == ("w1", "chroot", "scripted 1")
    stranger = Hub(hub.url, "wrong", patience=1.0)
    with pytest.raises(NotAllowed, match="who are you"):
        Worker(config, stranger, builder, config.workdir).hello()
    stranger.close()


def test_a_builder_that_cannot_work_here_says_what_to_do(
    worker: Worker, builder: ScriptedBuilder
) -> None:
    builder.problems = ("bwrap: install bubblewrap",)
    with pytest.raises(ConfigError, match="install bubblewrap"):
        worker.hello()


def test_a_slot_is_cleaned_before_it_is_used(config: WorkerConfig, worker: Worker) -> None:
    stale = config.workdir / "slots" / "0" / "old" / "work"
    stale.mkdir(parents=True)
    worker.clean()
    assert list((config.workdir / "slots" / "0").iterdir()) == []
