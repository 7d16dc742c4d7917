"""Writes a repository with the createrepo_c library, without opening an RPM twice.

The three XML chunks of an RPM are kept by its SHA-256; a file's place (``Packages/z/zlib-….rpm``) follows from its
name, so a chunk is good in every generation. How chunks become metadata: :mod:`buildfarm.adapters.repository_metadata`.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import createrepo_c as cr

from buildfarm.adapters import carried_metadata, repository_metadata
from buildfarm.adapters.repository_metadata import Chunks
from buildfarm.errors import InfraError, InputError
from buildfarm.ports import CarriedFile

_DAY, _MONTH = 86_400.0, 30 * 86_400.0
_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP})
_LINKERS = 2
_MARK = "\0"  # XML cannot hold it


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


class ChunkCache:
    """A folder of small files, one an RPM; what is torn or of another createrepo_c counts as absent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, sha256: str, href: str) -> Chunks | None:
        """The chunks of an RPM that stands at ``href``."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            check, body = self._place(sha256, href).read_text(encoding="utf-8").split("\n", 1)
            if check == _sha256(body):
                os.utime(self._place(sha256, href))  # it is in use; see forget
                primary, filelists, other = body.split(_MARK)
                return primary, filelists, other
        return None

    def put(self, sha256: str, href: str, chunks: Chunks) -> None:
        """Keep the chunks of an RPM."""
        place = self._place(sha256, href)
        place.parent.mkdir(parents=True, exist_ok=True)
        body = _MARK.join(chunks)
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=".")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"{_sha256(body)}\n{body}")
        Path(name).replace(place)

    def forget(self, *, older_than: float) -> int:
        """Remove what no bucket was made from since ``older_than`` (seconds since 1970); how many."""
        return repository_metadata.forget(self._folder, older_than=older_than)

    def _place(self, sha256: str, href: str) -> Path:
        key = _sha256(f"{sha256} {href} {cr.VERSION}")
        return self._folder / key[:2] / key


class RepositoryWriter:
    """Writes repositories, keeping the XML chunks in a folder that outlives them."""

    def __init__(self, cache: Path) -> None:
        self._chunks = ChunkCache(cache / "rpms")
        self._buckets = repository_metadata.BucketCache(cache / "buckets")
        self._forgot = 0.0

    def __call__(self, folder: Path, files: Sequence[RepoRpm], carried: Sequence[CarriedFile] = ()) -> None:
        """What services ask for: :meth:`write` without its answer."""
        self.write(folder, files, carried)

    def write(self, folder: Path, files: Sequence[RepoRpm], carried: Sequence[CarriedFile] = ()) -> str:
        """Lay out ``folder/Packages`` (hard links, copies where the file system will not have them) and ``repodata``.

        The answer is the revision, a SHA-256 over all metadata; the order of ``files`` does not matter.

        :raises InputError: two files of one name, a name that is a path, or a carried file that is not what it should be.
        :raises InfraError: createrepo_c refused an RPM, a file is not what its digest says, the folder is there
            already or the disk is full.
        """
        ordered = sorted(files, key=lambda file: file.filename)
        _check_names([file.filename for file in ordered])
        beside = [
            (
                carried_metadata.RECORD[one.kind],
                carried_metadata.SUFFIX[one.kind],
                carried_metadata.carried(one.kind, one.path, one.names),
            )
            for one in carried
        ]
        try:
            (folder / "repodata").mkdir(parents=True)
            letters: dict[str, list[RepoRpm]] = {}
            for file in ordered:
                letters.setdefault(file.filename[0].lower(), []).append(file)
            with ThreadPoolExecutor(_LINKERS) as linkers:  # the file system works while the metadata is put together
                links = [
                    linkers.submit(_link_all, f"{folder}/Packages/{letter}", some) for letter, some in letters.items()
                ]
                entries = [
                    repository_metadata.Entry(
                        file.sha256, f"Packages/{letter}/{file.filename}", functools.partial(self._chunks_of, file)
                    )
                    for letter, some in letters.items()
                    for file in some
                ]
                revision = repository_metadata.write(folder / "repodata", entries, self._buckets, beside)
                for link in links:
                    link.result()
            self._forget()
        except (cr.CreaterepoCError, OSError) as error:
            raise InfraError(f"repository {folder}: {error}", hint="is the disk full?") from error
        return revision

    def _forget(self) -> None:
        """Once a day, let go of buckets and chunks that no repository needed for a month."""
        now = time.time()
        if now - self._forgot > _DAY:
            self._forgot = now
            self._buckets.forget(older_than=now - _MONTH)
            self._chunks.forget(older_than=now - _MONTH)

    def _chunks_of(self, file: RepoRpm, href: str) -> Chunks:
        chunks = self._chunks.get(file.sha256, href)
        if chunks is None:
            chunks = _read(file, href)
            self._chunks.put(file.sha256, href, chunks)
        return chunks


def repository_writer(cache: Path) -> RepositoryWriter:
    """A writer that keeps its XML chunks in ``cache``."""
    return RepositoryWriter(cache)


def _check_names(names: Sequence[str]) -> None:
    """Of a sorted list."""
    if bad := [name for name in names if not name or "/" in name or name.startswith(".")]:
        raise InputError(f"{bad[0]!r} is no file name for a repository")
    if twice := [name for name, following in pairwise(names) if name == following]:
        raise InputError(f"{twice[0]} twice in one repository", hint="one build of a NEVRA can be in a tag")


def _link_all(folder: str, files: Sequence[RepoRpm]) -> None:
    os.makedirs(folder)  # noqa: PTH103  # no Path for each of ten thousand files
    for file in files:
        _link(file.path, f"{folder}/{file.filename}")


def _link(source: Path, place: str) -> None:
    try:
        os.link(source, place)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copyfile(source, place)


def _read(file: RepoRpm, href: str) -> Chunks:
    package = cr.package_from_rpm(str(file.path), location_href=href)
    if package.pkgId != file.sha256:
        raise InfraError(f"{file.path}: its SHA-256 is {package.pkgId}, not {file.sha256}", hint="is the disk sound?")
    package.time_file = 0  # the time of our own copy says nothing
    return cr.xml_dump_primary(package), cr.xml_dump_filelists(package), cr.xml_dump_other(package)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
