"""The watched folder: real inotify, real signed RPMs, a clock that moves when told, and a watcher
process that is killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from buildfarm.adapters.intake.folder_events import InotifyFolder, has_no_writer
from buildfarm.adapters.intake.rpm_verify import verify_many
from buildfarm.domain.core.records import Event
from buildfarm.domain.intake.drop import Drop, DropItem, ItemKind
from buildfarm.domain.target.trigger import SeenFile, TriggerState
from buildfarm.services.intake.watching import NOTE, FolderWatch
from tests.fakes import Clock
from tests.integration.pipeline.conftest import MakeRpms, World
from tests.waiting import until

FOLDER = {"name": "inbox", "path": "../inbox", "quiet": 10, "look": 15}
_PATIENCE = 60.0


@dataclass
class Inbox:
    """A farm, its folder, and the watch over it."""

    world: World
    clock: Clock
    folder: Path
    rpmbuild: MakeRpms
    events: InotifyFolder
    watch: FolderWatch

    @classmethod
    def of(cls, world: World, clock: Clock, rpmbuild: MakeRpms) -> Inbox:
        target = world.hub.target("reef-9")
        (folder,) = target.triggers.folders
        place = world.hub.config.path(folder.path)
        place.mkdir(exist_ok=True)
        events = InotifyFolder(place)
        watch = FolderWatch(
            world.hub,
            target,
            folder,
            intake=verify_many,
            events=events,
            clock=clock,
            has_no_writer=has_no_writer,
        )
        watch.begin()
        watch.step()
        return cls(world, clock, place, rpmbuild, events, watch)

    def hear(self, *names: str) -> None:
        """Let the kernel tell of all these files, closed or renamed in."""
        missing, deadline = set(names), time.monotonic() + _PATIENCE
        while missing:
            assert time.monotonic() < deadline, f"nothing was heard of {missing}"
            for one in self.events.wait(1):
                self.watch.heard(one.path, settled=one.settled)
                if one.settled:
                    missing.discard(one.path.name)

    def pass_quiet(self, seconds: float = 10) -> Drop | None:
        self.watch.step()
        self.clock.pass_seconds(seconds)
        return self.watch.step()

    def all(self, kind: type) -> list:
        with self.world.hub.store.read() as tx:
            return tx.find(kind)


@pytest.fixture
def make(
    make_world: Callable[..., World], clock: Clock, rpmbuild: MakeRpms
) -> Iterator[Callable[[], Inbox]]:
    made: list[Inbox] = []

    def one() -> Inbox:
        made.append(Inbox.of(make_world(triggers={"folders": [FOLDER]}), clock, rpmbuild))
        return made[-1]

    yield one
    for inbox in made:
        inbox.events.stop()


def test_what_arrives_together_is_one_drop_of_srpms_and_binaries_told_apart_by_their_headers(make):
    inbox = make()
    srpm, rpm = inbox.rpmbuild("zlib")
    (inbox.folder / "any" / "depth").mkdir(parents=True)
    shutil.copyfile(srpm, inbox.folder / "any" / "zlib-source.rpm")
    shutil.copyfile(rpm, inbox.folder / "any" / "depth" / rpm.name)
    (inbox.folder / "README").write_text("not an RPM")
    shutil.copyfile(srpm, inbox.folder / f".{srpm.name}.Xy12")  # rsync's name while it writes
    inbox.hear("zlib-source.rpm", rpm.name)
    assert inbox.pass_quiet(9) is None
    drop = inbox.pass_quiet(1)
    assert (drop.trigger, drop.owner, drop.name) == (
        "folder inbox",
        "folder inbox",
        "inbox: 1 SRPMs and 1 binaries",
    )
    items = {(item.kind, item.filename) for item in inbox.all(DropItem)}
    assert items == {(ItemKind.SRPM, "zlib-source.rpm"), (ItemKind.BINARY, rpm.name)}
    assert inbox.pass_quiet(3600) is None
    assert sorted(
        file.name for file in inbox.folder.rglob("*.rpm") if not file.name.startswith(".")
    ) == sorted([rpm.name, "zlib-source.rpm"])


def test_a_file_that_is_still_written_to_waits_and_one_that_is_renamed_in_does_not(make, tmp_path):
    inbox = make()
    slow, quick = (inbox.rpmbuild(name, mode="-bs")[0] for name in ("slow", "quick"))
    data = slow.read_bytes()
    with (inbox.folder / slow.name).open("wb") as file:
        file.write(data[: len(data) // 2])
        file.flush()
        shutil.copyfile(quick, tmp_path / quick.name)
        (tmp_path / quick.name).rename(inbox.folder / quick.name)
        inbox.hear(quick.name)
        first = inbox.pass_quiet(60)
        assert first is not None
        for _ in range(
            4
        ):  # looks alone do not take what somebody has open, however long it stands still
            assert inbox.pass_quiet(60) is None
        file.write(data[len(data) // 2 :])
    inbox.hear(slow.name)
    second = inbox.pass_quiet()
    names = {item.drop_id: item.filename for item in inbox.all(DropItem)}
    assert names == {first.id: quick.name, second.id: slow.name}


def test_what_was_there_before_counts_when_two_looks_see_it_alike(
    make, make_world, rpmbuild, tmp_path
):
    (tmp_path / "inbox").mkdir()
    file = Path(shutil.copy(rpmbuild("zlib", mode="-bs")[0], tmp_path / "inbox"))
    inbox = make()
    assert inbox.pass_quiet(14) is None
    os.utime(file, ns=(1, 1))  # it changed between the looks
    assert inbox.pass_quiet(15) is None
    assert inbox.pass_quiet(15) is not None


def test_a_damaged_file_gets_a_note_and_an_event_and_is_taken_once_it_is_whole(make):
    inbox = make()
    srpm = inbox.rpmbuild("zlib", mode="-bs")[0]
    place = inbox.folder / srpm.name
    place.write_bytes(srpm.read_bytes()[:-100])
    inbox.hear(srpm.name)
    assert inbox.pass_quiet(60) is None
    note = place.with_name(srpm.name + NOTE)
    assert "digest" in note.read_text()
    (event,) = [event for event in inbox.all(Event) if event.kind == "folder.file_refused"]
    assert event.why in note.read_text()
    (state,) = inbox.all(TriggerState)
    assert state.problem.startswith("1 files are not taken")
    assert place.exists()
    shutil.copyfile(srpm, place)
    inbox.hear(srpm.name)
    assert inbox.pass_quiet() is not None
    assert not note.exists()
    (state,) = inbox.all(TriggerState)
    assert (state.problem, state.found) == ("", "1 SRPMs and 0 binaries")


def test_a_watch_that_begins_again_sends_nothing_twice_and_takes_a_new_file_under_an_old_name(make):
    inbox = make()
    first, second = (inbox.rpmbuild("zlib", version, mode="-bs")[0] for version in ("1.0", "1.1"))
    shutil.copyfile(first, inbox.folder / "zlib.src.rpm")
    inbox.hear("zlib.src.rpm")
    assert inbox.pass_quiet() is not None
    inbox.events.stop()
    again = make()
    shutil.copyfile(first, again.folder / "the same under another name.rpm")
    for _ in range(3):
        assert again.pass_quiet(15) is None
    shutil.copyfile(second, again.folder / "zlib.src.rpm")
    again.hear("zlib.src.rpm")
    assert again.pass_quiet() is not None
    assert (len(again.all(Drop)), len(again.all(SeenFile))) == (2, 2)


def test_a_folder_that_goes_away_and_comes_back_is_watched_again(make):
    inbox = make()
    for number, seen_missing in enumerate((True, False)):
        inbox.folder.rmdir()
        if seen_missing:
            inbox.pass_quiet(60)
            (state,) = inbox.all(TriggerState)
            assert "No such file" in state.problem
        inbox.folder.mkdir()
        inbox.pass_quiet(60)
        srpm = inbox.rpmbuild("zlib", f"1.{number}", mode="-bs")[0]
        shutil.copyfile(srpm, inbox.folder / srpm.name)
        inbox.hear(srpm.name)
        assert inbox.pass_quiet() is not None
        (inbox.folder / srpm.name).unlink()


def test_links_are_not_followed_out_of_the_folder(make, tmp_path):
    inbox = make()
    srpm = inbox.rpmbuild("zlib", mode="-bs")[0]
    (inbox.folder / "link.rpm").symlink_to(srpm)
    for _ in range(4):
        assert inbox.pass_quiet(15) is None


def test_a_watcher_that_is_killed_goes_on_where_it_was(make_world, rpmbuild):
    """The real process: SIGKILL between two files, and each of them is in one drop in the end."""
    world = make_world(triggers={"folders": [{**FOLDER, "quiet": 0.1, "look": 0.3}]})
    config = world.hub.config
    farm = yaml.safe_load(config.file.read_text())
    config.file.write_text(yaml.safe_dump({**farm, "timing": {"leader_lease": 0.5}}))
    folder = config.path(FOLDER["path"])
    folder.mkdir()
    env = {
        **os.environ,
        "BUILDFARM_CONFIG": str(config.file),
        "BUILDFARM_HOME": str(config.farm.home_path),
    }

    def drops_once(wanted: int) -> list[DropItem]:
        def sent() -> list[DropItem]:
            with world.hub.store.read() as tx:
                return tx.find(DropItem) if tx.count(SeenFile) >= wanted else []

        return until(sent, "the watcher sends what came", seconds=_PATIENCE)

    files = [rpmbuild(name, mode="-bs")[0] for name in ("one", "two")]
    for number, file in enumerate(files, 1):
        shutil.copyfile(file, folder / file.name)  # while nobody watches
        watcher = subprocess.Popen(
            [f"{sys.prefix}/bin/buildfarm", "watch"], env=env, stderr=subprocess.DEVNULL
        )
        try:
            items = drops_once(number)
        finally:
            watcher.send_signal(signal.SIGKILL if number < len(files) else signal.SIGTERM)
            code = watcher.wait(_PATIENCE)
    assert code == 0
    assert sorted(item.filename for item in items) == sorted(file.name for file in files)
    assert len({item.drop_id for item in items}) == len(files)
