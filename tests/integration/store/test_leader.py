"""One scheduler leads by a database lease; any number may stand by."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from buildfarm.adapters.core.blobs import Blobs
from buildfarm.adapters.core.database import SqlStore
from buildfarm.config import Config, Farm
from buildfarm.domain.target.target import Target
from buildfarm.services.core.hub import Hub
from buildfarm.services.schedule.scheduler import Scheduler


class Nobody:
    """Messages, wake-up and planner of a farm in which nothing is to be done."""

    def send(self, *, worker: str, queue: str, task: str) -> None:
        raise AssertionError("nothing is to be sent")

    def notify(self) -> None: ...

    def wait(self, seconds: float) -> bool:
        return False

    remaining_paths: Mapping[str, float] = {}  # nobody writes into it

    def plan(self, target: Target) -> dict[str, object]:
        raise AssertionError("nothing is to be planned")


def scheduler(store: SqlStore, folder: Path, owner: str) -> Scheduler:
    nobody = Nobody()
    config = Config(
        farm=Farm(home=str(folder)), targets={}, folder=folder, file=folder / "farm.yaml"
    )
    blobs = Blobs(folder / "blobs")
    hub = Hub(
        config=config, store=store, blobs=blobs, messages=nobody, wakeup=nobody, scratch=folder
    )
    return Scheduler(hub, nobody, owner=owner)


def test_the_second_stands_by_until_the_firsts_lease_ran_out(
    store: SqlStore, tmp_path: Path, clock: Any
) -> None:
    first, second = scheduler(store, tmp_path, "first"), scheduler(store, tmp_path, "second")
    assert first.lead()
    assert not second.lead()
    clock.pass_seconds(14)
    assert first.lead()
    clock.pass_seconds(14)
    assert not second.lead()
    clock.pass_seconds(2)
    assert second.lead()
    assert not first.lead()


def test_a_tick_with_nothing_to_do_sends_and_plans_nothing(store: SqlStore, tmp_path: Path) -> None:
    scheduler(store, tmp_path, "first").tick()
