"""The next morning of the told scenario: a second build of a source, guests, a plan, a waiver that
ends, a drop to approve.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from flask.testing import FlaskClient

from buildfarm.domain.build.clusters import clusters
from buildfarm.domain.build.waiver import WaiverRecord
from buildfarm.domain.core.build import Build
from buildfarm.domain.core.records import ForecastRecord
from buildfarm.domain.core.task import Task, TaskKind, TaskState
from buildfarm.domain.core.worker import Host, Worker
from buildfarm.domain.intake.drop import Approval, Drop, DropState
from buildfarm.domain.publish.repository import Generation
from buildfarm.services.core import tasks
from buildfarm.services.core.hub import Hub
from tests.integration.web.scenarios import Scenario, finding, sha

IMAGE = sha("image")


@dataclass(frozen=True)
class Morning:
    """The told next morning, opened once for the tests that only look at it."""

    client: FlaskClient
    hub: Hub
    scenario: Scenario


def tell(scenario: Scenario) -> Scenario:
    """Go on telling; the clock moves by a night first."""
    scenario.clock.pass_seconds(14 * 3600)
    _second_zlib(scenario)
    _critical_path(scenario)
    _guests(scenario)
    with scenario.hub.store.begin() as tx:
        ends = (tx.now.date() + timedelta(days=5)).isoformat()
        tx.add(WaiverRecord(id="w-docs", owner="archives", reason="the vendor's README is generated", expires=ends, kind="content-doc",
                            source="libpng", actor="ann", created=tx.now - timedelta(days=40)))  # fmt: skip
        tx.add(Drop(id=sha("big drop"), target="reef-9", name="PNAELV 9.5", trigger="http", owner="ann", state=DropState.INGESTED,
                    approval=Approval.AWAITED, reason="2,400 builds, this target lets one trigger start 500", created=tx.now))  # fmt: skip
    return scenario


def _second_zlib(scenario: Scenario) -> None:
    first, scenario.drop = scenario.drop, sha("update 4")
    with scenario.hub.store.begin() as tx:
        tx.add(Drop(id=scenario.drop, target="reef-9", name="PNAELV 9.4 update 4", trigger="http", owner="ann", state=DropState.INGESTED,
                    created=tx.now))  # fmt: skip
    old = scenario.ids["zlib"]
    build = scenario._build("zlib", ("zlib-devel",), (), "1.1")
    scenario.until_waiting(build)
    task = scenario.start(build, "local-1")
    scenario._finish(build, task, 11)
    scenario._compare(
        build, "EQUIVALENT", [finding("signature", "EQUIVALENT", old="vendor key", new="our key")]
    )
    scenario._publish(3)
    scenario.ids |= {"zlib-1.1": build.id, "zlib": old}
    scenario.drop = first


def _critical_path(scenario: Scenario) -> None:
    chain = ("zlib", "libpng", "tree")
    steps = [
        {
            "build": scenario.ids[source], "name": f"{source}-1.0-1.el9", "wave": wave, "cost": 60.0, "remaining_path": 60.0 * (3 - wave),
            "start": 60.0 * wave, "end": 60.0 * (wave + 1), "needs": [scenario.ids[chain[wave - 1]]] if wave else [], "critical": True,
        }
        for wave, source in enumerate(chain)
    ]  # fmt: skip
    plan = {
        "steps": steps,
        "workers": 2,
        "makespan": 180.0,
        "bound": 180.0,
        "critical_path": 180.0,
        "cycles": [],
    }
    with scenario.hub.store.begin() as tx:
        tx.add(ForecastRecord(id=scenario.drop, forecast=plan, created=tx.now))


def _guests(scenario: Scenario) -> None:
    machine = {"accelerator": "kvm", "hypervisor": "QEMU 8.2", "memory_mib": 4096}
    with scenario.hub.store.begin() as tx:
        tx.add(
            Host(
                id="kvm-1",
                token_hash=sha("host"),
                arches=("x86_64",),
                queues=("reef-9.x86_64.small",),
                seen=tx.now,
            )
        )
        tx.add(Worker(id="kvm-1-0007", token_hash=sha("guest"), arches=("x86_64",), queues=("reef-9.x86_64.small",), builder="mock",
                      seen=tx.now, host="kvm-1", image=IMAGE, machine=machine))  # fmt: skip
        tx.add(Task(id=tasks.new_id(), kind=TaskKind.BUILD, subject=scenario.ids["zlib-1.1"], target="reef-9", arch="noarch",
                    queue="reef-9.x86_64.small", state=TaskState.CLOSED, worker="kvm-1-0006", lease_token="over",
                    result={"host": {"guest": "kvm-1-0006", "kvm_host": "kvm-1", "image": IMAGE, "accelerator": "kvm"}},
                    created=tx.now - timedelta(seconds=90), started=tx.now - timedelta(seconds=60), finished=tx.now))  # fmt: skip


def pages(scenario: Scenario) -> dict[str, str]:
    """Every kind of page by a name for its picture."""
    with scenario.hub.store.read() as tx:
        newest = tx.find(Generation, order_by="created,number", descending=True, limit=1)[0]
        failed = tx.get(Build, scenario.ids["reef-cannot-build"])
    cluster = clusters([failed])[0].id
    return {
        "overview": "/", "needs": "/action-required", "drops": "/drops", "drop": f"/drops/{scenario.drop}", "builds": "/builds",
        "build-refused": "/builds/bzip2-1.0-1.el9", "build-debranded": "/builds/reef-release-1.0-1.el9",
        "build-failed": "/builds/reef-cannot-build-1.0-1.el9", "buildroot": f"/builds/{scenario.ids['zlib-1.1']}/buildroot",
        "sources": "/sources", "source": "/sources/reef-9/zlib", "targets": "/targets", "target": "/targets/reef-9",
        "seeds": "/targets/reef-9/seeds", "sigs": "/sigs", "sig": "/sigs/archives", "lag": "/lag", "generations": "/generations",
        "generation": f"/generations/{newest.id}", "waivers": "/waivers", "workers": "/workers", "machines": "/machines",
        "cluster": f"/clusters/reef-9/{cluster}",
    }  # fmt: skip
