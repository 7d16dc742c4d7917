"""``/worker/v1/guests``: an identity for one machine and one task, and its end."""

from typing import Any

import pytest
from buildfarm_web.app import create_app
from flask.testing import FlaskClient

from buildfarm import wire
from buildfarm.domain.core.build import Build, BuildState, FailureKind
from buildfarm.domain.core.task import Task, TaskState
from buildfarm.domain.core.worker import Worker, WorkerState
from buildfarm.services.build import guests
from buildfarm.services.build.guests import GuestProvisioning
from buildfarm.services.core import builds, tasks
from buildfarm.services.core.hub import Hub
from tests.fakes import Clock
from tests.integration.web import scenarios
from tests.integration.web.scenarios import Scenario

QUEUE = "reef-9.x86_64.small"
IMAGE = "ab" * 32


class Users:
    """Who may speak to the broker; the real one is asked in the tests of whole guests."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def add_worker(self, worker: str) -> str:
        self.names.add(worker)
        return f"redis://{worker}@localhost/0"

    def remove_worker(self, worker: str) -> None:
        self.names.discard(worker)


@pytest.fixture
def users() -> Users:
    return Users()


@pytest.fixture
def client(hub: Hub, users: Users) -> FlaskClient:
    root = wire.Buildroot(key="k", generation="g", packages=("bash",), repositories=())
    provisioning = GuestProvisioning(
        broker=users, prefix=lambda name: f"w-{name}:", certificate="PEM", buildroot=lambda *_: root
    )
    return create_app(
        hub, intake=scenarios.fake_intake, blob_limit=1 << 20, provisioning=provisioning
    ).test_client()


@pytest.fixture
def host(hub: Hub) -> dict[str, str]:
    return bearer(
        guests.enroll_host(hub, "kvm1", arches=["x86_64"], queues=[QUEUE], actor="test").token
    )


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def admit(client: FlaskClient, host: dict[str, str]) -> wire.GuestIdentity:
    asked = wire.GuestRequest(image=IMAGE, builder="chroot", facts={"accelerator": "tcg"})
    answer = client.post("/worker/v1/guests", data=asked.model_dump_json(), headers=host)
    assert answer.status_code == 201
    return wire.GuestIdentity.model_validate_json(answer.data)


def assigned(hub: Hub, clock: Clock, name: str) -> Task:
    scenario = Scenario(hub, clock)
    scenario._receive()
    build = scenario.until_waiting(scenario._build("zlib"))
    payload = hub.blobs.put_bytes(b"the SRPM")
    with hub.store.begin() as tx:
        tx.update(build, srpm=payload.sha256)
        builds.move(tx, tx.get(Build, build.id), BuildState.QUEUED, actor="plan")
        made = Task(
            id="t1", kind=tasks.TaskKind.BUILD, subject=build.id, target="reef-9", arch="x86_64", queue=QUEUE,
            state=TaskState.ASSIGNED, worker=name, created=tx.now,
        )  # fmt: skip
        tx.add(made)
    return made


def claim(client: FlaskClient, token: str) -> Any:
    return client.post("/worker/v1/tasks/t1/claim", headers=bearer(token))


def dismiss(client: FlaskClient, host: dict[str, str], name: str) -> int:
    gone = wire.GuestGone(reason="its machine ended").model_dump_json()
    return client.delete(f"/worker/v1/guests/{name}", data=gone, headers=host).status_code


def listed(client: FlaskClient, host: dict[str, str]) -> dict[str, wire.GuestState]:
    found = wire.Guests.model_validate_json(client.get("/worker/v1/guests", headers=host).data)
    return {state.name: state for state in found.guests}


def test_a_guest_is_a_worker_of_its_host_that_says_hello_when_it_is_up(
    client: FlaskClient, hub: Hub, host: dict[str, str], users: Users
) -> None:
    identity = admit(client, host)
    assert identity.name.startswith("kvm1-")
    assert users.names == {identity.name}
    assert not listed(client, host)[identity.name].joined
    hello = wire.Hello(
        name=identity.name, arches=("x86_64",), builder="chroot", version="1", features={}
    )
    answer = client.post(
        "/worker/v1/hello", data=hello.model_dump_json(), headers=bearer(identity.token)
    )
    assert answer.status_code == 200
    assert listed(client, host)[identity.name].joined
    with hub.store.read() as tx:
        worker = tx.get(Worker, identity.name)
        assert (worker.state, worker.host, worker.image, worker.slots) == (
            WorkerState.READY,
            "kvm1",
            IMAGE,
            1,
        )


@pytest.mark.parametrize("who", ["nobody", "a worker", "a guest"])
def test_only_a_hosts_token_makes_guests(
    client: FlaskClient, host: dict[str, str], who: str
) -> None:
    tokens = {
        "nobody": "x",
        "a worker": scenarios.WORKER_TOKEN,
        "a guest": admit(client, host).token,
    }
    assert client.get("/worker/v1/guests", headers=bearer(tokens[who])).status_code == 401
    assert client.post("/worker/v1/guests", json={}, headers=bearer(tokens[who])).status_code == 401


def test_a_hosts_token_claims_no_task_and_reads_no_other_targets_buildroot(
    client: FlaskClient, host: dict[str, str]
) -> None:
    assert client.post("/worker/v1/tasks/t1/claim", headers=host).status_code == 401
    assert client.get("/worker/v1/guests/buildroots/reef-9/x86_64", headers=host).status_code == 200
    refused = client.get("/worker/v1/guests/buildroots/coral-8/x86_64", headers=host)
    assert refused.status_code == 403
    assert "builds nothing for coral-8" in refused.get_data(as_text=True)


def test_the_end_of_its_task_is_the_end_of_a_guests_token(
    client: FlaskClient, hub: Hub, host: dict[str, str], clock: Clock
) -> None:
    identity = admit(client, host)
    assigned(hub, clock, identity.name)
    held = wire.Claim.model_validate_json(claim(client, identity.token).data)
    with hub.store.begin() as tx:
        tasks.fail(tx, tx.get(Task, "t1"), FailureKind.BUILD, reason="it does not compile")
    assert claim(client, identity.token).status_code == 401
    assert held.token
    assert identity.name not in listed(client, host)
    with hub.store.read() as tx:
        assert tx.get(Worker, identity.name).state is WorkerState.RETIRED


def test_a_machine_that_is_gone_frees_its_task_and_its_identity_opens_nothing(
    client: FlaskClient, hub: Hub, host: dict[str, str], clock: Clock, users: Users
) -> None:
    identity = admit(client, host)
    assigned(hub, clock, identity.name)
    claim(client, identity.token)
    assert dismiss(client, host, identity.name) == 200
    assert users.names == set()
    with hub.store.read() as tx:
        task = tx.get(Task, "t1")
        assert (task.state, task.failures, task.tried, task.worker) == (
            TaskState.FREE,
            1,
            (identity.name,),
            "",
        )
    assert claim(client, identity.token).status_code == 401
    assert dismiss(client, host, identity.name) == 200, "saying it twice is fine"


def test_a_task_that_was_not_begun_costs_no_try(
    client: FlaskClient, hub: Hub, host: dict[str, str], clock: Clock
) -> None:
    identity = admit(client, host)
    assigned(hub, clock, identity.name)
    dismiss(client, host, identity.name)
    with hub.store.read() as tx:
        task = tx.get(Task, "t1")
        assert (task.state, task.failures) == (TaskState.FREE, 0)


def test_a_host_cannot_dismiss_the_guest_of_another_nor_a_plain_worker(
    client: FlaskClient, hub: Hub, host: dict[str, str]
) -> None:
    other = bearer(
        guests.enroll_host(hub, "kvm2", arches=["x86_64"], queues=[QUEUE], actor="test").token
    )
    identity = admit(client, host)
    assert dismiss(client, other, identity.name) == 404
    assert dismiss(client, host, "local-1") == 404
    assert identity.name in listed(client, host)
