"""The package pool: folders of RPMs that the generations of all repositories share.

An RPM's name decides its slot (one of 256), and its slot decides its shard (one of 64, four slots
each). A shard's folder is named after its content, so two generations with the same content in a
shard share one folder of hard links. ``Packages/3f`` of a repository is a symbolic link to such a
folder, and an added build changes only the shards of its RPMs. Metadata is cached by slots
(:mod:`buildfarm.adapters.publish.metadata_writer`). A mirror has to copy the whole tree, pool
included.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Protocol

SLOTS = 256
SHARDS = 64
_LOCK = ".lock"
_LINKS = ".links"
_NAME = 32
"""Digits of a shard's key in its folder's name.

ext4 keeps a link of up to 59 bytes in the inode; a longer one takes a block.
"""
_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP})
_FILENAME = attrgetter("filename")


class RepoRpm(Protocol):
    """One RPM of a repository: the file, its digest and its name in the repository."""

    @property
    def path(self) -> Path:
        """The (signed) file."""

    @property
    def sha256(self) -> str:
        """The digest of the file."""

    @property
    def filename(self) -> str:
        """The name, without folders."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The RPMs of one repository whose names hash alike, sorted by file name.

    ``key`` is a SHA-256 over their digests and names.
    """

    number: int
    key: str
    files: tuple[RepoRpm, ...]

    def href(self, file: RepoRpm) -> str:
        """Return an RPM's path in its repository."""
        return _href(self.number, file.filename)


def href_of(filename: str) -> str:
    """Return an RPM's path in any repository."""
    return _href(_slot_of(filename), filename)


def _href(slot: int, filename: str) -> str:
    return f"Packages/{slot % SHARDS:02x}/{filename}"


def _slot_of(filename: str) -> int:
    return zlib.crc32(filename.rsplit("-", 2)[0].encode()) % SLOTS


def slots(files: Iterable[RepoRpm]) -> list[Slot]:
    """Sort the RPMs of a repository into slots; return the slots that are not empty, by number."""
    by_number: list[list[RepoRpm]] = [[] for _ in range(SLOTS)]
    for file in files:
        by_number[_slot_of(file.filename)].append(file)
    found = []
    for number, some in enumerate(by_number):
        if some:
            some.sort(key=_FILENAME)
            text = "\n".join([f"{file.sha256} {file.filename}" for file in some])
            found.append(Slot(number, hashlib.sha256(text.encode()).hexdigest(), tuple(some)))
    return found


class PackagePool:
    """The folder of all shards, on the blobs' file system.

    Its parent holds the repositories, as ``<tag>/<generation>/<repository>``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def lay_out(self, repository: Path, found: Sequence[Slot]) -> None:
        """Make ``repository/Packages`` with a link to each shard, and the shards that are missing.

        :raises OSError: as the system says.
        """
        packages = repository / "Packages"
        packages.mkdir()
        # Text, because a Path for each shard takes longer than the link.
        back, folder = os.path.relpath(self._folder, packages), str(self._folder)
        with self._locked(fcntl.LOCK_SH):
            for number, some in _by_shard(found):
                keys = "\n".join([slot.key for slot in some])
                key = hashlib.sha256(keys.encode()).hexdigest()[:_NAME]
                if not os.path.isdir(f"{folder}/{key}"):  # noqa: PTH112
                    self._fill(self._folder / key, [file for slot in some for file in slot.files])
                self._point(f"{packages}/{number:02x}", back, key)

    def collect(self, *, older_than: float) -> int:
        """Remove the shards that no repository links to; return how many there were.

        Shards made at or after ``older_than`` (seconds since 1970) stay.
        """
        with self._locked(fcntl.LOCK_EX):
            links = self._folder.parent.glob("*/*/*/Packages/*")
            used = {link.readlink().name for link in links if link.is_symlink()}
            gone = [
                place
                for place in self._folder.iterdir()
                if place.name not in {*used, _LOCK, _LINKS} and place.stat().st_mtime < older_than
            ]
            for place in gone:
                shutil.rmtree(place)
                for depth in (self._folder / _LINKS).glob("*"):
                    (depth / place.name).unlink(missing_ok=True)
        return len(gone)

    def _point(self, place: str, back: str, key: str) -> None:
        """Make ``place`` a symbolic link to a shard.

        Symlinks are hard-linked from a cache, because a new one takes a new inode, and ext4 takes
        up to a millisecond to find one where files were removed in the last minutes.
        """
        known = self._folder / _LINKS / str(back.count("..")) / key  # by depth: the target differs
        try:
            os.link(known, place, follow_symlinks=False)
        except OSError as error:
            if error.errno not in {*_NO_LINK, errno.ENOENT}:
                raise
            os.symlink(f"{back}/{key}", place)  # noqa: PTH211
            known.parent.mkdir(parents=True, exist_ok=True)
            with suppress(OSError):  # without the cached link, the next symlink is created as well
                os.link(place, known, follow_symlinks=False)

    def _fill(self, place: Path, files: Sequence[RepoRpm]) -> None:
        """Make a shard's folder; it gets its name when it is complete."""
        aside = tempfile.mkdtemp(prefix=".", dir=place.parent)
        os.chmod(aside, 0o755)  # noqa: PTH101, S103  # the page and dnf read it, as any repository
        for file in files:
            _link(file.path, f"{aside}/{file.filename}")
        try:
            Path(aside).rename(place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            shutil.rmtree(aside)  # another process made the same shard first

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        """Hold the pool's lock: shared to link to shards, exclusive to remove them."""
        with (self._folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, how)
            yield


def _by_shard(found: Iterable[Slot]) -> Iterator[tuple[int, list[Slot]]]:
    """Yield each shard's number and its slots."""
    shards: dict[int, list[Slot]] = {}
    for slot in found:
        shards.setdefault(slot.number % SHARDS, []).append(slot)
    yield from shards.items()


def _link(source: Path, place: str) -> None:
    try:
        os.link(source, place)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copyfile(source, place)
