"""The watched folder: files that are complete there become a drop.

The folder's files are read and never changed or removed.

A file counts when it was closed or renamed in, or, for what was there before we listened, when two
looks see it alike and no process has it open for writing; and in any case only when rpm reads it to
its end. What cannot be read gets a note beside it, ``NAME.problem``, and an event. Which files were
sent is kept by digest, so a killed watcher goes on where it was.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from buildfarm import log
from buildfarm.domain.intake.drop import Drop, ItemKind
from buildfarm.domain.target.target import Target
from buildfarm.domain.target.trigger import SeenFile, WatchedFolder, pause
from buildfarm.errors import BuildFarmError, InfraError
from buildfarm.ports.clock import Clock
from buildfarm.ports.fetching import FolderEvents
from buildfarm.ports.intake import Intake
from buildfarm.services.core import leader
from buildfarm.services.core.hub import Hub
from buildfarm.services.intake import drops, triggers
from buildfarm.services.intake.drops import Offered

_LISTEN_SECONDS = 1.0
NOTE = ".problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """A file that is whole and in the blob store."""

    sha256: str
    is_source: bool
    stamp: str


class FolderWatch:
    """One folder of one target.

    ``has_no_writer`` says whether no process has a file open for writing.
    """

    def __init__(
        self, hub: Hub, target: Target, folder: WatchedFolder, *, intake: Intake,
        events: FolderEvents, clock: Clock, has_no_writer: Callable[[Path], bool],
    ) -> None:  # fmt: skip
        self._hub, self._target, self._folder = hub, target, folder
        self._intake, self._events, self._clock, self._has_no_writer = (
            intake,
            events,
            clock,
            has_no_writer,
        )
        self._root = hub.config.path(folder.path)
        self._word = triggers.word(folder)
        self._trigger = ""
        self._seen: dict[str, str] = {}
        """Digests that were sent, and the drop they are in."""
        self._known: dict[Path, str] = {}
        """Files that are dealt with, as they looked then."""
        self._looked_at: dict[Path, str] = {}
        """Files that one look has seen so far."""
        self._settled: set[Path] = set()
        self._ready: dict[Path, _Ready] = {}
        self._problems: dict[Path, str] = {}
        self._moved = self._next_look = self._next_try = clock()
        self._failures = 0

    def run(self, owner: str, stop: threading.Event) -> None:
        """Watch until ``stop``, unless another process does."""
        lease = self._hub.config.farm.timing.leader_lease
        led, renew = False, self._clock()
        while not stop.is_set():
            try:
                if self._clock() >= renew:
                    renew = self._clock() + timedelta(seconds=lease / 3)
                    leads = leader.lead(self._hub.store, "watcher", owner=owner, seconds=lease)
                    if leads and not led:
                        self.begin()
                    led = leads
                heard = self._events.wait(_LISTEN_SECONDS)
                if led:
                    for one in heard:
                        self.heard(one.path, settled=one.settled)
                    self.step()
            except BuildFarmError as error:
                log.get().warning("watcher.hindered", folder=str(self._root), reason=str(error))
                stop.wait(_LISTEN_SECONDS)
            except Exception:  # noqa: BLE001  # one bad file must not end the watch; the log has the traceback
                log.get().exception("watcher.broke", folder=str(self._root))
                stop.wait(_LISTEN_SECONDS)
        self._events.stop()

    def begin(self) -> None:
        """Load the record of sent files, and look at the folder."""
        with self._hub.store.read() as tx:
            self._trigger = triggers.state_of(tx, self._target, self._folder).id
            sent = tx.find(SeenFile, trigger=self._trigger, order_by="seen")
        self._seen = {file.sha256: file.drop_id for file in sent}
        self._known = {self._root / file.name: file.stamp for file in sent}
        self._ready = {
            path: one for path, one in self._ready.items() if one.sha256 not in self._seen
        }
        self._next_look = self._clock()

    def heard(self, path: Path, *, settled: bool) -> None:
        """The kernel tells of a file."""
        if self._is_ours(path):
            self._moved = self._clock()
            if settled:
                self._settled.add(path)

    def step(self) -> Drop | None:
        """Look if it is time, read complete files, and send them once nothing changes any more."""
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + timedelta(seconds=self._folder.look)
            self._look()
        for path in sorted(self._settled):
            self._read(path)
        quiet = now - self._moved >= timedelta(seconds=self._folder.quiet)
        return self._send(now) if self._ready and quiet and now >= self._next_try else None

    def _is_ours(self, path: Path) -> bool:
        hidden = any(part.startswith(".") for part in path.relative_to(self._root).parts)
        return path.suffix == ".rpm" and not hidden and not path.is_symlink()

    def _look(self) -> None:
        """Find files of which no event came: those from before the start, and those that the kernel
        forgot.
        """
        try:
            self._events.start()
        except BuildFarmError as error:
            self._note(problem=str(error))
            return
        for path in sorted(self._root.rglob("*.rpm")):
            stamp = _stamp(path)
            if (
                not stamp
                or not self._is_ours(path)
                or stamp == self._known.get(path)
                or path in self._ready
            ):
                continue
            if self._looked_at.get(path) == stamp:
                self._settled.add(path)
            elif path not in self._settled:
                self._looked_at[path] = stamp
                self._moved = self._clock()
        self._note(problem=self._said_problem())

    def _read(self, path: Path) -> None:
        """Take one complete file into the blob store; one that is still written to waits."""
        stamp = _stamp(path)
        if not stamp or stamp == self._known.get(path):
            self._settled.discard(path)
            return
        try:
            if not self._has_no_writer(path):
                return
            answer = self._intake([path], None)[0]
            if isinstance(answer, BuildFarmError):
                self._refuse(path, stamp, str(answer))
            else:
                blob = self._hub.blobs.put_file(path)
                if _stamp(path) != stamp:
                    return  # it was changed under our hands: read it again
                self._accept(
                    path, _Ready(sha256=blob.sha256, is_source=answer.is_source, stamp=stamp)
                )
        except OSError as error:
            self._refuse(path, stamp, f"{path}: {error.strerror}")
        self._settled.discard(path)
        self._looked_at.pop(path, None)

    def _accept(self, path: Path, ready: _Ready) -> None:
        self._problems.pop(path, None)
        with contextlib.suppress(OSError):
            path.with_name(path.name + NOTE).unlink()
        if ready.sha256 in self._seen:
            self._known[path] = ready.stamp
        else:
            self._ready[path] = ready

    def _refuse(self, path: Path, stamp: str, why: str) -> None:
        """Write a note beside a file about why it is not taken; the file is read again when it
        changes.
        """
        self._known[path] = stamp
        self._problems[path] = why
        self._ready.pop(path, None)
        with contextlib.suppress(OSError):  # a folder that may only be read: the event says it
            path.with_name(path.name + NOTE).write_text(f"{why}\n", encoding="utf-8")
        with self._hub.store.begin() as tx:
            tx.event(
                "folder.file_refused", self._trigger, actor=self._word, why=why, file=path.name
            )
        self._note(problem=self._said_problem())

    def _said_problem(self) -> str:
        self._problems = {path: why for path, why in self._problems.items() if path.exists()}
        if not self._problems:
            return ""
        return (
            f"{len(self._problems)} files are not taken: "
            f"{'; '.join(sorted(self._problems.values())[:3])}"
        )

    def _send(self, now: datetime) -> Drop | None:
        """Make one drop of all complete files."""
        batch = dict(self._ready)
        offered = [
            Offered(
                kind=ItemKind.SRPM if one.is_source else ItemKind.BINARY,
                sha256=one.sha256,
                filename=path.name,
            )
            for path, one in sorted(batch.items())
        ]
        sources = sum(one.is_source for one in batch.values())
        words = f"{sources} SRPMs and {len(batch) - sources} binaries"
        try:
            received = drops.receive(
                self._hub, self._target.name, offered, trigger=self._word, actor=self._word,
                name=f"{self._folder.name}: {words}", priority=self._folder.priority,
                automatic=True,
            )  # fmt: skip
        except InfraError as error:
            self._failures += 1
            self._next_try = now + timedelta(seconds=pause(self._folder.quiet, self._failures, 0.0))
            self._note(problem=str(error))
            return None
        self._failures = 0
        with self._hub.store.begin() as tx:
            sent = [
                (one.sha256, str(path.relative_to(self._root)), one.stamp)
                for path, one in batch.items()
            ]
            triggers.remember(tx, self._trigger, sent, drop=received.drop.id)
        for path, one in batch.items():
            self._seen[one.sha256] = received.drop.id
            self._known[path] = one.stamp
            del self._ready[path]
        self._note(found=words, drop=received.drop, problem=self._said_problem())
        return received.drop

    def _note(self, *, problem: str, found: str = "", drop: Drop | None = None) -> None:
        with self._hub.store.begin() as tx:
            state = triggers.state_of(tx, self._target, self._folder)
            triggers.note(
                tx, state, found=found, drop=drop, problem=problem, failures=len(self._problems)
            )


def _stamp(path: Path) -> str:
    """Return how a file looks without reading it; empty if it is gone or no file."""
    try:
        about = path.stat()
    except OSError:
        return ""
    return f"{about.st_size} {about.st_mtime_ns} {about.st_ino}" if path.is_file() else ""
