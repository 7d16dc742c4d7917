"""Old generations give their space back, keep their record, and come back byte for byte when they
are needed.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from buildfarm.adapters.publish.repository_writer import RepositoryWriter
from buildfarm.adapters.publish.signing import Signer
from buildfarm.domain.core.task import Task, TaskKind, TaskState
from buildfarm.domain.core.verdict import Verdict
from buildfarm.domain.publish.repository import Generation, GenerationState
from buildfarm.errors import Conflict, InfraError
from buildfarm.services.core import tasks
from buildfarm.services.publish import collecting, publishing
from tests.fakes import Clock
from tests.integration.pipeline.conftest import World
from tests.integration.pipeline.publish.test_pipeline_publishing import (
    BUILD,
    DESTINATION,
    Press,
    silent,
)


@pytest.fixture
def press(make_world: object, signer: Signer, tmp_path: Path) -> Press:
    world: World = make_world(keep_generations=1)  # type: ignore[operator]  # a factory
    return Press(
        world.hub,
        RepositoryWriter(tmp_path / "cache", world.hub.repos / ".pool"),
        signer,
        world.rpmbuild,
    )


def three_generations(press: Press, clock: Clock) -> list[Generation]:
    """Of the build tag, a day apart, the last one in force; all of them out of everybody's caches."""
    for name in ("one", "two", "three"):
        press.compared(name, Verdict.IDENTICAL)
        press.publish()
        clock.pass_seconds(24 * 3600)
    clock.pass_seconds(3 * 24 * 3600)
    with press.hub.store.begin() as tx:
        for task in tx.find(Task, kind=TaskKind.SEAL):
            tx.update(task, state=TaskState.CLOSED)
    return [one for one in press.generations(GenerationState.READY) if one.tag == BUILD]


def folder_of(press: Press, generation: Generation) -> Path:
    return press.hub.repos / generation.tag / str(generation.number)


def content(folder: Path) -> dict[str, str]:
    """Digests of all files but signatures, which carry their time."""
    every = (
        Path(place) / name
        for place, _, names in os.walk(folder, followlinks=True)
        for name in names
    )
    files = [path for path in every if path.suffix != ".asc"]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_what_nothing_needs_is_removed_and_what_is_in_force_or_new_stays(
    press: Press, clock: Clock
):
    first, second, third = three_generations(press, clock)
    collected = {(one.tag, one.number) for one in collecting.collect(press.hub)}
    assert collected == {(BUILD, 1), (BUILD, 2), (DESTINATION, 1), (DESTINATION, 2)}
    assert not folder_of(press, first).exists()
    assert not folder_of(press, second).exists()
    assert folder_of(press, third).exists()
    assert collecting.collect(press.hub) == []


def test_what_was_in_force_until_just_now_is_still_being_downloaded(press: Press, clock: Clock):
    for name in ("one", "two"):
        press.compared(name, Verdict.IDENTICAL)
        press.publish()
        clock.pass_seconds(7 * 24 * 3600 if name == "one" else 3600)
    assert collecting.collect(press.hub) == []


def test_what_a_running_build_stands_on_stays(press: Press, clock: Clock):
    first, second, _ = three_generations(press, clock)
    with press.hub.store.begin() as tx:
        tasks.ensure(tx, TaskKind.BUILD, "b", target="reef-9", arch="x86_64", queue="q")
        (task,) = tx.find(Task, kind=TaskKind.BUILD)
        tx.update(task, state=TaskState.ASSIGNED, worker="w", generation=first.id)
    collecting.collect(press.hub)
    assert folder_of(press, first).exists()
    assert not folder_of(press, second).exists()


def test_a_collected_generation_comes_back_as_it_was_and_the_tag_stays_where_it_is(
    press: Press, clock: Clock
):
    first, _, third = three_generations(press, clock)
    before = content(folder_of(press, first))
    collecting.collect(press.hub)
    collecting.ask_for_restore(press.hub, first.id, actor="ada", why="to build it once more")
    with press.hub.store.read() as tx:
        (task,) = tx.find(Task, kind=TaskKind.RESTORE)
    for _ in range(2):  # a handler may be run twice
        collecting.restore(press.hub, press.write, task.subject, silent)
    press.seal()
    assert content(folder_of(press, first)) == before
    assert (folder_of(press, first) / "x86_64/repodata/repomd.xml.asc").exists()
    with press.hub.store.read() as tx:
        assert tx.get(Generation, first.id).state is GenerationState.READY
        head = publishing.head(tx, BUILD)
    assert head is not None
    assert head.id == third.id
    assert (press.hub.repos / BUILD / "current").readlink() == Path(str(third.number))
    assert collecting.collect(press.hub) == []  # whoever asked for it has two days


def test_what_cannot_come_back_as_it_was_does_not_come_back(press: Press, clock: Clock):
    first, _, _ = three_generations(press, clock)
    collecting.collect(press.hub)
    with press.hub.store.begin() as tx:
        tx.update(tx.get(Generation, first.id), digest="0" * 64)
    with pytest.raises(InfraError, match="cannot be restored"):
        collecting.restore(press.hub, press.write, first.id, silent)
    with press.hub.store.begin() as tx:
        tx.update(tx.get(Generation, first.id), state=GenerationState.BROKEN)
    with pytest.raises(Conflict, match="is broken"):
        collecting.ask_for_restore(press.hub, first.id, actor="ada", why="x")
