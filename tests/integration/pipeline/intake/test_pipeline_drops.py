"""A drop comes in: real SRPMs signed with real keys, verified in the sandbox, written into the real
store.
"""

import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from buildfarm.adapters.intake import dist_git
from buildfarm.adapters.intake.rpm_verify import verify_many
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.records import Event
from buildfarm.domain.core.task import Task, TaskKind, TaskState
from buildfarm.domain.intake.drop import Drop, DropItem, DropState, ItemKind, VendorRpm, drop_id
from buildfarm.errors import Conflict, InputError, NotFound
from buildfarm.services.core import builds
from buildfarm.services.intake import drops, ingesting
from buildfarm.services.intake.drops import Offered, Received
from tests.fakes import Clock
from tests.integration.pipeline.conftest import World


def receive(world: World, *files: Path, kind: ItemKind = ItemKind.SRPM, **more: str) -> Received:
    offered = [Offered(kind=kind, path=str(file)) for file in files]
    return drops.receive(world.hub, "reef-9", offered, trigger="test", actor="ann", **more)


def silent(stage: str) -> None:
    """A heart-beat nobody listens to."""


def ingest(world: World, *files: Path, kind: ItemKind = ItemKind.SRPM) -> list[Build]:
    """The builds a drop of these files became."""
    drop = receive(world, *files, kind=kind).drop.id
    ingesting.ingest(world.hub, verify_many, dist_git.checkout, drop, silent)
    with world.hub.store.read() as tx:
        return tx.find(Build, drop_id=drop, order_by="source")


def test_the_same_drop_twice_is_the_same_drop_with_one_ingest_task(world: World, clock: Clock):
    files = [world.srpm("zlib"), world.srpm("expat")]
    first = receive(world, *files)
    clock.pass_seconds(3600)
    second = receive(world, *reversed(files), files[0], name="another name")
    assert (first.created, second.created) == (True, False)
    assert second.drop == first.drop
    with world.hub.store.read() as tx:
        (task,) = tx.find(Task)
        assert (task.kind, task.subject, task.queue, task.state) == (
            TaskKind.INGEST, first.drop.id, "services", TaskState.FREE,
        )  # fmt: skip
        assert tx.count(DropItem) == 2
        assert tx.count(Event, kind="drop.received") == 1


def test_a_drops_id_is_its_contents_and_not_its_names_or_its_time(world: World, clock: Clock):
    file = world.srpm("zlib")
    first = receive(world, file)
    clock.pass_seconds(1)
    file = file.rename(file.with_name("renamed.src.rpm"))
    assert receive(world, file).drop.id == first.drop.id
    sha256 = world.hub.blobs.put_file(file).sha256
    assert first.drop.id == drop_id("reef-9", [sha256])
    assert not receive(world, file, claimed_id=first.drop.id).created
    with pytest.raises(InputError, match="leave `id` out"):
        receive(world, file, claimed_id="0" * 64)


def test_a_drop_by_uploaded_blobs_is_the_drop_by_paths(world: World):
    file = world.srpm("zlib")
    sha256 = world.hub.blobs.put_file(file).sha256
    offered = [Offered(kind=ItemKind.SRPM, sha256=sha256, filename=file.name)]
    uploaded = drops.receive(world.hub, "reef-9", offered, trigger="http", actor="ann")
    assert receive(world, file).drop.id == uploaded.drop.id
    missing = [Offered(kind=ItemKind.SRPM, sha256="0" * 64, filename="a.src.rpm")]
    with pytest.raises(
        InputError, match=r"a\.src\.rpm: not uploaded \(PUT /api/v1/blobs/0{64} first\)"
    ):
        drops.receive(world.hub, "reef-9", missing, trigger="http", actor="ann")


@pytest.mark.parametrize("way", ["absolute", "dots", "link", "beside"])
def test_a_path_outside_the_drop_folders_is_refused_with_the_next_step(
    world: World, tmp_path: Path, way: str
):
    secret = tmp_path / "secret.src.rpm"
    secret.write_text("x")
    (world.drop / "link.src.rpm").symlink_to(secret)
    beside = tmp_path / "drop-not" / "a.src.rpm"
    beside.parent.mkdir()
    beside.write_text("x")
    path = {
        "absolute": secret,
        "dots": world.drop / ".." / secret.name,
        "link": world.drop / "link.src.rpm",
        "beside": beside,
    }
    with pytest.raises(InputError) as caught:
        receive(world, path[way])
    assert f"{path[way]}: not in a drop folder of this hub (allowed: {world.drop})" in str(
        caught.value
    )
    assert "upload it with PUT /api/v1/blobs/<sha256>, or add the folder to drop_folders" in str(
        caught.value
    )
    with world.hub.store.read() as tx:
        assert (tx.count(Drop), tx.count(Task), tx.count(DropItem)) == (0, 0, 0)


def test_what_is_no_drop_is_refused_with_its_name(world: World):
    with pytest.raises(InputError, match=r"gone\.src\.rpm: No such file"):
        receive(world, world.drop / "gone.src.rpm")
    with pytest.raises(InputError, match="Is a directory"):
        receive(world, world.drop)
    with pytest.raises(InputError, match="the drop is empty"):
        receive(world)
    with pytest.raises(NotFound, match=r"no target 'reef-8'.*reef-9"):
        drops.receive(world.hub, "reef-8", [], trigger="test", actor="ann")


def test_a_drop_for_a_target_past_its_end_is_on_hold_with_that_reason_until_someone_says_why_not(
    make_world: Callable[..., World],
):
    world = make_world(lifecycle={"released": "2020-01-01", "end_of_life": "2026-03-01"})
    drop = receive(world, world.srpm("zlib")).drop
    assert (drop.state, drop.reason) == (
        DropState.ON_HOLD,
        "target reef-9 reached its end of life on 2026-03-01",
    )
    for why in ("", "  \n"):
        with pytest.raises(InputError, match="a release from hold needs a reason"):
            drops.release_hold(world.hub, drop.id, actor="ann", why=why)
    with world.hub.store.read() as tx:
        assert tx.count(Task) == 0
    released = drops.release_hold(world.hub, drop.id, actor="ann", why="one last fix")
    assert released.state is DropState.RECEIVED
    with pytest.raises(Conflict, match="not on hold"):
        drops.release_hold(world.hub, drop.id, actor="ann", why="again")
    with world.hub.store.read() as tx:
        assert tx.count(Task, kind=TaskKind.INGEST, subject=drop.id) == 1
        assert [event.why for event in tx.find(Event, kind="drop.released")] == ["one last fix"]


def test_a_signed_srpm_becomes_an_ingested_build_that_carries_its_header(world: World):
    (build,) = ingest(
        world,
        world.srpm(
            "zlib",
            "1.2.13",
            "5.el9_4.1",
            "Epoch: 3",
            "BuildArch: noarch",
            "BuildRequires: gcc >= 11",
        ),
    )
    assert (build.state, build.reason, build.nvr) == (
        BuildState.INGESTED,
        "",
        "zlib-1.2.13-5.el9_4.1",
    )
    assert (build.epoch, build.dist, build.arches, build.requires) == (
        3,
        ".el9_4",
        ("x86_64",),
        ("gcc >= 11",),
    )
    assert build.srpm_filename == "zlib-1.2.13-5.el9_4.1.src.rpm"
    with world.hub.store.read() as tx:
        assert tx.get(Drop, build.drop_id).state is DropState.INGESTED
        assert [item.build for item in tx.find(DropItem)] == [build.id]


def test_a_build_knows_when_the_vendor_built_its_srpm_by_rpms_own_word(world: World, clock: Clock):
    file = world.srpm("zlib")
    (early,) = ingest(world, file)
    assert (early.shipped, early.spent) == (None, {})  # a time that is still to come is no time
    said = subprocess.run(
        ["rpm", "-qp", "--qf=%{BUILDTIME}", file], check=True, capture_output=True, text=True
    ).stdout
    shipped = datetime.fromtimestamp(int(said), UTC)
    clock.now = shipped + timedelta(hours=5)
    (build,) = ingest(world, world.srpm("expat"), file)[:1]
    assert build.shipped is not None
    assert abs(build.shipped - shipped) < timedelta(minutes=1)
    assert build.spent == {"arriving": (clock.now - build.shipped).total_seconds()}


def test_ingesting_twice_changes_nothing_the_second_time(world: World):
    (build,) = ingest(world, world.srpm("zlib"))
    ingesting.ingest(world.hub, verify_many, dist_git.checkout, build.drop_id, silent)
    (again,) = ingest(world, world.drop / build.srpm_filename)
    assert again == build


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("unsigned", "it is not signed"),
        ("stranger", "signed by key"),
        ("payload", "digest"),
        ("truncated", ""),
        ("text", "not an RPM"),
        ("empty", "the file is empty"),
    ],
)
def test_what_cannot_be_trusted_is_on_hold_with_a_reason_that_names_the_file(
    world: World, damage: str, reason: str
):
    key = {"unsigned": "", "stranger": "stranger"}.get(damage, "acme")
    file = world.srpm("zlib", key=key)
    data = file.read_bytes()
    spoilt = bytearray(data)
    spoilt[-20] ^= 0xFF
    file.write_bytes(
        {"payload": bytes(spoilt), "truncated": data[:-50], "text": b"hello", "empty": b""}.get(
            damage, data
        )
    )
    good = world.srpm("expat")
    other, build = ingest(world, file, good)
    assert (other.state, other.source) == (BuildState.INGESTED, "expat")
    assert build.state is BuildState.ON_HOLD
    assert build.reason.startswith("zlib-1.0-1.el9.src.rpm: ")
    assert reason in build.reason
    assert build.srpm not in build.reason
    with world.hub.store.begin() as tx:
        assert [item.problem for item in tx.find(DropItem, build=build.id)] == [build.reason]
        if damage in ("unsigned", "stranger"):
            released = builds.release_hold(tx, build, actor="ann", why="known to be theirs")
            assert (released.state, released.nvr) == (BuildState.INGESTED, "zlib-1.0-1.el9")
        else:
            with pytest.raises(InputError, match="send the drop again with an intact file"):
                builds.release_hold(tx, build, actor="ann", why="known to be theirs")


def test_a_build_is_released_only_with_a_reason(world: World):
    (build,) = ingest(world, world.srpm("zlib", key=""))
    with world.hub.store.begin() as tx, pytest.raises(InputError, match="needs a reason"):
        builds.release_hold(tx, build, actor="ann", why=" ")


def test_the_same_nevra_with_another_content_is_on_hold_and_the_first_goes_on(world: World):
    (first,) = ingest(world, world.srpm("zlib"))
    (second,) = ingest(
        world,
        world.srpm("zlib", "1.0", "1.el9", "BuildArch: noarch", "URL: https://changed.example"),
    )
    assert (first.nevra, first.srpm == second.srpm) == (second.nevra, False)
    assert second.state is BuildState.ON_HOLD
    assert (
        second.reason
        == f"zlib-1.0-1.el9 is known already with another content (SHA-256 {first.srpm[:12]}…)"
    )
    with world.hub.store.read() as tx:
        assert tx.get(Build, first.id) == first


def test_an_srpm_the_target_has_no_arch_for_is_excluded_with_what_it_says(world: World):
    only, never = ingest(
        world,
        world.srpm("a-s390", "1", "1", "ExclusiveArch: s390x ppc64le"),
        world.srpm("b-never", "1", "1", "ExcludeArch: x86_64"),
    )
    assert (only.state, never.state) == (BuildState.EXCLUDED, BuildState.EXCLUDED)
    assert only.reason == "ExclusiveArch: s390x ppc64le; the target builds x86_64"
    assert never.reason.startswith("ExcludeArch: x86_64")


def test_a_binary_among_the_srpms_is_on_hold_and_cannot_be_built_from(world: World):
    binary = world.drop / "zlib-1.0-1.el9.noarch.rpm"
    shutil.copyfile(world.rpmbuild("zlib")[1], binary)
    world.keys["acme"].sign(binary)
    (build,) = ingest(world, binary)
    assert build.state is BuildState.ON_HOLD
    assert build.reason == "zlib-1.0-1.el9.noarch.rpm: a binary RPM among the SRPMs"
    with world.hub.store.begin() as tx, pytest.raises(InputError, match="cannot be released"):
        builds.release_hold(tx, build, actor="ann", why="why not")


def test_the_vendors_binaries_are_kept_to_compare_with_and_an_untrusted_one_says_why(world: World):
    good, bad = world.drop / "zlib-1.0-1.el9.noarch.rpm", world.drop / "expat-1.0-1.el9.noarch.rpm"
    shutil.copyfile(world.rpmbuild("zlib")[1], good)
    shutil.copyfile(world.rpmbuild("expat")[1], bad)
    world.keys["acme"].sign(good)
    (build,) = ingest(world, world.srpm("zlib"))
    assert ingest(world, good, bad, kind=ItemKind.BINARY) == []
    with world.hub.store.read() as tx:
        trusted, refused = tx.find(VendorRpm, order_by="name", descending=True)
        item = tx.first(DropItem, filename=good.name)
    assert (trusted.name, trusted.source, trusted.sourcerpm, trusted.problem) == (
        "zlib",
        "zlib",
        build.srpm_filename,
        "",
    )
    assert refused.problem.startswith("expat-1.0-1.el9.noarch.rpm: it is not signed")
    assert item is not None
    assert item.build == build.id


def test_a_newer_evr_supersedes_an_older_one_that_has_not_begun_and_nothing_else(world: World):
    (old,) = ingest(world, world.srpm("zlib", "1.2", "9.el9"))
    (begun,) = ingest(world, world.srpm("expat", "2.0", "1.el9"))
    with world.hub.store.begin() as tx:
        for state in (
            BuildState.DEBRANDED,
            BuildState.WAITING,
            BuildState.QUEUED,
            BuildState.BUILDING,
        ):
            builds.move(tx, tx.get(Build, begun.id), state, actor="test", why="on its way")
    ingest(
        world,
        world.srpm("zlib", "1.2", "10.el9"),
        world.srpm("expat", "2.1", "1.el9"),
        world.srpm("popt", "1.0", "1.el9"),
    )
    older_again = ingest(world, world.srpm("zlib", "1.2", "8.el9"))
    with world.hub.store.read() as tx:
        states = {build.nvr: (build.state, build.reason) for build in tx.find(Build)}
    assert states[old.nvr] == (BuildState.CANCELED, "superseded by zlib-1.2-10.el9")
    assert states["zlib-1.2-10.el9"][0] is BuildState.INGESTED
    assert states[begun.nvr][0] is BuildState.BUILDING
    assert older_again[0].state is BuildState.INGESTED


def test_two_evrs_of_one_drop_are_both_built(world: World):
    made = ingest(world, world.srpm("zlib", "1.2", "9.el9"), world.srpm("zlib", "1.2", "10.el9"))
    assert [build.state for build in made] == [BuildState.INGESTED] * 2
