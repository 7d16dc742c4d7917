"""Write repository metadata from cached segments, so that its cost follows the change.

A compressed file may be several consecutive streams
(:mod:`buildfarm.adapters.publish.compression`), and every reader of repodata (dnf, libsolv,
createrepo_c) reads them as one. So ``primary.xml.gz`` is a head, one stream for each segment and a
foot. A segment is the XML of the RPMs of some slots; a new build changes only the segments of its
RPMs, all others are copied. No time is written, so the same RPMs give the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import createrepo_c as cr

from buildfarm.adapters.publish.compression import Buffer, compressed_member, whole_file_packer
from buildfarm.adapters.publish.package_pool import SLOTS, RepoRpm, Slot
from buildfarm.domain.target.repodata_style import RepodataStyle

_FIXED_TIME = 0
"""Times in the metadata: dnf compares checksums, and a clock would change equal generations."""
_KINDS = {"primary": cr.PrimaryXmlFile, "filelists": cr.FilelistsXmlFile, "other": cr.OtherXmlFile}
_RPMS_A_SEGMENT = 64
_MARKED_SECONDS = 86_400.0
"""Seconds until the use of a cached file is marked again, so that not every use is a write."""
_BYTES_AT_ONCE = 1 << 20
"""Bytes submitted to a writer thread at a time: submitting each small segment costs more than
writing it.
"""
_VERSION = str(cr.VERSION)
_NO_RPM = b'packages="0"'
_LENGTHS = struct.Struct(">6Q")
HASHES = {"sha": hashlib.sha1, "sha256": hashlib.sha256, "sha512": hashlib.sha512}

Chunks = tuple[str, str, str]
"""The XML of one RPM in primary, filelists and other, in this order."""

ChunksOf = Callable[[RepoRpm, str], Chunks]
"""Returns the chunks of an RPM for its path in the repository."""


class ExtraRecord(NamedTuple):
    """A further record of repomd.xml: its type, its file's name and content."""

    kind: str
    filename: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The XML of some RPMs for primary, filelists and other: its size, plain and compressed.

    ``plain`` is empty where the style does not need it.
    """

    sizes: tuple[int, int, int]
    plain: tuple[Buffer, Buffer, Buffer]
    packed: tuple[Buffer, Buffer, Buffer]


class SegmentCache:
    """A folder of segments by content; torn files and those of another createrepo_c are ignored."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, some: Sequence[Slot], style: RepodataStyle, chunks_of: ChunksOf) -> Segment:
        """Return the segment of these slots; make it if it is not there."""
        words = [
            _VERSION,
            style.checksum,
            style.compression,
            *(f"{slot.number} {slot.key}" for slot in some),
        ]
        key = hashlib.sha256("\n".join(words).encode()).hexdigest()
        place = f"{self._folder}/{key[:2]}/{key}"
        with contextlib.suppress(FileNotFoundError, ValueError, struct.error):
            return _read(place, unpacked=style.unpacks)
        chunks = [chunks_of(file, slot.href(file)) for slot in some for file in slot.files]
        plain = tuple("".join(chunk[at] for chunk in chunks).encode() for at in range(3))
        segment = _segment(plain, style)
        _write(Path(place), segment)
        return segment

    def forget(self, *, older_than: float) -> int:
        """Remove segments not used since ``older_than`` (seconds since 1970); return the number."""
        return forget(self._folder, older_than=older_than)


def forget(folder: Path, *, older_than: float) -> int:
    """Remove the files of a cache that were not used since ``older_than``; return the number."""
    count = 0
    for place in folder.glob("??/*"):
        if place.stat().st_mtime < older_than:
            place.unlink()
            count += 1
    return count


def _segment(plain: Sequence[bytes], style: RepodataStyle) -> Segment:
    primary, filelists, other = plain
    packed = [compressed_member(one, style.compression) for one in plain]
    return Segment(
        sizes=(len(primary), len(filelists), len(other)),
        plain=(primary, filelists, other),
        packed=(packed[0], packed[1], packed[2]),
    )


def _read(place: str, *, unpacked: bool) -> Segment:
    """Read a cached segment.

    :raises ValueError, struct.error, FileNotFoundError: it is torn, or not there.
    """
    with open(place, "rb", buffering=0) as file:  # noqa: PTH123  # faster than Path for hundreds of files
        status = os.fstat(file.fileno())
        lengths = _LENGTHS.unpack(file.read(_LENGTHS.size))
        if status.st_size != _LENGTHS.size + sum(lengths):
            raise ValueError("torn")
        wanted = lengths if unpacked else lengths[3:]
        data = memoryview(os.pread(file.fileno(), sum(wanted), status.st_size - sum(wanted)))
    at = 0
    parts: list[Buffer] = [] if unpacked else [b"", b"", b""]
    for length in wanted:
        parts.append(data[at : at + length])
        at += length
    if time.time() - status.st_mtime > _MARKED_SECONDS:
        os.utime(place)  # it is in use; see forget
    return Segment(
        sizes=lengths[:3],
        plain=(parts[0], parts[1], parts[2]),
        packed=(parts[3], parts[4], parts[5]),
    )


def _write(place: Path, segment: Segment) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    parts = (*segment.plain, *segment.packed)
    # No digest: the file is complete before it gets its name.
    body = _LENGTHS.pack(*map(len, parts)) + b"".join(parts)
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=".")
    with os.fdopen(handle, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(place)


def segments(slots: Sequence[Slot]) -> list[list[Slot]]:
    """Group the slots of a repository into segments.

    Their number grows with the RPMs in powers of two, so that it seldom changes.
    """
    rpms = sum(len(slot.files) for slot in slots)
    count = min(SLOTS, 1 << (rpms // _RPMS_A_SEGMENT).bit_length())
    found: list[list[Slot]] = [[] for _ in range(count)]
    for slot in slots:
        found[slot.number % count].append(slot)
    return [some for some in found if some]


class _MetadataFile:
    """A metadata file, digested and written by its own thread while the next segments are read."""

    def __init__(self, repodata: Path, filename: str, style: RepodataStyle) -> None:
        self._repodata, self._filename, self._style = repodata, filename, style
        self._opened, self._closed = HASHES[style.checksum](), HASHES[style.checksum]()
        self._size_open = self._size = 0
        self._aside = repodata / f".{filename}"
        self._file = self._aside.open("wb")
        self._packer = whole_file_packer(style.compression)
        self._thread = ThreadPoolExecutor(1)
        self._waiting: list[tuple[Buffer, Buffer]] = []
        self._waits = 0
        self._taken: list[Future[None]] = []

    def __enter__(self) -> _MetadataFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()
        self._file.close()

    def add(self, size: int, plain: Buffer, packed: Buffer) -> None:
        """Append data that had ``size`` bytes before compression; :meth:`close` raises errors."""
        self._size_open += size
        self._waiting.append((plain, packed))
        self._waits += len(plain) + len(packed)
        if self._waits >= _BYTES_AT_ONCE:
            self._submit()

    def close(self, kind: str) -> Future[cr.RepomdRecord]:
        """Give the file its name; the future is its record, or an OSError such as a full disk.

        The name holds the digest, so that no HTTP cache mixes two generations.
        """
        self._submit()
        return self._thread.submit(self._close, kind)

    def _submit(self) -> None:
        self._taken.append(self._thread.submit(self._take, self._waiting))
        self._waiting, self._waits = [], 0

    def _take(self, parts: Sequence[tuple[Buffer, Buffer]]) -> None:
        plain = b"".join([one[0] for one in parts])
        if self._style.open_checksum:
            self._opened.update(plain)
        self._write(
            b"".join([one[1] for one in parts])
            if self._packer is None
            else self._packer.compress(plain)
        )

    def _write(self, packed: bytes) -> None:
        self._closed.update(packed)
        self._size += len(packed)
        self._file.write(packed)

    def _close(self, kind: str) -> cr.RepomdRecord:
        for one in self._taken:
            one.result()
        if self._packer is not None:
            self._write(self._packer.flush())
        self._file.flush()
        # A tag switches to this file by one rename: it must not be empty after a power failure.
        os.fsync(self._file.fileno())
        self._file.close()
        path = self._repodata / f"{self._closed.hexdigest()}-{self._filename}.{self._style.suffix}"
        self._aside.rename(path)
        record = cr.RepomdRecord(kind, str(path))
        record.location_href = f"repodata/{path.name}"
        record.checksum_type, record.checksum = self._style.checksum, self._closed.hexdigest()
        if self._style.open_checksum:
            record.checksum_open_type, record.checksum_open = (
                self._style.checksum,
                self._opened.hexdigest(),
            )
        record.size, record.size_open = self._size, self._size_open
        record.timestamp = _FIXED_TIME
        return record


def write(
    repodata: Path,
    slots: Sequence[Slot],
    chunks_of: ChunksOf,
    cache: SegmentCache,
    *,
    style: RepodataStyle,
    extra: Sequence[ExtraRecord] = (),
) -> str:
    """Write the metadata into an empty folder; return its revision, a SHA-256 over all of it.

    :param extra: further records.
    :raises OSError, createrepo_c.CreaterepoCError: as the system and the library say.
    """
    count = sum(len(slot.files) for slot in slots)
    with ExitStack() as open_:
        streams = [
            open_.enter_context(_MetadataFile(repodata, f"{name}.xml", style)) for name in _KINDS
        ]
        for segment in _framed(segments(slots), count, style, chunks_of, cache):
            parts = zip(segment.sizes, segment.plain, segment.packed, strict=True)
            for stream, (size, plain, packed) in zip(streams, parts, strict=True):
                stream.add(size, plain, packed)
        closing = [stream.close(kind) for stream, kind in zip(streams, _KINDS, strict=True)]
        records = [one.result() for one in closing]
    for one in extra:
        with _MetadataFile(repodata, one.filename, style) as stream:
            stream.add(
                len(one.content), one.content, compressed_member(one.content, style.compression)
            )
            records.append(stream.close(one.kind).result())
    revision = hashlib.sha256("".join(record.checksum for record in records).encode()).hexdigest()
    repomd = cr.Repomd()
    for record in records:
        repomd.set_record(record)
    repomd.set_revision(revision)
    (repodata / "repomd.xml").write_text(repomd.xml_dump(), encoding="utf-8")
    for path in (repodata / "repomd.xml", repodata):
        _flush(path)
    return revision


def _framed(
    grouped: Sequence[Sequence[Slot]],
    count: int,
    style: RepodataStyle,
    chunks_of: ChunksOf,
    cache: SegmentCache,
) -> Iterator[Segment]:
    """Yield the head that createrepo_c writes before the first RPM, the segments, and the foot."""
    frames = [
        tuple(part.replace(_NO_RPM, b'packages="%d"' % count) for part in _frame(name))
        for name in _KINDS
    ]
    for at in (0, 1):
        if at == 1:
            yield from (cache.get(some, style, chunks_of) for some in grouped)
        yield _segment([frame[at] for frame in frames], style)


@cache
def _frame(name: str) -> tuple[bytes, bytes]:
    """Return the head and foot of one file without RPMs."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.xml"
        xml = _KINDS[name](str(path), cr.NO_COMPRESSION)
        xml.set_num_of_pkgs(0)
        xml.close()
        text = path.read_bytes()
    cut = text.rindex(b"</")
    return text[:cut], text[cut:]


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
