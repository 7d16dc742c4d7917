"""Composes: named, written, promoted, retired; read by productmd and by a user's dnf, and never
collected while they are held.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import productmd.compose
import pytest

from buildfarm.adapters.publish.productmd_writer import VARIANT, ProductmdWriter
from buildfarm.adapters.publish.repository_writer import RepositoryWriter
from buildfarm.adapters.publish.signing import Signer
from buildfarm.domain.core.records import Event, EventConsumer
from buildfarm.domain.core.task import Task, TaskKind, TaskState
from buildfarm.domain.core.verdict import Verdict
from buildfarm.domain.notify.notice import Notice, Topic
from buildfarm.domain.publish.compose import Compose, ComposeState, release_of
from buildfarm.domain.publish.repository import Generation, GenerationState
from buildfarm.domain.target.target import Tags
from buildfarm.errors import Conflict, IllegalTransition, InputError, NotFound
from buildfarm.presentation.notice_texts import headline
from buildfarm.services.notify import consumers, notices
from buildfarm.services.publish import collecting, composing, publishing
from tests.fakes import Clock
from tests.integration.pipeline.conftest import World
from tests.integration.pipeline.publish.test_pipeline_publishing import (
    BUILD,
    DESTINATION,
    Press,
    UserDnf,
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


def compose(press: Press, generation: str = "") -> Compose:
    """A compose with its folder."""
    made = composing.create(
        press.hub, "reef-9", generation=generation, actor="ann", why="to be tried"
    )
    write(press, made)
    return composing.find(press.hub, made.id)


def write(press: Press, made: Compose) -> None:
    composing.write(
        press.hub, ProductmdWriter(press.hub.repos / publishing.KEY_FILE), made.id, silent
    )
    with press.hub.store.begin() as tx:
        for task in tx.find(Task, kind=(TaskKind.SEAL, TaskKind.COMPOSE)):
            tx.update(task, state=TaskState.CLOSED)


def released(press: Press) -> Path:
    return press.hub.repos / DESTINATION / "released"


def names(press: Press, link: str) -> set[str]:
    return {
        path.name
        for path in (press.hub.repos / DESTINATION / link).resolve().glob("x86_64/Packages/*/*.rpm")
    }


def test_users_get_what_was_promoted_and_not_what_came_since(
    press: Press, clock: Clock, tmp_path: Path
):
    press.compared("zlib", Verdict.IDENTICAL)
    press.publish()
    first = compose(press)
    day = f"{clock():%Y%m%d}"
    assert (first.id, first.state, first.number) == (f"reef-9-{day}.0", ComposeState.TESTING, 1)
    assert not released(press).exists()
    promoted = composing.promote(press.hub, first.id, actor="ann", why="tried on ten machines")
    assert (promoted.state, promoted.released_by) == (ComposeState.RELEASED, "ann")
    press.compared("expat", Verdict.IDENTICAL)
    press.publish()
    dnf = UserDnf(tmp_path / "user", press, "released")
    done = dnf("repoquery", "--qf=%{name}")
    assert (done.returncode, done.stdout.split()) == (0, ["zlib"]), done.stderr
    installed = dnf("install", "--setopt=tsflags=nodocs", "zlib")
    assert installed.returncode == 0, installed.stderr
    second = compose(press)
    composing.promote(press.hub, second.id, actor="ann", why="expat is due")
    assert names(press, "released") == {"expat-1.0-1.el9.noarch.rpm", "zlib-1.0-1.el9.noarch.rpm"}
    with press.hub.store.read() as tx:
        said = [
            (one.kind, one.actor, one.why)
            for one in tx.find(Event, subject=first.id, order_by="id")
        ]
    assert said == [
        ("compose.created", "ann", "to be tried"), ("compose.written", "services", ""),
        ("compose.released", "ann", "tried on ten machines"),
    ]  # fmt: skip


def test_a_release_is_told_and_a_compose_in_testing_is_not(press: Press):
    press.compared("zlib", Verdict.IDENTICAL)
    press.publish()
    made = compose(press)
    with press.hub.store.begin() as tx:
        tx.add(EventConsumer(id="notices", moved=tx.now))

    def told() -> list[Notice]:
        while consumers.consume(
            press.hub.store, "notices", partial(notices.write, press.hub.config)
        ):
            pass
        with press.hub.store.read() as tx:
            return [one for one in tx.find(Notice) if one.kind.startswith("compose.")]

    assert told() == []
    composing.promote(press.hub, made.id, actor="ann", why="tried on ten machines")
    (notice,) = told()
    assert (notice.topic, notice.target, notice.source, notice.path) == (
        Topic.RELEASED,
        "reef-9",
        "",
        f"/composes/{made.id}",
    )
    assert (headline(notice), notice.why) == (
        f"compose {made.id} is what users get now (reef-9)", "tried on ten machines",
    )  # fmt: skip


def test_productmd_reads_what_a_compose_says_of_itself_though_it_was_half_written_before(
    press: Press,
):
    press.compared("zlib", Verdict.IDENTICAL)
    press.publish()
    made = composing.create(press.hub, "reef-9", actor="ann")
    folder = press.hub.repos / made.path
    half = folder.with_name(f".{made.id}.new")
    (half / "metadata").mkdir(parents=True)
    (half / "metadata/rpms.json").write_text("{")
    for _ in range(2):
        write(press, made)
    assert not half.exists()
    with press.hub.store.read() as tx:
        assert tx.count(Event, kind="compose.written") == 1
    read = productmd.compose.Compose(str(folder))
    assert read.info.compose.id == made.id == read.info.create_compose_id()
    paths = read.info.variants[VARIANT].paths
    assert (folder / paths.repository["x86_64"] / "repodata/repomd.xml").is_file()
    assert (folder / paths.source_packages["x86_64"]).is_dir()
    rpms = read.rpms[VARIANT]["x86_64"]["zlib-0:1.0-1.el9.src"]
    assert set(rpms) == {"zlib-0:1.0-1.el9.src", "zlib-0:1.0-1.el9.noarch"}
    for one in rpms.values():
        assert (folder / one["path"]).is_file()
        assert one["sigkey"] == press.signer.fingerprint()[-8:].lower()


def test_a_layered_target_is_a_product_on_its_base(press: Press, tmp_path: Path):
    base = press.hub.target("reef-9")
    virt = replace(
        base, name="reef-9-virt", base="reef-9", tags=Tags(build="v-build", destination="v")
    )
    made = Compose(
        id="virt-9-reef-9-20261128.0",
        target=virt.name,
        tag="v",
        generation="g",
        number=1,
        actor="a",
        created=None,
    )  # type: ignore[arg-type]
    key = tmp_path / "key"
    key.write_bytes(press.signer.export())
    ProductmdWriter(key)(tmp_path, made, release_of(virt, base), ("x86_64",), [])
    info = productmd.compose.Compose(str(tmp_path)).info
    assert info.create_compose_id() == made.id
    assert (info.release.short, info.base_product.short, info.release.is_layered) == (
        "virt",
        "reef",
        True,
    )


def test_what_a_compose_holds_is_not_collected_and_what_was_collected_it_brings_back(
    press: Press, clock: Clock
):
    for name in ("one", "two"):
        press.compared(name, Verdict.IDENTICAL)
        press.publish()
        clock.pass_seconds(5 * 24 * 3600)
    held = compose(press, "1")
    assert {one.tag for one in collecting.collect(press.hub)} == {BUILD}
    composing.retire(press.hub, held.id, actor="ann", why="nobody tried it")
    assert [(one.tag, one.number) for one in collecting.collect(press.hub)] == [(DESTINATION, 1)]
    old = compose(press, "1")
    with press.hub.store.read() as tx:
        (task,) = tx.find(Task, kind=TaskKind.RESTORE)
        beside = tx.get(Generation, old.build_generation)
    assert (beside.tag, beside.number) == (BUILD, 1)
    with pytest.raises(Conflict, match="its files are being written"):
        composing.promote(press.hub, old.id, actor="ann", why="back to the old one")
    collecting.restore(press.hub, press.write, task.subject, silent)
    press.seal()
    composing.promote(press.hub, old.id, actor="ann", why="back to the old one")
    assert names(press, "released") == {"one-1.0-1.el9.noarch.rpm"}
    assert names(press, "current") == {"one-1.0-1.el9.noarch.rpm", "two-1.0-1.el9.noarch.rpm"}


def test_the_link_goes_back_when_what_users_have_is_retired_and_never_nowhere(press: Press):
    press.compared("zlib", Verdict.IDENTICAL)
    press.publish()
    first, second = compose(press), compose(press)
    assert [one.id.rpartition(".")[2] for one in (first, second)] == ["0", "1"]
    composing.promote(press.hub, first.id, actor="ann", why="good")
    with pytest.raises(Conflict, match="promote another one first"):
        composing.retire(press.hub, first.id, actor="ann", why="old")
    composing.promote(press.hub, second.id, actor="ann", why="better")
    assert released(press).readlink() == Path(f"compose/{second.id}")
    composing.retire(press.hub, second.id, actor="ann", why="it was not")
    assert released(press).readlink() == Path(f"compose/{first.id}")
    released(press).unlink()
    composing.repair_released_links(press.hub)
    assert released(press).readlink() == Path(f"compose/{first.id}")
    with pytest.raises(IllegalTransition, match="is retired, it cannot become released"):
        composing.promote(press.hub, second.id, actor="ann", why="after all")


def test_nothing_is_composed_of_what_never_came_into_force_and_nothing_promoted_without_a_reason(
    press: Press,
):
    with pytest.raises(Conflict, match="has no generation yet"):
        composing.create(press.hub, "reef-9", actor="ann")
    press.compared("zlib", Verdict.IDENTICAL)
    staged, *_ = (one for one in press.stage() if one.tag == DESTINATION)
    with pytest.raises(Conflict, match="is staged"):
        composing.create(press.hub, "reef-9", generation=staged.id, actor="ann")
    press.seal()
    for word in (
        "7",
        "1" * 30,
        "none",
        *(one.id for one in press.generations(GenerationState.READY) if one.tag == BUILD),
    ):
        with pytest.raises(NotFound):
            composing.create(press.hub, "reef-9", generation=word, actor="ann")
    made = composing.create(press.hub, "reef-9", actor="ann")
    with pytest.raises(InputError, match="needs a reason"):
        composing.promote(press.hub, made.id, actor="ann", why=" ")
    with pytest.raises(Conflict, match="being written"):
        composing.promote(press.hub, made.id, actor="ann", why="good")
