"""Writes a repository with the createrepo_c library, without opening an RPM twice.

The three XML chunks of an RPM are kept by its SHA-256; a file's place (``Packages/z/zlib-….rpm``) follows from its
name, so a chunk is good in every generation. Same RPMs, same bytes: no time of day goes into the metadata.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import createrepo_c as cr

from buildfarm.errors import InfraError, InputError

_FIXED_TIME = 0
"""Times in the metadata: dnf goes by checksums; a clock here would make equal generations differ."""
_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP})
_MARK = "\0"  # XML cannot hold it
_KINDS = {
    "primary": cr.PrimaryXmlFile,
    "filelists": cr.FilelistsXmlFile,
    "other": cr.OtherXmlFile,
}

Chunks = tuple[str, str, str]
"""One RPM's part of primary, filelists and other, in this order."""


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

    def _place(self, sha256: str, href: str) -> Path:
        key = _sha256(f"{sha256} {href} {cr.VERSION}")
        return self._folder / key[:2] / key


class RepositoryWriter:
    """Writes repositories, keeping the XML chunks in a folder that outlives them."""

    def __init__(self, cache: Path) -> None:
        self._cache = ChunkCache(cache)

    def __call__(self, folder: Path, files: Sequence[RepoRpm]) -> None:
        """What services ask for: :meth:`write` without its answer."""
        self.write(folder, files)

    def write(self, folder: Path, files: Sequence[RepoRpm]) -> str:
        """Lay out ``folder/Packages`` (hard links, copies where the file system will not have them) and ``repodata``.

        The answer is the revision, a SHA-256 over all metadata; the order of ``files`` does not matter.

        :raises InputError: two files of one name, or a name that is a path.
        :raises InfraError: createrepo_c refused an RPM, a file is not what its digest says, the folder is there
            already or the disk is full.
        """
        ordered = sorted(files, key=lambda file: file.filename)
        _check_names([file.filename for file in ordered])
        try:
            (folder / "repodata").mkdir(parents=True)
            chunks = [self._place(folder, file) for file in ordered]
            return _write_metadata(folder / "repodata", chunks)
        except (cr.CreaterepoCError, OSError) as error:
            raise InfraError(f"repository {folder}: {error}", hint="is the disk full?") from error

    def _place(self, folder: Path, file: RepoRpm) -> Chunks:
        href = f"Packages/{file.filename[0].lower()}/{file.filename}"
        place = folder / href
        place.parent.mkdir(parents=True, exist_ok=True)
        _link(file.path, place)
        chunks = self._cache.get(file.sha256, href)
        if chunks is None:
            chunks = _read(file, href)
            self._cache.put(file.sha256, href, chunks)
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


def _link(source: Path, place: Path) -> None:
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
    package.time_file = _FIXED_TIME  # the time of our own copy says nothing
    return cr.xml_dump_primary(package), cr.xml_dump_filelists(package), cr.xml_dump_other(package)


def _write_metadata(repodata: Path, chunks: Sequence[Chunks]) -> str:
    repomd = cr.Repomd()
    revision = hashlib.sha256()
    for number, (name, kind) in enumerate(_KINDS.items()):
        path = repodata / f"{name}.xml.gz"
        xml = kind(str(path), cr.GZ_COMPRESSION)
        xml.set_num_of_pkgs(len(chunks))
        for chunk in chunks:
            xml.add_chunk(chunk[number])
        xml.close()
        record = cr.RepomdRecord(name, str(path))
        record.fill(cr.SHA256)
        record.timestamp = _FIXED_TIME
        record.rename_file()  # the checksum goes into the name, so that no cache mixes two generations
        repomd.set_record(record)
        revision.update(record.checksum_open.encode())
    repomd.set_revision(revision.hexdigest())
    (repodata / "repomd.xml").write_text(repomd.xml_dump(), encoding="utf-8")
    for path in _everything(repodata):
        _flush(path)
    return revision.hexdigest()


def _everything(folder: Path) -> Iterator[Path]:
    yield from folder.iterdir()
    yield folder


def _flush(path: Path) -> None:
    """Onto the disk: a tag is switched to this by one rename, and a power cut must not find it empty."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
