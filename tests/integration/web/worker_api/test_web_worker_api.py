"""``/worker/v1``: only the holder of a lease is heard; sending twice is sending once."""

import hashlib
import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from buildfarm import wire
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.task import Task, TaskState
from buildfarm.domain.core.worker import Worker, WorkerState
from buildfarm.domain.publish.repository import Artifact
from buildfarm.services.build import building
from buildfarm.services.core import builds, tasks
from buildfarm.services.core.hub import Hub
from tests.fakes import Clock
from tests.integration.web import scenarios
from tests.integration.web.scenarios import Scenario

WORKER = {"Authorization": f"Bearer {scenarios.WORKER_TOKEN}"}
HELLO = wire.Hello(
    name="local-1",
    arches=("x86_64",),
    builder="chroot",
    version="0.1",
    features={"overlayfs": "yes"},
)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def task(hub: Hub, clock: Clock) -> Task:
    """A task assigned to local-1, whose SRPM is in the blob store."""
    scenario = Scenario(hub, clock)
    scenario._receive()
    payload = hub.blobs.put_bytes(b"the SRPM")
    build = scenario.until_waiting(scenario._build("zlib"))
    with hub.store.begin() as tx:
        tx.update(build, srpm=payload.sha256)
        builds.move(tx, tx.get(Build, build.id), BuildState.QUEUED, actor="plan")
        made = Task(
            id="t1", kind=tasks.TaskKind.BUILD, subject=build.id, target="reef-9", arch="x86_64",
            queue="reef-9.x86_64.small", state=TaskState.ASSIGNED, worker="local-1", created=tx.now,
        )  # fmt: skip
        tx.add(made)
    return made


@pytest.fixture
def held(client: FlaskClient, task: Task) -> dict[str, str]:
    """The header of the lease's holder."""
    claim = wire.Claim.model_validate_json(
        client.post("/worker/v1/tasks/t1/claim", headers=WORKER).data
    )
    return bearer(claim.token)


def test_hello_makes_a_lost_worker_ready_and_keeps_a_drained_one_drained(
    client: FlaskClient, hub: Hub
) -> None:
    for state, after in (
        (WorkerState.LOST, WorkerState.READY),
        (WorkerState.DRAINED, WorkerState.DRAINED),
    ):
        with hub.store.begin() as tx:
            tx.update(tx.get(Worker, "local-1"), state=state)
        answer = client.post("/worker/v1/hello", data=HELLO.model_dump_json(), headers=WORKER)
        assert wire.Welcome.model_validate_json(answer.data).lease_seconds == 45
        with hub.store.read() as tx:
            worker = tx.get(Worker, "local-1")
        assert (worker.state, worker.features["overlayfs"]) == (after, "yes")


def test_hello_under_another_name_is_refused(client: FlaskClient) -> None:
    said = HELLO.model_copy(update={"name": "local-2"})
    assert (
        client.post("/worker/v1/hello", data=said.model_dump_json(), headers=WORKER).status_code
        == 403
    )
    assert client.post("/worker/v1/hello", data=HELLO.model_dump_json()).status_code == 401
    assert (
        client.post(
            "/worker/v1/hello", data=HELLO.model_dump_json(), headers=bearer("")
        ).status_code
        == 401
    )


def test_an_engineers_token_is_no_workers_token(client: FlaskClient, task: Task) -> None:
    assert (
        client.post("/worker/v1/tasks/t1/claim", headers=bearer(scenarios.ENGINEER)).status_code
        == 401
    )


def test_a_task_is_claimed_once_and_its_payload_read_with_its_own_token(
    client: FlaskClient, hub: Hub, task: Task
) -> None:
    answer = client.post("/worker/v1/tasks/t1/claim", headers=WORKER)
    claim = wire.Claim.model_validate_json(answer.data)
    assert client.post("/worker/v1/tasks/t1/claim", headers=WORKER).status_code == 409
    assert (
        client.get("/worker/v1/tasks/t1/payload", headers=bearer(claim.token)).data == b"the SRPM"
    )
    assert client.get("/worker/v1/tasks/t1/payload", headers=WORKER).status_code == 409
    assert client.get("/worker/v1/tasks/t1/payload").status_code == 401
    with hub.store.read() as tx:
        assert tx.get(Build, task.subject).state is BuildState.BUILDING


def test_another_workers_task_cannot_be_claimed(client: FlaskClient, hub: Hub, task: Task) -> None:
    with hub.store.begin() as tx:
        tx.update(task, worker="local-9")
    assert client.post("/worker/v1/tasks/t1/claim", headers=WORKER).status_code == 409


def test_a_heartbeat_prolongs_the_lease_and_shows_the_stage(
    client: FlaskClient, hub: Hub, clock: Clock, held: dict[str, str]
) -> None:
    clock.pass_seconds(30)
    answer = client.post("/worker/v1/tasks/t1/heartbeat", json={"stage": "build"}, headers=held)
    assert wire.HeartbeatAnswer.model_validate_json(answer.data).go_on
    with hub.store.read() as tx:
        found = tx.get(Task, "t1")
        assert found.stage == "build"
        assert found.lease_until is not None
        assert (found.lease_until - clock.now).total_seconds() == 45
        assert tx.get(Worker, "local-1").seen == clock.now


def test_a_canceled_task_is_told_to_stop(
    client: FlaskClient, hub: Hub, held: dict[str, str], task: Task
) -> None:
    with hub.store.begin() as tx:
        builds.cancel(tx, tx.get(Build, task.subject), actor="ann", why="wrong patch")
    answer = client.post("/worker/v1/tasks/t1/heartbeat", json={}, headers=held)
    said = wire.HeartbeatAnswer.model_validate_json(answer.data)
    assert (said.go_on, said.reason) == (False, "wrong patch")
    assert (
        client.post("/worker/v1/tasks/t1/log?offset=0", data=b"x", headers=held).status_code == 409
    )


def test_a_lost_lease_is_a_conflict_everywhere(
    client: FlaskClient, hub: Hub, held: dict[str, str]
) -> None:
    with hub.store.begin() as tx:
        tasks.infrastructure_failure(tx, tx.get(Task, "t1"), "not heard of")
    digest = hashlib.sha256(b"x").hexdigest()
    report = wire.Report(ok=False, reason="late").model_dump_json()
    assert client.post("/worker/v1/tasks/t1/heartbeat", json={}, headers=held).status_code == 409
    assert (
        client.post("/worker/v1/tasks/t1/log?offset=0", data=b"x", headers=held).status_code == 409
    )
    put = client.put(
        f"/worker/v1/tasks/t1/artifacts/{digest}?filename=a.rpm", data=b"x", headers=held
    )
    assert put.status_code == 409
    assert not hub.blobs.has(digest)
    assert client.post("/worker/v1/tasks/t1/finish", data=report, headers=held).status_code == 409


def log(client: FlaskClient, held: dict[str, str], offset: object, data: bytes) -> Any:
    return client.post(f"/worker/v1/tasks/t1/log?offset={offset}", data=data, headers=held)


def test_the_log_is_appended_once_however_often_it_is_sent(
    client: FlaskClient, hub: Hub, held: dict[str, str]
) -> None:
    assert log(client, held, 0, b"hello ").json == {"offset": 6}
    assert log(client, held, 0, b"hello ").json == {"offset": 6}
    assert log(client, held, 3, b"lo world").json == {"offset": 11}
    assert log(client, held, 50, b"a gap").json == {"offset": 11}
    assert building.log_path(hub, "t1").read_bytes() == b"hello world"
    assert log(client, held, "-1", b"x").status_code == 422
    assert log(client, held, "x", b"x").status_code == 422


def test_a_log_longer_than_the_order_allows_is_refused(
    client: FlaskClient, hub: Hub, held: dict[str, str]
) -> None:
    assert log(client, held, 0, b"x" * (1 << 20)).json == {"offset": 1 << 20}
    assert log(client, held, 1 << 20, b"x" * (1 << 17)).status_code == 422
    assert building.log_path(hub, "t1").stat().st_size == 1 << 20


def test_a_new_lease_begins_a_new_log(client: FlaskClient, hub: Hub, held: dict[str, str]) -> None:
    log(client, held, 0, b"the first try")
    with hub.store.begin() as tx:
        freed = tasks.infrastructure_failure(tx, tx.get(Task, "t1"), "guest died")
        tx.update(freed, state=TaskState.ASSIGNED, worker="local-1")
    claim = wire.Claim.model_validate_json(
        client.post("/worker/v1/tasks/t1/claim", headers=WORKER).data
    )
    assert log(client, bearer(claim.token), 0, b"again").json == {"offset": 5}
    assert building.log_path(hub, "t1").read_bytes() == b"again"


def test_half_a_character_of_a_growing_log_is_not_shown_yet(
    client: FlaskClient, held: dict[str, str]
) -> None:
    log(client, held, 0, "naïve".encode()[:3])
    build = client.get("/api/v1/builds/zlib-1.0-1.el9/log")
    assert (build.data, build.headers["X-Log-Offset"]) == (b"na", "2")


def test_a_finished_build_is_read_by_the_hub_itself(
    client: FlaskClient, hub: Hub, held: dict[str, str], task: Task
) -> None:
    header = {
        "name": "zlib",
        "version": "1.0",
        "release": "1.el9",
        "arch": "x86_64",
        "sha256header": "ab",
    }
    rpm = json.dumps(header).encode()
    digest = hashlib.sha256(rpm).hexdigest()
    where = f"/worker/v1/tasks/t1/artifacts/{digest}?filename=zlib-1.0-1.el9.x86_64.rpm"
    assert client.put(where, data=rpm, headers=held).status_code == 201
    assert client.put(where, data=rpm, headers=held).status_code == 200
    log(client, held, 0, b"done\n")
    report = wire.Report(
        ok=True, artifacts=(wire.Artifact(filename="zlib-1.0-1.el9.x86_64.rpm", sha256=digest, size=len(rpm)),),
        lock=(wire.InstalledRpm(name="bash", epoch=0, version="5", release="1", arch="x86_64", sha256="cd"),),
    ).model_dump_json()  # fmt: skip
    answer = client.post("/worker/v1/tasks/t1/finish", data=report, headers=held)
    assert (answer.status_code, answer.json) == (200, {})
    assert client.post("/worker/v1/tasks/t1/finish", data=report, headers=held).status_code == 200
    with hub.store.read() as tx:
        assert tx.get(Build, task.subject).state is BuildState.BUILT
        assert {item.arch for item in tx.find(Artifact, build=task.subject)} == {"x86_64", "src"}
    assert client.get("/api/v1/builds/zlib-1.0-1.el9").json["self_hosted_share"] == 0  # type: ignore[index]


def test_an_upload_that_is_not_what_it_says_is_refused_at_the_finish(
    client: FlaskClient, hub: Hub, held: dict[str, str], task: Task
) -> None:
    digest = hashlib.sha256(b"junk").hexdigest()
    where = f"/worker/v1/tasks/t1/artifacts/{digest}?filename=zlib-1.0-1.el9.x86_64.rpm"
    client.put(where, data=b"junk", headers=held)
    announced = wire.Artifact(filename="zlib-1.0-1.el9.x86_64.rpm", sha256=digest, size=4)
    report = wire.Report(ok=True, artifacts=(announced,)).model_dump_json()
    answer = client.post("/worker/v1/tasks/t1/finish", data=report, headers=held)
    assert answer.status_code == 422
    with hub.store.read() as tx:
        assert tx.get(Task, "t1").state is TaskState.OPEN


@pytest.mark.parametrize("filename", ["", "../x.rpm", "a/b.rpm", "a b.rpm", "-x.rpm", "a%00.rpm"])
def test_an_artifact_needs_a_plain_file_name(
    client: FlaskClient, held: dict[str, str], filename: str
) -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    answer = client.put(
        f"/worker/v1/tasks/t1/artifacts/{digest}?filename={filename}", data=b"x", headers=held
    )
    assert answer.status_code == 422


def test_an_artifact_is_bounded_and_its_digest_checked(
    client: FlaskClient, held: dict[str, str]
) -> None:
    data = b"x" * ((1 << 20) + 1)
    where = f"/worker/v1/tasks/t1/artifacts/{hashlib.sha256(data).hexdigest()}?filename=a.rpm"
    assert client.put(where, data=data, headers=held).status_code == 413
    assert client.put(where, data=b"other", headers=held).status_code == 422
