"""The RPMs of repositories on shared pool: a generation links to folders that others use too, not
to each RPM anew.

An RPM's shard follows from its name (one of 256), its shard from its shard (one of 64, four shards
each), and a shard's folder from what stands on it, so two generations that agree on a shard share
one folder of hard links. ``Packages/3f`` of a repository is a symbolic link to such a folder; a
build that is added touches the few pool its names fall on. Metadata is kept by shards
(:mod:`buildfarm.adapters.publish.metadata_writer`). Who mirrors repositories copies the whole tree,
pool included.
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

SHARDS = 256
POOL = 64
_LOCK = ".lock"
_LINKS = ".links"
_NAME = 32
"""Digits of a shard's key in its folder's name: ext4 keeps a link of up to 59 bytes in the inode, a
longer one costs a block.
"""
_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP})
_FILENAME = attrgetter("filename")


class RepoRpm(Protocol):
    """One RPM of a repository: the file, its digest and the name it gets."""

    @property
    def path(self) -> Path:
        """The (signed) file."""

    @property
    def sha256(self) -> str:
        """Of the file."""

    @property
    def filename(self) -> str:
        """Without folders."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Some RPMs of one repository, by file name; ``key`` is a SHA-256 over their digests and names."""

    number: int
    key: str
    files: tuple[RepoRpm, ...]

    def href(self, file: RepoRpm) -> str:
        """Return where an RPM stands in its repository."""
        return _place(self.number, file.filename)


def place_of(filename: str) -> str:
    """Return where an RPM stands in any repository."""
    return _place(_shard_of(filename), filename)


def _place(shard: int, filename: str) -> str:
    return f"Packages/{shard % POOL:02x}/{filename}"


def _shard_of(filename: str) -> int:
    return zlib.crc32(filename.rsplit("-", 2)[0].encode()) % SHARDS


def shards(files: Iterable[RepoRpm]) -> list[Shard]:
    """The RPMs of a repository in shards, in the order of their numbers; none is empty."""
    heaps: list[list[RepoRpm]] = [[] for _ in range(SHARDS)]
    for file in files:
        heaps[_shard_of(file.filename)].append(file)
    found = []
    for number, heap in enumerate(heaps):
        if heap:
            heap.sort(key=_FILENAME)
            text = "\n".join([f"{file.sha256} {file.filename}" for file in heap])
            found.append(Shard(number, hashlib.sha256(text.encode()).hexdigest(), tuple(heap)))
    return found


class PackagePool:
    """The folder of all pool, below the one that holds ``<tag>/<generation>/<repository>`` (on the
    blobs' file system).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def lay_out(self, repository: Path, found: Sequence[Shard]) -> None:
        """Make ``repository/Packages``: one link a shard, and the pool that are not there yet.

        :raises OSError: as the system says.
        """
        packages = repository / "Packages"
        packages.mkdir()
        back, folder = (
            os.path.relpath(self._folder, packages),
            str(self._folder),
        )  # no Path for each of the pool
        with self._locked(fcntl.LOCK_SH):
            for number, together in _in_pool(found):
                key = hashlib.sha256(
                    "\n".join([shard.key for shard in together]).encode()
                ).hexdigest()[:_NAME]
                if not os.path.isdir(f"{folder}/{key}"):  # noqa: PTH112
                    self._fill(
                        self._folder / key, [file for shard in together for file in shard.files]
                    )
                self._point(f"{packages}/{number:02x}", back, key)

    def collect(self, *, older_than: float) -> int:
        """Remove pool that no repository links to, if they were filled before ``older_than``
        (seconds since 1970); how many.
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
        """Let ``place`` be a symbolic link to a shard: one that others use too, by a hard link.

        A new one is a new inode, and ext4 takes up to a millisecond to find one where files were
        removed in the last minutes.
        """
        known = self._folder / _LINKS / str(back.count("..")) / key  # how far up its target begins
        try:
            os.link(known, place, follow_symlinks=False)
        except OSError as error:
            if error.errno not in {*_NO_LINK, errno.ENOENT}:
                raise
            os.symlink(f"{back}/{key}", place)  # noqa: PTH211
            known.parent.mkdir(parents=True, exist_ok=True)
            with suppress(OSError):  # where it cannot be, the next one is made anew too
                os.link(place, known, follow_symlinks=False)

    def _fill(self, place: Path, files: Sequence[RepoRpm]) -> None:
        """Whole or not at all: it gets its name when everything stands on it."""
        aside = tempfile.mkdtemp(prefix=".", dir=place.parent)
        os.chmod(aside, 0o755)  # noqa: PTH101, S103  # the page and dnf read it, as any repository
        for file in files:
            _link(file.path, f"{aside}/{file.filename}")
        try:
            Path(aside).rename(place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            shutil.rmtree(aside)  # somebody else was faster

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        """Shared for who lays out, alone for who collects: no shard goes while somebody links to
        it.
        """
        with (self._folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, how)
            yield


def _in_pool(found: Iterable[Shard]) -> Iterator[tuple[int, list[Shard]]]:
    """Each shard's number and what stands on it."""
    pool: dict[int, list[Shard]] = {}
    for shard in found:
        pool.setdefault(shard.number % POOL, []).append(shard)
    yield from pool.items()


def _link(source: Path, place: str) -> None:
    try:
        os.link(source, place)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copyfile(source, place)
