"""The worker as a process: real redis-server with its own ACL user, signed Celery messages, a real
build.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from buildfarm import wire
from buildfarm.adapters.schedule.broker import Broker, PrivateRedis, prefix_of
from buildfarm.adapters.schedule.celery_hub import CeleryMessages
from buildfarm.adapters.schedule.message_keys import ensure_pair
from buildfarm.domain.core.build import FailureKind
from buildfarm.errors import InfraError
from tests.contract.specimens import MIB, PACKAGES, seed, spec
from tests.integration.workers.hub_server import WORKER_TOKEN, HubServer, HubTask
from tests.waiting import until

pytestmark = [pytest.mark.world, pytest.mark.root]
WORKER = [sys.executable, "-m", "buildfarm_workers.main"]
QUEUE = "test-9.x86_64.small"


@pytest.fixture(scope="module")
def place(world: Path) -> Iterator[Path]:
    assert world.is_dir()
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    folder = Path("/var/tmp") / f"buildfarm-worker-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def redis(place: Path) -> Iterator[PrivateRedis]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    private = PrivateRedis(folder=place / "redis", port=port, password="hub-secret")
    process = subprocess.Popen(
        ["redis-server", private.write_configuration()], stdout=subprocess.DEVNULL
    )
    broker = Broker(private.url)
    until(lambda: answers(broker), "Redis answers")
    yield private
    process.terminate()
    process.wait()


def answers(broker: Broker) -> bool:
    try:
        broker.ping()
    except InfraError:
        return False
    return True


class Farm:
    """A hub, its messages, and one worker process."""

    def __init__(self, place: Path, redis: PrivateRedis, hub: HubServer) -> None:
        self.hub = hub
        self.folder = place / "worker"
        self.processes: list[subprocess.Popen[bytes]] = []
        key, certificate = ensure_pair(place / "hub-keys", "hub")
        own_key, own_certificate = ensure_pair(self.folder / "keys", "w1")
        trusted = self.folder / "trusted"
        trusted.mkdir(exist_ok=True)
        shutil.copy(certificate, trusted / "hub.crt")
        self.messages = CeleryMessages(redis.url, key, certificate)
        self.redis = redis
        self.stranger = ensure_pair(place / "stranger-keys", "stranger")
        config = {
            "name": "w1", "hub_url": hub.url, "token": WORKER_TOKEN,
            "redis": {"url": Broker(redis.url).add_worker("w1"), "prefix": prefix_of("w1")},
            "queues": [QUEUE], "arches": ["x86_64"], "workdir": str(self.folder),
            "security": {"key": str(own_key), "certificate": str(own_certificate), "hub_certificates": str(trusted)},
        }  # fmt: skip
        self.config = place / "worker.yaml"
        self.config.write_text(yaml.safe_dump(config))

    def start(self) -> subprocess.Popen[bytes]:
        before = len(self.hub.hellos)
        with (self.folder / "worker.log").open("ab") as log:
            process = subprocess.Popen([*WORKER, "--config", self.config], stdout=log, stderr=log)
        self.processes.append(process)
        until(lambda: len(self.hub.hellos) > before, "the worker says hello")
        return process

    def send(self, task: str) -> None:
        self.messages.send(worker="w1", queue=QUEUE, task=task)

    def send_as_stranger(self, task: str) -> None:
        """With a key that is not the hub's; in another process, because Celery keeps one key a
        process.
        """
        code = (
            "import sys; from pathlib import Path; from buildfarm.adapters.schedule.celery_hub import CeleryMessages\n"
            "url, key, certificate, queue, task = sys.argv[1:]\n"
            "CeleryMessages(url, Path(key), Path(certificate)).send(worker='w1', queue=queue, task=task)"
        )
        subprocess.run(
            [sys.executable, "-c", code, self.redis.url, *self.stranger, QUEUE, task], check=True
        )

    def log(self) -> str:
        return (self.folder / "worker.log").read_text()


@pytest.fixture
def farm(place: Path, redis: PrivateRedis, hub: HubServer) -> Iterator[Farm]:
    (place / "worker").mkdir(exist_ok=True)
    made = Farm(place, redis, hub)
    yield made
    for process in made.processes:
        process.kill()
        process.wait()


@pytest.fixture
def add(
    hub: HubServer, tmp_path: Path, order: Callable[..., wire.WorkOrder]
) -> Callable[..., HubTask]:
    """Have the hub offer the build of a spec."""

    def offer(task: str, **parts: str) -> HubTask:
        (tmp_path / "x.spec").write_text(spec("probe", **parts))
        subprocess.run(
            ["rpmbuild", "-bs", "--define", f"_topdir {tmp_path}", tmp_path / "x.spec"],
            check=True,
            capture_output=True,
        )
        payload = next((tmp_path / "SRPMS").glob("*.src.rpm")).read_bytes()
        root = wire.Buildroot(
            key="seed", generation="", packages=PACKAGES,
            repositories=(wire.Repository(id="seed", baseurl=f"file://{seed().resolve()}"),),
        )  # fmt: skip
        limits = wire.Limits(seconds=60, memory=1024 * MIB)
        return hub.add(
            order(task, payload, buildroot=root.model_dump(), limits=limits.model_dump()), payload
        )

    return offer


def sleeping(mark: str) -> bool:
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in command.read_bytes().split(b"\0"):
                return True
        except OSError:
            continue
    return False


def mounts(folder: Path) -> list[str]:
    return [
        line
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
        if str(folder) in line
    ]


def test_a_message_becomes_a_reported_build(farm: Farm, add: Callable[..., HubTask]) -> None:
    task = add("good", build="echo built")
    worker = farm.start()
    farm.send_as_stranger("good")
    until(lambda: "Unknown certificate" in farm.log(), "the message is refused")
    assert task.claims == 0
    farm.send("unknown")
    farm.send("good")
    farm.send("good")
    assert task.finished.wait(60), farm.log()
    (report,) = task.reports
    assert report.ok, report.reason
    assert "probe-1.0-3.x86_64.rpm" in task.artifacts
    assert b"built" in task.log
    assert task.claims == 1
    until(lambda: farm.log().count("task.not_claimable") == 2, "both messages are dropped")
    worker.terminate()
    assert worker.wait(20) == 0, farm.log()


def test_sigkill_in_mid_build_leaves_nothing_and_the_next_worker_goes_on(
    farm: Farm, add: Callable[..., HubTask]
) -> None:
    task = add("killed", build="echo begun; sleep 98711")
    worker = farm.start()
    farm.send("killed")
    until(lambda: b"begun" in task.log, "the build begins", seconds=60)
    worker.kill()
    worker.wait()
    until(lambda: not sleeping("98711"), "what the build started is gone", seconds=10)
    assert mounts(farm.folder) == []
    assert (farm.folder / "slots" / "0" / "killed").exists()
    task.claimable = True
    task.order = task.order.model_copy(update={"limits": wire.Limits(seconds=1)})
    farm.start()
    assert not (farm.folder / "slots" / "0" / "killed").exists()
    farm.send("killed")
    assert task.finished.wait(60), farm.log()
    assert [report.failure_kind for report in task.reports] == [FailureKind.TIMEOUT]
    assert task.claims == 2


def test_sigterm_in_mid_build_is_reported_and_the_process_ends(
    farm: Farm, add: Callable[..., HubTask]
) -> None:
    task = add("stopped", build="echo begun; sleep 98712")
    worker = farm.start()
    farm.send("stopped")
    until(lambda: b"begun" in task.log, "the build begins", seconds=60)
    worker.terminate()
    assert worker.wait(20) == 0, farm.log()
    (report,) = task.reports
    assert report.failure_kind is FailureKind.INFRASTRUCTURE
    assert "told to stop" in report.reason
    assert not sleeping("98712")


def test_one_order_is_built_by_hand(
    place: Path, add: Callable[..., HubTask], tmp_path: Path
) -> None:
    task = add("by-hand", build="exit 3")
    order, payload, result = tmp_path / "order.json", tmp_path / "x.src.rpm", tmp_path / "result"
    order.write_text(task.order.model_dump_json())
    payload.write_bytes(task.payload)
    done = subprocess.run(
        [*WORKER, "build", order, "--payload", payload, "--result", result, "--workdir", place / "worker"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 10, done.stderr
    said = json.loads(done.stdout)
    assert said["failure_kind"] == "build"
    assert (result / "build.log").exists()


def test_check_config_says_what_is_wrong(farm: Farm, tmp_path: Path) -> None:
    good = subprocess.run(
        [*WORKER, "check-config", farm.config], capture_output=True, text=True, check=False
    )
    assert (good.returncode, "ok: w1 takes" in good.stdout) == (0, True), good.stderr
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(farm.config.read_text() + "slotz: 3\n")
    bad = subprocess.run(
        [*WORKER, "check-config", wrong], capture_output=True, text=True, check=False
    )
    assert bad.returncode == 1
    assert "slotz" in bad.stderr
    assert WORKER_TOKEN not in bad.stderr


def test_two_slots_work_side_by_side(farm: Farm, add: Callable[..., HubTask]) -> None:
    raw = yaml.safe_load(farm.config.read_text())
    farm.config.write_text(yaml.safe_dump({**raw, "slots": 2}))
    one, two = add("one", build="sleep 3"), add("two", build="sleep 3")
    worker = farm.start()
    until(
        lambda: farm.log().count('"slot": 1') and farm.log().count("worker.ready") >= 2,
        "both slots are ready",
    )
    farm.send("one")
    farm.send("two")
    assert one.finished.wait(60), farm.log()
    assert two.finished.wait(60), farm.log()
    assert one.reports[0].ok
    assert two.reports[0].ok
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0, farm.log()
