"""Repository metadata whose cost follows what changed: RPMs in buckets by name, each bucket's XML kept compressed.

A gzip file may be several members, one behind the other (RFC 1952, 2.2), and every reader of repodata (dnf, libsolv, createrepo_c,
Python's gzip) reads them as one. So ``primary.xml.gz`` is a head, one member a bucket and a foot; a new build touches the few
buckets its names fall into, all others are copied as they are. Same RPMs, same bytes: no time of day goes in.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import createrepo_c as cr

_FIXED_TIME = 0
"""Times in the metadata: dnf goes by checksums; a clock here would make equal generations differ."""
_KINDS = {"primary": cr.PrimaryXmlFile, "filelists": cr.FilelistsXmlFile, "other": cr.OtherXmlFile}
_RPMS_A_BUCKET = 32
_MOST_BUCKETS = 4096
_VERSION = str(cr.VERSION)
_HREF = attrgetter("href")
_LENGTHS = struct.Struct(">6Q")

Chunks = tuple[str, str, str]
"""One RPM's part of primary, filelists and other, in this order."""


class Entry(NamedTuple):
    """One RPM of a repository: its file's digest, its place there, and what gives its chunks for that place if they are needed."""

    sha256: str
    href: str
    chunks: Callable[[str], Chunks]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Plain and compressed XML of some RPMs, for primary, filelists and other."""

    plain: tuple[bytes, bytes, bytes]
    packed: tuple[bytes, bytes, bytes]


class BucketCache:
    """A folder of buckets by what is in them; what is torn or of another createrepo_c counts as absent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, entries: Sequence[Entry]) -> Bucket:
        """The bucket of these RPMs, made if it is not there."""
        key = hashlib.sha256(
            "\n".join([_VERSION, *(f"{sha256} {href}" for sha256, href, _ in entries)]).encode()
        ).hexdigest()
        place = self._folder / key[:2] / key
        with contextlib.suppress(FileNotFoundError, ValueError, struct.error):
            return _read(place)
        chunks = [entry.chunks(entry.href) for entry in entries]
        plain = tuple("".join(chunk[at] for chunk in chunks).encode() for at in range(3))
        bucket = Bucket(plain=plain, packed=tuple(map(pack, plain)))  # type: ignore[arg-type]  # three
        _write(place, bucket)
        return bucket

    def forget(self, *, older_than: float) -> int:
        """Remove buckets that no generation was written from since ``older_than`` (seconds since 1970); how many."""
        return forget(self._folder, older_than=older_than)


def forget(folder: Path, *, older_than: float) -> int:
    """Remove the files of a cache that were not used since ``older_than`` (seconds since 1970); how many."""
    count = 0
    for place in folder.glob("??/*"):
        if place.stat().st_mtime < older_than:
            place.unlink()
            count += 1
    return count


def _read(place: Path) -> Bucket:
    """:raises ValueError, struct.error, FileNotFoundError: it is not whole, or not there."""
    data = place.read_bytes()
    lengths = _LENGTHS.unpack_from(data)
    if len(data) != _LENGTHS.size + sum(lengths):
        raise ValueError("torn")
    at, parts = _LENGTHS.size, []
    for length in lengths:
        parts.append(data[at : at + length])
        at += length
    os.utime(place)  # it is in use; see forget
    return Bucket(plain=tuple(parts[:3]), packed=tuple(parts[3:]))  # type: ignore[arg-type]  # three


def _write(place: Path, bucket: Bucket) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    parts = (*bucket.plain, *bucket.packed)
    body = _LENGTHS.pack(*map(len, parts)) + b"".join(parts)  # no digest: written whole before it gets its name
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=".")
    with os.fdopen(handle, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(place)


def pack(data: bytes) -> bytes:
    """One gzip member, without a time and without a name."""
    stream = zlib.compressobj(6, zlib.DEFLATED, 31)
    return stream.compress(data) + stream.flush()


def buckets(entries: Iterable[Entry]) -> list[list[Entry]]:
    """The RPMs of a repository in buckets; an RPM's bucket follows from its name without version, release and arch.

    How many there are follows from the number of RPMs, in powers of two, so that it seldom changes.
    """
    ordered = sorted(entries, key=_HREF)
    count = min(_MOST_BUCKETS, 1 << (len(ordered) // _RPMS_A_BUCKET).bit_length())
    found: list[list[Entry]] = [[] for _ in range(count)]
    for entry in ordered:
        name = entry[1].rsplit("/", 1)[1].rsplit("-", 2)[0]
        found[zlib.crc32(name.encode()) % count].append(entry)
    return [some for some in found if some]


def write(
    repodata: Path, entries: Sequence[Entry], cache: BucketCache, beside: Sequence[tuple[str, str, bytes]] = ()
) -> str:
    """Write the metadata into an empty folder; the answer is its revision, a SHA-256 over all of it.

    :param beside: further records, ``(type, file name, content)``.

    :raises OSError, createrepo_c.CreaterepoCError: as the system and the library say.
    """
    repomd = cr.Repomd()
    revision = hashlib.sha256()
    parts = [cache.get(some) for some in buckets(entries)]

    def record_of(at: int, name: str) -> cr.RepomdRecord:
        head, foot = _frame(name, len(entries))
        plain = [head, *(bucket.plain[at] for bucket in parts), foot]
        packed = [pack(head), *(bucket.packed[at] for bucket in parts), pack(foot)]
        return _record(repodata, name, f"{name}.xml", plain, packed)

    with ThreadPoolExecutor(len(_KINDS)) as pool:  # digests are taken beside each other
        for record in pool.map(record_of, range(len(_KINDS)), _KINDS):
            repomd.set_record(record)
            revision.update(record.checksum_open.encode())
    for kind, filename, content in beside:
        record = _record(repodata, kind, filename, [content], [pack(content)])
        repomd.set_record(record)
        revision.update(record.checksum_open.encode())
    repomd.set_revision(revision.hexdigest())
    (repodata / "repomd.xml").write_text(repomd.xml_dump(), encoding="utf-8")
    for path in (*repodata.iterdir(), repodata):
        _flush(path)
    return revision.hexdigest()


def _frame(name: str, count: int) -> tuple[bytes, bytes]:
    """What createrepo_c writes before the first RPM and behind the last."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.xml"
        xml = _KINDS[name](str(path), cr.NO_COMPRESSION)
        xml.set_num_of_pkgs(count)
        xml.close()
        text = path.read_bytes()
    cut = text.rindex(b"</")
    return text[:cut], text[cut:]


def _record(
    repodata: Path, name: str, filename: str, plain: Sequence[bytes], packed: Sequence[bytes]
) -> cr.RepomdRecord:
    opened, closed = hashlib.sha256(), hashlib.sha256()
    for part in plain:
        opened.update(part)
    for part in packed:
        closed.update(part)
    path = repodata / f"{closed.hexdigest()}-{filename}.gz"  # so that no cache mixes two generations
    with path.open("wb") as file:
        file.writelines(packed)
    record = cr.RepomdRecord(name, str(path))
    record.location_href = f"repodata/{path.name}"
    record.checksum_type = record.checksum_open_type = "sha256"
    record.checksum, record.checksum_open = closed.hexdigest(), opened.hexdigest()
    record.size, record.size_open = sum(map(len, packed)), sum(map(len, plain))
    record.timestamp = _FIXED_TIME
    return record


def _flush(path: Path) -> None:
    """Onto the disk: a tag is switched to this by one rename, and a power cut must not find it empty."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
