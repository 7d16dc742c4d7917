"""A cycle that neither seed nor older build breaks: the bootstrap condition of a spec of it does,
and users never see what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from buildfarm.adapters.core.database import SqlStore
from buildfarm.domain.core.build import Build, BuildState, WaitKind
from buildfarm.domain.core.records import BootstrapVariant, Event, LearnedRequires
from buildfarm.domain.publish.repository import Generation
from tests.integration.pipeline.simulated_farm import SimulatedFarm

Make = Callable[..., SimulatedFarm]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    template = tmp_path / "template.db"
    store = SqlStore(f"sqlite:///{template}")
    store.migrate()
    store.dispose()
    made: list[SimulatedFarm] = []

    def farm(needs: dict[str, list[str]], **more: object) -> SimulatedFarm:
        made.append(
            SimulatedFarm(
                folder=tmp_path / "farm",
                template=template,
                needs=needs,
                seed=frozenset({"make"}),
                **more,
            )
        )  # type: ignore[arg-type]  # its other fields
        return made[-1]

    yield farm
    for one in made:
        one.close()


def builds_of(farm: SimulatedFarm, source: str) -> list[Build]:
    with farm.hub.store.read() as tx:
        return sorted(tx.find(Build, source=source), key=lambda build: build.round)


def last(farm: SimulatedFarm, source: str) -> Build:
    return builds_of(farm, source)[-1]


def test_a_circle_is_broken_by_a_bootstrap_condition_and_built_again_with_itself(
    make: Make,
) -> None:
    farm = make({"rust": ["cargo", "make"], "cargo": ["rust"]}, conditioned={"rust": ["make"]})
    farm.finish()
    first, *_, final = builds_of(farm, "rust")
    assert (first.bootstrap, first.round, first.cycle) == ("--with bootstrap", 1, ("cargo", "rust"))
    assert first.state is BuildState.REFUSED
    assert first.gate_reason.startswith("built with --with bootstrap, without its own cycle")
    assert (final.state, final.bootstrap, final.seeded) == (BuildState.PUBLISHED, "", ())
    assert last(farm, "cargo").state is BuildState.PUBLISHED
    assert last(farm, "cargo").seeded == ()  # its last round had a rust that was built with a cargo
    assert builds_of(farm, "cargo")[0].seeded == ("rust-1-1.x86_64",)
    with farm.hub.store.read() as tx:
        carried = {
            one for g in tx.find(Generation, tag=farm.target.tags.destination) for one in g.builds
        }
        said = [
            event.kind
            for event in tx.find(Event, subject=first.id)
            if event.kind.startswith("bootstrap.")
        ]
    assert first.id not in carried
    assert said == ["bootstrap.asked", "bootstrap.known", "bootstrap.begun"]


def test_a_compiler_that_needs_itself_begins_under_its_condition(make: Make) -> None:
    farm = make({"gcc": ["gcc"]}, conditioned={"gcc": []})
    farm.finish()
    assert last(farm, "gcc").state is BuildState.PUBLISHED
    assert [build.bootstrap for build in builds_of(farm, "gcc")][:2] == ["--with bootstrap", ""]


def test_no_condition_no_way_out_and_the_reason_says_so(make: Make) -> None:
    farm = make({"yacc": ["awk"], "awk": ["yacc"]})
    farm.finish()
    found = last(farm, "yacc")
    assert (found.state, found.wait_kind) == (BuildState.WAITING, WaitKind.CYCLE)
    assert "no spec of it has a bootstrap condition: add a seed or an older build" in found.reason


def test_a_condition_that_drops_nothing_of_the_circle_is_not_tried(make: Make) -> None:
    farm = make({"yacc": ["awk", "make"], "awk": ["yacc"]}, conditioned={"yacc": ["awk"]})
    farm.finish()
    assert last(farm, "yacc").state is BuildState.WAITING
    assert (
        "yacc has --with bootstrap, which does not help: the cycle stands even so"
        in last(farm, "yacc").reason
    )
    assert farm.begun == []


def test_only_as_many_conditions_are_used_as_are_needed(make: Make) -> None:
    farm = make({"a": ["b"], "b": ["a"]}, conditioned={"a": [], "b": []})
    farm.finish()
    assert sum(bool(build.bootstrap) for source in "ab" for build in builds_of(farm, source)) == 1
    assert {last(farm, source).state for source in "ab"} == {BuildState.PUBLISHED}


def test_a_condition_that_makes_no_srpm_is_said_and_not_asked_for_again(make: Make) -> None:
    farm = make({"a": ["b"], "b": ["a"]}, conditioned={"a": []})
    for _ in range(8):
        farm.tick()
        for task in farm.assigned():
            farm.work(task, broken=task.kind.value == "srpm")
    farm.finish()
    with farm.hub.store.read() as tx:
        assert tx.get(BootstrapVariant, "a").problem == "builder-1: the disk is full"
    assert "does not help" in last(farm, "a").reason


def test_what_a_build_asks_for_while_it_is_built_sends_it_back_to_the_plan(make: Make) -> None:
    farm = make(
        {"app": ["make"], "flit": ["make", "slow"], "slow": ["make"]}, generated={"app": ["flit"]}
    )
    farm.finish()
    app = last(farm, "app")
    assert (app.state, app.found_requires, app.replans) == (BuildState.PUBLISHED, ("flit",), 1)
    with farm.hub.store.read() as tx:
        waits = [event.why for event in tx.find(Event, subject=app.id, kind="build.waiting")]
        assert tx.get(LearnedRequires, "reef-9/app").requires == ("flit",)
    assert any("it asked for flit, which its header does not name" in why for why in waits)


def test_what_nobody_will_ever_make_leaves_it_waiting_with_its_reason_and_no_failure(
    make: Make,
) -> None:
    farm = make({"app": ["make"]}, generated={"app": ["nowhere"]})
    farm.finish()
    app = last(farm, "app")
    assert (app.state, app.wait_kind, app.reason) == (
        BuildState.WAITING, WaitKind.UNRESOLVABLE, "nothing provides nowhere",
    )  # fmt: skip
    assert len(farm.begun) == 1


def test_what_the_last_build_asked_for_orders_the_next_one_and_does_not_bind_it(make: Make) -> None:
    farm = make({"app": ["make"], "flit": ["make"]}, generated={"app": ["flit"]})
    with farm.hub.store.begin() as tx:
        tx.add(
            LearnedRequires(
                id="reef-9/app",
                target="reef-9",
                build="x",
                requires=("flit", "gone"),
                created=tx.now,
            )
        )
    farm.finish()
    app = last(farm, "app")
    assert app.state is BuildState.PUBLISHED
    with farm.hub.store.read() as tx:
        waits = [event.why for event in tx.find(Event, subject=app.id, kind="build.waits")]
        assert waits[0] == "waits for flit (for flit)"
        assert tx.get(LearnedRequires, "reef-9/app").requires == ("flit",)
