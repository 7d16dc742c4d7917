"""The poller over a real HTTP server with real createrepo_c repositories of real, signed RPMs."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from buildfarm.adapters.intake import dist_git
from buildfarm.adapters.intake.fetching import Fetcher
from buildfarm.adapters.intake.polled_repository import RepositoryLook
from buildfarm.adapters.intake.rpm_verify import verify_many
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.records import Event
from buildfarm.domain.core.task import Task
from buildfarm.domain.intake.drop import Approval, Drop, DropItem, VendorRpm
from buildfarm.domain.target.trigger import TriggerState
from buildfarm.errors import NotNow
from buildfarm.ports.store import Store
from buildfarm.services.intake import downloads, ingesting
from buildfarm.services.intake.polling import Poller
from tests.fakes import Clock
from tests.integration.pipeline.conftest import Key, MakeRpms, World
from tests.integration.vendor_server import VendorServer

SIGNED: dict[Path, Path] = {}
"""What rpmbuild made and its signed copy: signing takes a third of a second."""


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[VendorServer]:
    (tmp_path / "vendor").mkdir()
    with VendorServer(tmp_path / "vendor").running() as running:
        yield running


@dataclass
class Vendor:
    """A vendor that publishes, and the farm that polls him."""

    server: VendorServer
    world: World
    fetch: Fetcher
    keys: dict[str, Key]
    rpmbuild: MakeRpms

    def publish(self, repository: str, *files: Path, revision: str) -> None:
        folder = self.server.folder / repository
        folder.mkdir(exist_ok=True)
        for file in files:
            if file not in SIGNED:
                SIGNED[file] = file.with_name(f"signed-{file.name}")
                shutil.copyfile(file, SIGNED[file])
                self.keys["acme"].sign(SIGNED[file])
            shutil.copyfile(SIGNED[file], folder / file.name)
        command = [
            f"{sys.prefix}/bin/createrepo_c",
            "--quiet",
            "--general-compress-type",
            "gz",
            "--revision",
            revision,
            str(folder),
        ]
        subprocess.run(command, check=True, capture_output=True)

    def poller(self, owner: str = "one") -> Poller:
        return Poller(self.world.hub, RepositoryLook(self.fetch), owner=owner, chance=lambda: 0.5)

    def look(self) -> TriggerState:
        (state,) = self.poller().round(everything=True)
        return state

    def ingest(self, state: TriggerState) -> None:
        downloads.bring(self.world.hub, self.fetch, state.drop_id, lambda _: None)
        ingesting.ingest(
            self.world.hub, verify_many, dist_git.checkout, state.drop_id, lambda _: None
        )

    def all(self, kind: type) -> list:
        with self.world.hub.store.read() as tx:
            return tx.find(kind)


@pytest.fixture
def make(
    vendor: VendorServer, make_world: Callable[..., World], keys, rpmbuild
) -> Iterator[Callable[..., Vendor]]:
    with contextlib.closing(Fetcher()) as fetch:

        def made(*, trigger_limits: dict[str, object] | None = None, **poll: object) -> Vendor:
            one = {"name": "acme", "baseurl": f"{vendor.url}/source", "binaries": [f"{vendor.url}/x86_64"], "private": True,
                   "first_look": "latest", **poll}  # fmt: skip
            world = make_world(triggers={"polls": [one]}, trigger_limits=trigger_limits or {})
            return Vendor(vendor, world, fetch, keys, rpmbuild)

        yield made


def test_what_a_vendor_publishes_becomes_one_drop_with_its_binaries_and_every_file_is_checked(make):
    acme = make()
    old, new = (acme.rpmbuild("zlib", version) for version in ("1.0", "1.1"))
    other = acme.rpmbuild("tree")
    acme.publish("source", old[0], new[0], other[0], revision="100")
    acme.publish("x86_64", *old[1:], *new[1:], *other[1:], revision="100")
    state = acme.look()
    assert (state.problem, state.found) == ("", "2 SRPMs and 2 binaries")
    (drop,) = acme.all(Drop)
    assert (drop.trigger, drop.owner, drop.name, drop.approval) == (
        "poll acme",
        "poll acme",
        "acme at revision 100",
        Approval.NOT_NEEDED,
    )
    acme.ingest(state)
    assert {(build.source, build.version, build.state) for build in acme.all(Build)} == {
        ("zlib", "1.1", BuildState.INGESTED), ("tree", "1.0", BuildState.INGESTED),
    }  # fmt: skip
    assert {rpm.name for rpm in acme.all(VendorRpm)} == {"zlib", "tree"}
    assert all(
        acme.world.hub.blobs.has(item.sha256) and not item.problem for item in acme.all(DropItem)
    )


def test_an_unchanged_repository_answers_304_and_nothing_else_is_asked_for(make):
    acme = make(binaries=[])
    acme.publish("source", acme.rpmbuild("zlib")[0], revision="100")
    acme.look()
    acme.server.asked.clear()
    acme.server.statuses.clear()
    assert acme.look().found == "nothing new"
    ((path, condition, _),) = acme.server.asked
    assert (path, bool(condition), acme.server.statuses) == (
        "/source/repodata/repomd.xml",
        True,
        [304],
    )
    assert len(acme.all(Drop)) == 1


def test_a_second_revision_is_a_second_drop_of_what_is_new_alone(make):
    acme = make(first_look="skip")
    acme.publish("source", acme.rpmbuild("zlib")[0], revision="100")
    acme.publish("x86_64", *acme.rpmbuild("zlib")[1:], revision="100")
    assert acme.look().found == "passed over 2 RPMs"
    assert acme.all(Drop) == []
    made = acme.rpmbuild("zlib", "1.1")
    acme.publish("source", made[0], revision="101")
    acme.publish("x86_64", *made[1:], revision="101")
    state = acme.look()
    acme.ingest(state)
    assert [(build.source, build.version) for build in acme.all(Build)] == [("zlib", "1.1")]
    assert state.position[f"{acme.server.url}/source/"]["revision"] == "101"


def test_binaries_that_come_after_their_source_come_in_too(make):
    acme = make()
    made = acme.rpmbuild("zlib")
    acme.publish("source", made[0], revision="100")
    acme.publish("x86_64", revision="100")
    acme.ingest(acme.look())
    acme.publish("x86_64", *made[1:], revision="101")
    state = acme.look()
    assert state.found == "0 SRPMs and 1 binaries"
    acme.ingest(state)
    assert [rpm.sourcerpm for rpm in acme.all(VendorRpm)] == [made[0].name]


def test_the_first_look_at_a_whole_repository_awaits_approval_and_so_does_a_storm(make):
    acme = make(first_look="approve", binaries=[])
    acme.publish("source", acme.rpmbuild("zlib")[0], revision="100")
    acme.look()
    (drop,) = acme.all(Drop)
    assert (drop.approval, drop.reason) == (
        Approval.AWAITED,
        "awaits approval: the first look at acme takes 1 sources",
    )
    capped = make(trigger_limits={"most_builds": 1}, binaries=[])
    capped.publish("source", capped.rpmbuild("tree")[0], revision="101")
    capped.look()
    capped.publish("source", capped.rpmbuild("zlib", "1.1")[0], revision="102")
    capped.look()
    (third,) = (drop for drop in capped.all(Drop) if drop.name.endswith("102"))
    assert (
        third.reason
        == "awaits approval: 1 builds after 1 by the same trigger in 24 h, the target allows 1"
    )


def test_a_look_that_fails_backs_off_honours_retry_after_and_says_why_until_it_goes_well(
    make, clock: Clock
):
    acme = make(binaries=[], interval=3600)
    acme.server.answer("/source/repodata/repomd.xml", 503, {"Retry-After": "900"})
    waits = []
    for _ in range(3):
        state = acme.look()
        waits.append((state.next_look - clock.now).total_seconds())
    assert waits == [900, 900, 900]
    acme.server.answer("/source/repodata/repomd.xml", 500)
    waits = []
    for _ in range(3):
        state = acme.look()
        waits.append((state.next_look - clock.now).total_seconds())
    assert waits == [360, 720, 1440]
    assert "answers 500" in state.problem
    assert acme.poller().round() == []  # it is not due
    clock.pass_seconds(1440)
    acme.server.script.clear()
    acme.publish("source", acme.rpmbuild("zlib")[0], revision="100")
    (state,) = acme.poller().round()
    assert (state.problem, state.failures, state.found) == ("", 0, "1 SRPMs and 0 binaries")
    assert state.next_look - clock.now == timedelta(hours=1)
    kinds = [event.kind for event in acme.all(Event) if event.kind.startswith("trigger.")]
    assert kinds == ["trigger.failing", "trigger.failing", "trigger.recovered"]


def test_a_mirror_that_lags_behind_is_not_listened_to(make):
    acme = make(binaries=[])
    acme.publish("source", acme.rpmbuild("zlib")[0], revision="100")
    acme.look()
    acme.publish("source", acme.rpmbuild("tree")[0], revision="99")
    assert acme.look().found == "nothing new"


def test_a_file_that_is_not_what_the_metadata_says_is_refused_alone(make):
    acme = make(binaries=[])
    acme.publish("source", acme.rpmbuild("zlib")[0], acme.rpmbuild("tree")[0], revision="100")
    file = acme.server.folder / "source" / acme.rpmbuild("zlib")[0].name
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    acme.ingest(acme.look())
    assert [build.source for build in acme.all(Build)] == ["tree"]
    (problem,) = [item.problem for item in acme.all(DropItem) if item.problem]
    assert file.name in problem
    assert "expected was" in problem


def test_a_server_that_is_away_ends_the_task_and_the_next_try_goes_on_with_what_is_missing(make):
    acme = make(binaries=[])
    zlib, tree = acme.rpmbuild("zlib")[0], acme.rpmbuild("tree")[0]
    acme.publish("source", zlib, tree, revision="100")
    state = acme.look()
    acme.server.answer(f"/source/{zlib.name}", 502)
    with pytest.raises(NotNow):
        acme.ingest(state)
    acme.server.script.clear()
    acme.server.asked.clear()
    acme.ingest(state)
    assert acme.server.paths() == [f"/source/{zlib.name}"]
    assert {build.source for build in acme.all(Build)} == {"zlib", "tree"}


def rewrite(acme: Vendor, change: Callable[[str], str], *, swell: int = 0) -> None:
    """Put another primary into the repository, with repomd.xml telling the truth about it;
    ``swell`` MiB of it are one comment.
    """
    folder = acme.server.folder / "source" / "repodata"
    (primary,) = folder.glob("*primary.xml.gz")
    old = hashlib.sha256(primary.read_bytes()).hexdigest()
    head, start, tail = change(gzip.decompress(primary.read_bytes()).decode()).partition(
        "<package "
    )
    data = gzip.compress(f"{head}{'<!-- ' if swell else ''}".encode())
    data += gzip.compress(b" " * (1 << 20)) * swell + gzip.compress(
        f"{'-->' if swell else ''}{start}{tail}".encode()
    )
    primary.write_bytes(data)
    before, _, after = (
        (folder / "repomd.xml")
        .read_text()
        .replace(f">{old}<", f">{hashlib.sha256(data).hexdigest()}<")
        .partition('type="primary"')
    )
    (folder / "repomd.xml").write_text(
        before + 'type="primary"' + re.sub(r"<size>\d+", f"<size>{len(data)}", after, count=1)
    )


@pytest.mark.parametrize(
    "href",
    [
        "../../etc/passwd",
        "http://169.254.169.254/x.src.rpm",
        "file:///etc/passwd",
        "//localhost/x.src.rpm",
    ],
)
def test_a_place_outside_of_the_repository_is_left_out_and_said(make, href):
    acme = make(binaries=[])
    srpm = acme.rpmbuild("zlib")[0]
    acme.publish("source", srpm, acme.rpmbuild("tree")[0], revision="100")
    rewrite(acme, lambda text: text.replace(f'href="{srpm.name}"', f'href="{href}"'))
    state = acme.look()
    assert "is left out" in state.problem
    assert state.found == "1 SRPMs and 0 binaries"
    assert [item.filename for item in acme.all(DropItem)] == [acme.rpmbuild("tree")[0].name]


def test_metadata_that_is_a_bomb_damaged_or_missing_is_a_problem_and_leaves_nothing_behind(make):
    acme = make(binaries=[])
    acme.publish("source", acme.rpmbuild("zlib")[0], revision="100")
    rewrite(acme, lambda text: text, swell=3000)  # 3 GB out of 3 MB
    state = acme.look()
    assert "primary cannot be read" in state.problem
    repomd = acme.server.folder / "source" / "repodata" / "repomd.xml"
    for content, why in (
        (b"<repomd/>", "no primary"), (b"\x1f\x8b garbage", "cannot be read"), (b"", "cannot be read"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + b"&b;" * 99, "cannot be read"),
    ):  # fmt: skip
        repomd.write_bytes(content)
        assert why in acme.look().problem
    assert acme.all(Drop) == []
    assert list(acme.world.hub.scratch.iterdir()) == []


class Killed(BaseException):
    """The poller's process is gone."""


@dataclass
class KilledAfter:
    """The real store, until the process that uses it is killed in its next write."""

    store: Store
    writes: int

    def begin(self):
        if not self.writes:
            raise Killed
        self.writes -= 1
        return self.store.begin()

    def read(self):
        return self.store.read()


def test_a_poller_that_is_killed_behind_its_drop_makes_no_second_one(make):
    acme = make(binaries=[])
    acme.publish("source", acme.rpmbuild("zlib")[0], revision="100")
    alive = acme.world.hub
    acme.world.hub = dataclasses.replace(alive, store=KilledAfter(alive.store, writes=1))
    with pytest.raises(Killed):
        acme.look()
    acme.world.hub = alive
    (drop,) = acme.all(Drop)
    assert acme.all(TriggerState) == []
    state = acme.look()
    assert (state.drop_id, state.found, len(acme.all(Drop)), len(acme.all(Task))) == (
        drop.id,
        "1 SRPMs and 0 binaries",
        1,
        1,
    )


def test_of_two_pollers_one_looks(make, clock: Clock):
    acme = make()
    first, second = acme.poller("one"), acme.poller("two")
    assert (first.lead(), second.lead(), first.lead()) == (True, False, True)
    clock.pass_seconds(60)
    assert second.lead()
    assert [event.kind for event in acme.all(Event)] == ["poller.leads"]


def test_the_command_looks_once_and_says_what_it_found_where_to_follow_it_and_what_failed(make):
    acme = make(binaries=[])
    acme.publish("source", acme.rpmbuild("zlib")[0], revision="100")
    config = acme.world.hub.config
    env = {
        **os.environ,
        "BUILDFARM_CONFIG": str(config.file),
        "BUILDFARM_HOME": str(config.farm.home_path),
        "COLUMNS": "200",
    }
    command = [f"{sys.prefix}/bin/buildfarm", "poll", "--once"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    (drop,) = acme.all(Drop)
    assert done.returncode == 0, done.stderr
    assert "1 SRPMs and 0 binaries" in done.stdout
    assert f"{config.farm.url}/drops/{drop.id[:12]}" in done.stdout
    acme.server.answer("/source/repodata/repomd.xml", 500)
    failed = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "answers 500" in failed.stdout
