"""Writes a repository with the createrepo_c library, without opening an RPM twice.

The three XML chunks of an RPM are kept by its SHA-256; a file's place (``Packages/z/zlib-….rpm``) follows from its name, so
a chunk is good in every generation. Same RPMs, same bytes: no time of day goes into the metadata.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import createrepo_c as cr

from buildfarm.errors import InfraError
from buildfarm.services.publishing import RepoFile, RepositoryWriter

_FILES = ("primary", "filelists", "other")
_FIXED_TIME = 0
"""Timestamps in repomd.xml: dnf compares checksums; a clock here would make equal generations differ."""


def repository_writer(cache: Path) -> RepositoryWriter:
    """A writer that keeps its XML chunks in ``cache``."""

    def write(folder: Path, files: Sequence[RepoFile]) -> None:
        """Write ``folder``. :raises InfraError: createrepo_c refused an RPM or the disk is full."""
        try:
            _write(folder, files, cache)
        except (cr.CreaterepoCError, OSError) as error:
            raise InfraError(f"repository {folder}: {error}") from error

    return write


def _write(folder: Path, files: Sequence[RepoFile], cache: Path) -> None:
    repodata = folder / "repodata"
    repodata.mkdir(parents=True)
    chunks: list[tuple[str, str, str]] = []
    for file in files:
        href = f"Packages/{file.filename[0].lower()}/{file.filename}"
        place = folder / href
        place.parent.mkdir(parents=True, exist_ok=True)
        _link(file.path, place)
        chunks.append(_chunks_of(file, href, cache))
    repomd = cr.Repomd()
    kinds: tuple[Any, ...] = (cr.PrimaryXmlFile, cr.FilelistsXmlFile, cr.OtherXmlFile)
    for number, (name, kind) in enumerate(zip(_FILES, kinds, strict=True)):
        path = repodata / f"{name}.xml.gz"
        xml = kind(str(path), cr.GZ_COMPRESSION)
        xml.set_num_of_pkgs(len(chunks))
        for chunk in chunks:
            xml.add_chunk(chunk[number])
        xml.close()
        record = cr.RepomdRecord(name, str(path))
        record.fill(cr.SHA256)
        record.timestamp = _FIXED_TIME
        record.rename_file()
        repomd.set_record(record)
    digest = hashlib.sha256("".join(chunk for group in chunks for chunk in group).encode()).hexdigest()
    repomd.set_revision(digest[:16])
    (repodata / "repomd.xml").write_text(repomd.xml_dump(), encoding="utf-8")


def _link(source: Path, place: Path) -> None:
    """A hard link, or a copy where the file system will not have it."""
    try:
        os.link(source, place)
    except OSError:
        shutil.copyfile(source, place)


def _chunks_of(file: RepoFile, href: str, cache: Path) -> tuple[str, str, str]:
    key = hashlib.sha256(f"{file.sha256} {href} {cr.VERSION}".encode()).hexdigest()
    kept = [cache / key[:2] / f"{key}.{name}" for name in _FILES]
    try:
        primary, filelists, other = (path.read_text(encoding="utf-8") for path in kept)
    except FileNotFoundError:
        package = cr.package_from_rpm(str(file.path), location_href=href)
        package.time_file = _FIXED_TIME  # the time of our own copy says nothing
        made = (cr.xml_dump_primary(package), cr.xml_dump_filelists(package), cr.xml_dump_other(package))
        kept[0].parent.mkdir(parents=True, exist_ok=True)
        for path, text in zip(kept, made, strict=True):
            fresh = path.with_name(f".{path.name}.{os.getpid()}")
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(path)
        return made
    return primary, filelists, other
