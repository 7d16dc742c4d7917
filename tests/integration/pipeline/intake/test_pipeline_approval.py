"""Nothing begins of a drop that awaits approval or is paused; its plan is there to be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from buildfarm.adapters.core.database import SqlStore
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.records import ForecastRecord
from buildfarm.domain.intake.drop import Approval, Drop, ItemKind
from buildfarm.domain.target.target import TriggerLimits
from buildfarm.errors import Conflict, InputError
from buildfarm.services.core import pausing
from buildfarm.services.intake import approval, drops
from buildfarm.services.intake.drops import Offered
from tests.integration.pipeline.conftest import World
from tests.integration.pipeline.simulated_farm import DROP, SimulatedFarm

NEEDS = {"lib": ["make"], "app": ["lib"], "yacc": ["awk"], "awk": ["yacc"], "lost": ["gone"]}


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[SimulatedFarm]:
    template = tmp_path / "template.db"
    store = SqlStore(f"sqlite:///{template}")
    store.migrate()
    store.dispose()
    made = SimulatedFarm(
        folder=tmp_path, template=template, needs=NEEDS, seed=frozenset({"make", "awk", "yacc"})
    )
    yield made
    made.close()


def await_approval(farm: SimulatedFarm) -> None:
    with farm.hub.store.begin() as tx:
        tx.update(
            tx.get(Drop, DROP),
            approval=Approval.AWAITED,
            reason="awaits approval: 5 builds at once",
        )


def states(farm: SimulatedFarm) -> dict[str, str]:
    with farm.hub.store.read() as tx:
        return {build.source: build.state.value for build in tx.find(Build, successor="")}


def drop_of(farm: SimulatedFarm) -> Drop:
    with farm.hub.store.read() as tx:
        return tx.get(Drop, DROP)


def test_a_plan_is_made_and_nothing_is_built_until_somebody_approves(farm: SimulatedFarm) -> None:
    await_approval(farm)
    farm.finish()
    assert set(states(farm).values()) == {"waiting"}
    assert farm.begun == []
    with farm.hub.store.read() as tx:
        waits = {build.source: (build.wait_kind, build.reason) for build in tx.find(Build)}
        plan = tx.get(ForecastRecord, DROP).forecast
    assert waits["lib"] == ("approval", "its drop awaits approval: 5 builds at once")
    assert waits["app"][0] == "blocked"
    names = {step["build"]: step["wave"] for step in plan["steps"]}  # type: ignore[attr-defined]  # JSON
    assert (names["lib"], names["app"]) == (0, 1)
    assert plan["problems"] == [
        {"nvr": "lost-1-1.el9", "kind": "unresolvable", "reason": "nothing provides gone"}
    ]
    assert [cycle["members"] for cycle in plan["cycles"]] == [["awk", "yacc"]]  # type: ignore[attr-defined]  # JSON
    with farm.hub.store.begin() as tx, pytest.raises(InputError, match="need a reason"):
        approval.approve(tx, drop_of(farm), actor="ada", why=" ")
    with farm.hub.store.begin() as tx:
        approval.approve(tx, drop_of(farm), actor="ada", why="looked at it")
    farm.finish()
    assert states(farm) == {**dict.fromkeys(NEEDS, "published"), "lost": "waiting"}
    with farm.hub.store.begin() as tx, pytest.raises(Conflict, match="does not await"):
        approval.approve(tx, drop_of(farm), actor="ada", why="again")


def test_what_is_refused_is_canceled_with_the_reason(farm: SimulatedFarm) -> None:
    await_approval(farm)
    farm.tick()
    with farm.hub.store.begin() as tx:
        approval.refuse(tx, drop_of(farm), actor="ada", why="wrong vendor")
    farm.finish()
    assert set(states(farm).values()) == {"canceled"}
    with farm.hub.store.read() as tx:
        assert {build.reason for build in tx.find(Build)} == {"the drop was refused: wrong vendor"}


def test_a_paused_drop_gives_back_what_no_builder_has_and_goes_on_or_is_dropped(
    farm: SimulatedFarm,
) -> None:
    farm.tick()
    for task in farm.assigned():
        farm.work(task)
    while "queued" not in states(farm).values():
        farm.tick()
        for task in farm.assigned():
            if task.kind != "build":
                farm.work(task)
    running = {task.subject for task in farm.assigned() if task.kind == "build"}
    with farm.hub.store.begin() as tx:
        pausing.pause(tx, drop_of(farm), actor="ada", why="the disks are full")
    farm.finish()
    assert {source for source, build, _ in farm.begun} <= running
    with farm.hub.store.read() as tx:
        waiting = tx.find(Build, state=BuildState.WAITING, wait_kind="paused")
    assert {build.reason for build in waiting} == {"paused by ada: the disks are full"}
    with farm.hub.store.begin() as tx:
        count = pausing.resume(
            tx, drop_of(farm), actor="ada", why="not needed any more", drop_waiting=True
        )
    farm.finish()
    assert count == sum(state == "canceled" for state in states(farm).values()) > 0


def test_one_trigger_may_start_so_much_and_no_more() -> None:
    guard = TriggerLimits(most_builds=2)
    assert guard.objection(2) == ""
    assert guard.objection(3) == "3 builds at once, the target allows 2 without approval"
    assert TriggerLimits(approval=True).objection(1) == "the target has every plan approved"
    assert guard.objection(1, asked=True) == "its sender wants to see the plan first"


def test_a_drop_beyond_the_cap_awaits_approval_from_the_start(
    make_world: Callable[..., World],
) -> None:
    capped = make_world(trigger_limits={"most_builds": 1})
    srpms = [Offered(kind=ItemKind.SRPM, path=str(capped.srpm(name))) for name in ("one", "two")]
    received = drops.receive(capped.hub, "reef-9", srpms, trigger="test", actor="ada")
    assert received.drop.approval is Approval.AWAITED
    assert (
        received.drop.reason
        == "awaits approval: 2 builds at once, the target allows 1 without approval"
    )
    alone = drops.receive(capped.hub, "reef-9", srpms[:1], trigger="test", actor="ada")
    assert alone.drop.approval is Approval.NOT_NEEDED
