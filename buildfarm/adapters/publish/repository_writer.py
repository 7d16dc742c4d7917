"""Write repositories with the createrepo_c library, without opening an RPM twice.

The three XML chunks of an RPM are kept by its SHA-256; a file's place (``Packages/3f/zlib-….rpm``)
follows from its name, so a chunk is good in every generation. How chunks become metadata:
:mod:`buildfarm.adapters.publish.metadata_writer`; how RPMs come into a repository:
:mod:`buildfarm.adapters.publish.package_pool`.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import createrepo_c as cr

from buildfarm.adapters.publish import extra_metadata, metadata_writer
from buildfarm.adapters.publish.metadata_writer import HASHES, Chunks, ExtraRecord
from buildfarm.adapters.publish.package_pool import PackagePool, RepoRpm, slots
from buildfarm.domain.target.repodata_style import Checksum, RepodataStyle
from buildfarm.errors import InfraError, InputError
from buildfarm.ports.repositories import ExtraMetadataFile

_DAY, _MONTH = 86_400.0, 30 * 86_400.0
_MARK = "\0"  # XML cannot hold it
STANDARD = RepodataStyle()


class ChunkCache:
    """A folder of XML chunks by RPM; torn files and those of another createrepo_c are ignored."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, sha256: str, href: str, checksum: Checksum = "sha256") -> Chunks | None:
        """Return the chunks of an RPM at ``href``; ``None`` if they are not there."""
        place = self._place(sha256, href, checksum)
        with contextlib.suppress(FileNotFoundError, ValueError):
            check, body = place.read_text(encoding="utf-8").split("\n", 1)
            if check == _sha256(body):
                os.utime(place)  # it is in use; see forget
                primary, filelists, other = body.split(_MARK)
                return primary, filelists, other
        return None

    def put(self, sha256: str, href: str, chunks: Chunks, checksum: Checksum = "sha256") -> None:
        """Store the chunks of an RPM."""
        place = self._place(sha256, href, checksum)
        place.parent.mkdir(parents=True, exist_ok=True)
        body = _MARK.join(chunks)
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=".")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"{_sha256(body)}\n{body}")
        Path(name).replace(place)

    def forget(self, *, older_than: float) -> int:
        """Remove chunks not used since ``older_than`` (seconds since 1970); return the number."""
        return metadata_writer.forget(self._folder, older_than=older_than)

    def _place(self, sha256: str, href: str, checksum: Checksum) -> Path:
        key = _sha256(f"{sha256} {href} {cr.VERSION} {checksum}")
        return self._folder / key[:2] / key


class RepositoryWriter:
    """Writes repositories.

    ``cache`` holds the XML between runs; ``pool`` holds the RPMs, on the file system of the
    repositories.
    """

    def __init__(self, cache: Path, pool: Path) -> None:
        self._chunks = ChunkCache(cache / "rpms")
        self._segments = metadata_writer.SegmentCache(cache / "segments")
        self._pool = PackagePool(pool)
        self._forgot = 0.0

    def __call__(
        self,
        folder: Path,
        files: Sequence[RepoRpm],
        extra: Sequence[ExtraMetadataFile] = (),
        style: RepodataStyle = STANDARD,
    ) -> None:
        """Write a repository; see :class:`buildfarm.ports.repositories.RepositoryWriter`."""
        self.write(folder, files, extra, style)

    def write(
        self,
        folder: Path,
        files: Sequence[RepoRpm],
        extra: Sequence[ExtraMetadataFile] = (),
        style: RepodataStyle = STANDARD,
    ) -> str:
        """Lay out ``folder/Packages`` and ``folder/repodata``; return the revision.

        The revision is a SHA-256 over all metadata; the order of ``files`` does not matter.

        :raises InputError: two files of one name, a name that is a path, or an extra file that is
            not of its kind.
        :raises InfraError: createrepo_c refused an RPM, a file does not match its digest, the
            folder exists already or the disk is full.
        """
        _check_names([file.filename for file in files])
        records = [_record_of(one) for one in extra]
        found = slots(files)
        chunks_of = functools.partial(self._chunks_of, checksum=style.checksum)
        try:
            (folder / "repodata").mkdir(parents=True)
            self._pool.lay_out(folder, found)
            revision = metadata_writer.write(
                folder / "repodata", found, chunks_of, self._segments, style=style, extra=records
            )
            self._forget()
        except (cr.CreaterepoCError, OSError) as error:
            raise InfraError(f"repository {folder}: {error}", hint="is the disk full?") from error
        return revision

    def _forget(self) -> None:
        """Once a day, remove unused shards, and XML that was not used for a month."""
        now = time.time()
        if now - self._forgot > _DAY:
            self._forgot = now
            self._segments.forget(older_than=now - _MONTH)
            self._chunks.forget(older_than=now - _MONTH)
            self._pool.collect(older_than=now - _DAY)

    def _chunks_of(self, file: RepoRpm, href: str, checksum: Checksum) -> Chunks:
        chunks = self._chunks.get(file.sha256, href, checksum)
        if chunks is None:
            chunks = _read(file, href, checksum)
            self._chunks.put(file.sha256, href, chunks, checksum)
        return chunks


def repository_writer(cache: Path, pool: Path) -> RepositoryWriter:
    """Return a writer with its XML in ``cache`` and its RPMs in ``pool``."""
    return RepositoryWriter(cache, pool)


def _record_of(one: ExtraMetadataFile) -> ExtraRecord:
    content = extra_metadata.content_of(one.kind, one.path, one.names)
    return ExtraRecord(
        extra_metadata.RECORD_TYPE[one.kind], extra_metadata.FILENAME[one.kind], content
    )


def _check_names(names: Sequence[str]) -> None:
    if bad := [name for name in names if not name or "/" in name or name[0] == "."]:
        raise InputError(f"{bad[0]!r} is no file name for a repository")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(
            f"{twice} twice in one repository", hint="one build of a NEVRA can be in a tag"
        )


def _read(file: RepoRpm, href: str, checksum: Checksum) -> Chunks:
    package = cr.package_from_rpm(str(file.path), location_href=href)
    if package.pkgId != file.sha256:
        raise InfraError(
            f"{file.path}: its SHA-256 is {package.pkgId}, not {file.sha256}",
            hint="is the disk sound?",
        )
    if checksum != "sha256":  # the library itself is built without SHA-1
        with file.path.open("rb") as content:
            package.pkgId = hashlib.file_digest(content, HASHES[checksum]).hexdigest()
        package.checksum_type = checksum
    package.time_file = 0  # the time of our copy means nothing
    return cr.xml_dump_primary(package), cr.xml_dump_filelists(package), cr.xml_dump_other(package)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
