"""When a soname goes away, whoever is linked against it is named, and built again where the target
wants it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from buildfarm.domain.core.build import Build, BuildState, Gate
from buildfarm.domain.core.records import Event
from buildfarm.domain.intake.drop import Approval, Drop
from buildfarm.domain.publish.repository import Artifact
from buildfarm.services.selfhosting import impacts
from tests.integration.pipeline.conftest import World

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
OLD, NEW = ("libz.so.1()(64bit)", "libz.so.1(ZLIB_1.2)(64bit)"), ("libz.so.2()(64bit)",)


def add(
    world: World,
    key: str,
    source: str,
    *,
    provides: tuple[str, ...] = (),
    requires: tuple[str, ...] = (),
) -> None:
    build = Build(
        id=key, target="reef-9", drop_id="d", source=source, epoch=0, version=key, release="1", dist=".el9", srpm=key,
        srpm_filename=f"{source}-{key}-1.src.rpm", state=BuildState.PUBLISHED, state_since=NOON, verdict="EQUIVALENT",
        gate=Gate.PASSED, owner="ada", created=NOON, tags=("reef-9", "reef-9-build"),
    )  # fmt: skip
    artifact = Artifact(
        id=key, build=key, task="t", filename=f"{source}.rpm", name=source, epoch=0, version="1", release="1", arch="x86_64", size=1,
        sha256=key, provides=provides, requires=requires,
    )  # fmt: skip
    with world.hub.store.begin() as tx:
        tx.add(build)
        tx.add(artifact)


def switch(world: World, before: set[str], now: set[str]) -> list[impacts.Impact]:
    with world.hub.store.begin() as tx:
        return impacts.after_switch(tx, world.hub.target("reef-9"), before, now)


def events(world: World) -> list[Event]:
    with world.hub.store.read() as tx:
        return tx.find(Event, subject="reef-9", kind=impacts.EVENT)


def populate(world: World) -> None:
    add(world, "zlib1", "zlib", provides=(*OLD, "zlib = 1"))
    add(world, "zlib2", "zlib", provides=(*NEW, "zlib = 2"))
    add(world, "png", "libpng", requires=("libz.so.1()(64bit)", "libc.so.6()(64bit)"))
    add(world, "tree", "tree", requires=("libc.so.6()(64bit)",))


def test_who_is_linked_against_what_went_away_is_named(world: World) -> None:
    populate(world)
    (found,) = switch(world, {"zlib1", "png", "tree"}, {"zlib2", "png", "tree"})
    assert found.lost == tuple(sorted(OLD))
    assert found.affected == {"png": ("libz.so.1()(64bit)",)}
    (event,) = events(world)
    assert (
        event.why
        == "zlib-zlib2-1 no longer provides libz.so.1()(64bit), libz.so.1(ZLIB_1.2)(64bit)"
    )
    with world.hub.store.read() as tx:
        assert tx.find(Drop) == []  # the target did not ask for rebuilds


def test_a_rebuild_that_provides_the_same_goes_no_further(world: World) -> None:
    add(world, "zlib1", "zlib", provides=OLD)
    add(world, "zlib2", "zlib", provides=(*OLD, *NEW))
    add(world, "png", "libpng", requires=OLD)
    assert switch(world, {"zlib1", "png"}, {"zlib2", "png"}) == []
    assert events(world) == []


def test_what_another_source_still_provides_is_not_lost(world: World) -> None:
    populate(world)
    add(world, "compat", "compat-zlib", provides=OLD)
    assert switch(world, {"zlib1", "png", "compat"}, {"zlib2", "png", "compat"}) == []


def test_where_the_target_wants_it_they_are_built_again_as_one_drop(
    make_world: Callable[..., World],
) -> None:
    world = make_world(rebuild_on_change=True)
    populate(world)
    for _ in range(2):  # the same switch seen twice rebuilds once
        switch(world, {"zlib1", "png", "tree"}, {"zlib2", "png", "tree"})
    with world.hub.store.read() as tx:
        (drop,) = tx.find(Drop)
        (again,) = tx.find(Build, drop_id=drop.id)
        first = tx.get(Build, "png")
    assert (drop.trigger, drop.approval) == ("rebuild on change", Approval.NOT_NEEDED)
    assert (again.source, again.round, again.state, first.successor) == (
        "libpng",
        2,
        BuildState.WAITING,
        again.id,
    )
    assert "no longer provides libz.so.1" in again.reason


def test_a_storm_of_rebuilds_awaits_approval(make_world: Callable[..., World]) -> None:
    world = make_world(rebuild_on_change=True, trigger_limits={"most_builds": 0})
    populate(world)
    switch(world, {"zlib1", "png"}, {"zlib2", "png"})
    with world.hub.store.read() as tx:
        (drop,) = tx.find(Drop)
    assert drop.approval is Approval.AWAITED
    assert drop.reason == "awaits approval: 1 builds at once, the target allows 0 without approval"


def test_a_source_that_left_or_came_takes_nothing_from_anybody(world: World) -> None:
    populate(world)
    assert switch(world, {"png"}, {"png", "zlib2"}) == []
    assert switch(world, {"png", "zlib1"}, {"png"}) == []
