"""Whatever happens to a farm at whatever moment, on whatever graph: the line finishes, in order,
and says why where it does not.
"""

from __future__ import annotations

import itertools
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildfarm.adapters.core.database import SqlStore
from buildfarm.domain.core.build import Build, BuildState, WaitKind
from buildfarm.domain.core.task import ACTIVE, Task
from buildfarm.domain.intake.drop import Drop
from buildfarm.domain.publish.repository import Generation
from buildfarm.domain.schedule.graph import strongly_connected
from buildfarm.services.core import pausing, tasks
from tests.integration.pipeline.simulated_farm import DROP, SimulatedFarm, random_action

SOURCES = ("a", "b", "c", "d", "e", "f")
SEEDED = ("a", "b", "c", "make")
"""What the seed holds: some of the sources, and a tool that no drop brings."""


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    sources = draw(st.lists(st.sampled_from(SOURCES), unique=True, min_size=1))
    names = st.sampled_from([*SOURCES, "make"])
    return {source: sorted(draw(st.sets(names, max_size=3)) - {source}) for source in sources}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database: to migrate one for each example would take longer than the examples."""
    file = tmp_path_factory.mktemp("db") / "farm.db"
    store = SqlStore(f"sqlite:///{file}")
    store.migrate()
    store.dispose()
    return file


def check_rest(farm: SimulatedFarm) -> None:
    """Nothing is lost, nothing is published half, nothing began too early, and whoever stopped says
    why.
    """
    with farm.hub.store.read() as tx:
        builds = [build for build in tx.find(Build) if not build.successor]
        everyone = {build.id: build for build in tx.find(Build)}
        generations = tx.find(Generation, state="ready")
        assert tx.find(Task, state=ACTIVE) == []
    assert {build.source for build in builds} == set(farm.needs)
    for build in builds:
        ended = build.state in (BuildState.PUBLISHED, BuildState.FAILED, BuildState.CANCELED)
        waits = build.state is BuildState.WAITING and build.wait_kind in (
            WaitKind.UNRESOLVABLE,
            WaitKind.BLOCKED,
            WaitKind.CYCLE,
        )
        held = build.state is BuildState.REFUSED and (
            build.seeded or build.bootstrap
        )  # a cycle that lost a member cannot get off the seed
        assert ended or waits or held, (
            f"{build.source} {build.state} {build.wait_kind} {build.reason}"
        )
        assert build.state is BuildState.PUBLISHED or build.reason or build.gate_reason
    for generation in generations:
        sources = [everyone[one].source for one in generation.builds]
        assert len(sources) == len(set(sources))
    groups = strongly_connected(
        {source: [n for n in needs if n in farm.needs] for source, needs in farm.needs.items()}
    )
    # what a build asks for while it runs may close a cycle that no header tells of
    asked = {
        source: [name for name in (*needs, *farm.generated.get(source, ())) if name in farm.needs]
        for source, needs in farm.needs.items()
    }
    members_of_cycle = {
        source: place for place, group in enumerate(strongly_connected(asked)) for source in group
    }
    state = {build.source: build for build in builds}
    for source, _, ours in farm.begun:
        for needed in farm.needs[source]:
            outside = needed in farm.needs and members_of_cycle[needed] != members_of_cycle[source]
            assert not outside or needed in ours or state[needed].state is not BuildState.PUBLISHED
    whole = [
        group
        for group in groups
        if len(group) > 1 and all(state[one].state is BuildState.PUBLISHED for one in group)
    ]
    assert not any(state[one].seeded or state[one].bootstrap for group in whole for one in group)
    assert not any(
        build.bootstrap and farm.target.tags.destination in build.tags
        for build in everyone.values()
    )


@st.composite
def specs(
    draw: st.DrawFn,
) -> tuple[dict[str, list[str]], dict[str, list[str]], dict[str, list[str]]]:
    """Sources with what they need, what some of them need under a bootstrap condition, and what
    some ask for while they are built.
    """
    needs = draw(graphs())
    some = draw(st.sets(st.sampled_from(sorted(needs))))
    conditioned = {
        source: [name for name in needs[source] if draw(st.booleans())] for source in sorted(some)
    }
    names = st.sampled_from([*SOURCES, "make"])
    generated = {source: sorted(draw(st.sets(names, max_size=1)) - {source}) for source in needs}
    return needs, conditioned, generated


@given(
    specs(),
    st.sets(st.sampled_from(SOURCES), max_size=1),
    st.randoms(use_true_random=False),
    st.integers(0, 40),
)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_kills_pauses_and_lost_leases_at_any_moment_lose_nothing(
    template: Path,
    spec: tuple[dict[str, list[str]], ...],
    doomed: set[str],
    chance: random.Random,
    actions: int,
) -> None:
    needs, conditioned, generated = spec
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        numbers = itertools.count(1)
        patch.setattr(
            tasks, "new_id", lambda: f"{next(numbers):016}"
        )  # the same example takes the same way
        farm = SimulatedFarm(
            folder=Path(folder), template=template, needs=needs, seed=frozenset(SEEDED), doomed=frozenset(doomed),
            conditioned=conditioned, generated=generated,
        )  # fmt: skip
        try:
            for _ in range(actions):
                random_action(farm, chance)
                if chance.random() < 0.1:
                    toggle_pause(farm, chance)
            for subject in subjects(farm):
                with farm.hub.store.begin() as tx:
                    if pausing.paused(
                        tx, subject.id if isinstance(subject, Drop) else subject.name
                    ):
                        pausing.resume(tx, subject, actor="ada", why="go on")
            farm.finish()
            check_rest(farm)
        finally:
            farm.close()


def subjects(farm: SimulatedFarm) -> list[pausing.Subject]:
    with farm.hub.store.read() as tx:
        return [farm.target, tx.get(Drop, DROP)]


def toggle_pause(farm: SimulatedFarm, chance: random.Random) -> None:
    subject = chance.choice(subjects(farm))
    with farm.hub.store.begin() as tx:
        if pausing.paused(tx, subject.id if isinstance(subject, Drop) else subject.name):
            pausing.resume(tx, subject, actor="ada", why="go on")
        else:
            pausing.pause(tx, subject, actor="ada", why="the disks are full")


def test_libsolv_is_asked_about_the_frontier_and_not_in_every_round(
    template: Path, tmp_path: Path
) -> None:
    """A chain of sources: each is asked about when it came and when what it waited for was there,
    not in between.
    """
    length = 24
    chain = {f"s{number:02}": [f"s{number - 1:02}"] if number else [] for number in range(length)}
    farm = SimulatedFarm(folder=tmp_path, template=template, needs=chain, seed=frozenset())
    try:
        farm.finish()
        check_rest(farm)
        assert (
            length <= farm.asked <= 5 * length
        )  # in every round each, that were more than 24 * 24
        asked = farm.asked
        for _ in range(5):
            farm.tick()
        assert farm.asked == asked
    finally:
        farm.close()
