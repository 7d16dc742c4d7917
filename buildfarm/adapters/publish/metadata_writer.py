"""Repository metadata whose cost follows what changed: the XML of some shards' RPMs is kept, plain
and compressed.

A compressed file may be several streams, one behind the other
(:mod:`buildfarm.adapters.publish.compression`), and every reader of repodata (dnf, libsolv,
createrepo_c) reads them as one. So ``primary.xml.gz`` is a head, one stream a bucket and a foot; a
new build touches the few buckets its names fall into, all others are copied as they are. Same RPMs,
same bytes: no time of day goes in.
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

from buildfarm.adapters.publish.compression import Buffer, piece, whole
from buildfarm.adapters.publish.package_pool import SHARDS, RepoRpm, Shard
from buildfarm.domain.target.repodata_style import RepodataStyle

_FIXED_TIME = 0
"""Times in the metadata: dnf goes by checksums; a clock here would make equal generations differ."""
_KINDS = {"primary": cr.PrimaryXmlFile, "filelists": cr.FilelistsXmlFile, "other": cr.OtherXmlFile}
_RPMS_A_CHUNK = 64
_A_WHILE = 86_400.0
"""Seconds: what is used every minute is not marked so every minute."""
_HANDFUL = 1 << 20
"""Bytes that are handed over at a time: hundreds of small pieces, each to another thread, cost more
than what is done with them.
"""
_VERSION = str(cr.VERSION)
_NO_RPM = b'packages="0"'
_LENGTHS = struct.Struct(">6Q")
HASHES = {"sha": hashlib.sha1, "sha256": hashlib.sha256, "sha512": hashlib.sha512}

Chunks = tuple[str, str, str]
"""One RPM's part of primary, filelists and other, in this order."""

ChunksOf = Callable[[RepoRpm, str], Chunks]
"""Gives the chunks of an RPM that stands at a place of its repository."""


class Record(NamedTuple):
    """A further file of the metadata: its type in repomd.xml, its name and its content."""

    kind: str
    filename: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """XML of some RPMs, for primary, filelists and other: how long it is, itself (empty where it is
    not asked for), and compressed.
    """

    sizes: tuple[int, int, int]
    plain: tuple[Buffer, Buffer, Buffer]
    packed: tuple[Buffer, Buffer, Buffer]


class ChunkStore:
    """A folder of buckets by what is in them; what is torn or of another createrepo_c counts as
    absent.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, some: Sequence[Shard], style: RepodataStyle, chunks_of: ChunksOf) -> Bucket:
        """The bucket of these shards, made if it is not there."""
        words = [
            _VERSION,
            style.checksum,
            style.compression,
            *(f"{shard.number} {shard.key}" for shard in some),
        ]
        key = hashlib.sha256("\n".join(words).encode()).hexdigest()
        place = f"{self._folder}/{key[:2]}/{key}"
        with contextlib.suppress(FileNotFoundError, ValueError, struct.error):
            return _read(place, unpacked=style.unpacks)
        chunks = [chunks_of(file, shard.href(file)) for shard in some for file in shard.files]
        plain = tuple("".join(chunk[at] for chunk in chunks).encode() for at in range(3))
        bucket = _bucket(plain, style)
        _write(Path(place), bucket)
        return bucket

    def forget(self, *, older_than: float) -> int:
        """Remove buckets that no generation was written from since ``older_than`` (seconds since
        1970); how many.
        """
        return forget(self._folder, older_than=older_than)


def forget(folder: Path, *, older_than: float) -> int:
    """Remove the files of a cache that were not used since ``older_than`` (seconds since 1970); how
    many.
    """
    count = 0
    for place in folder.glob("??/*"):
        if place.stat().st_mtime < older_than:
            place.unlink()
            count += 1
    return count


def _bucket(plain: Sequence[bytes], style: RepodataStyle) -> Bucket:
    return Bucket(
        sizes=tuple(map(len, plain)), plain=tuple(plain), packed=tuple(piece(one, style.compression) for one in plain),  # type: ignore[arg-type]  # three
    )  # fmt: skip


def _read(place: str, *, unpacked: bool) -> Bucket:
    """:raises ValueError, struct.error, FileNotFoundError: it is not whole, or not there."""
    with open(place, "rb", buffering=0) as file:  # noqa: PTH123  # no Path for each of hundreds
        status = os.fstat(file.fileno())
        lengths = _LENGTHS.unpack(file.read(_LENGTHS.size))
        if status.st_size != _LENGTHS.size + sum(lengths):
            raise ValueError("torn")
        wanted = lengths if unpacked else lengths[3:]
        data = memoryview(os.pread(file.fileno(), sum(wanted), status.st_size - sum(wanted)))
    at, parts = 0, []
    for length in wanted:
        parts.append(data[at : at + length])
        at += length
    if time.time() - status.st_mtime > _A_WHILE:
        os.utime(place)  # it is in use; see forget
    plain = parts[:3] if unpacked else [b"", b"", b""]
    return Bucket(sizes=lengths[:3], plain=tuple(plain), packed=tuple(parts[-3:]))  # type: ignore[arg-type]  # three


def _write(place: Path, bucket: Bucket) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    parts = (*bucket.plain, *bucket.packed)
    body = _LENGTHS.pack(*map(len, parts)) + b"".join(
        parts
    )  # no digest: written whole before it gets its name
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=".")
    with os.fdopen(handle, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(place)


def buckets(shards: Sequence[Shard]) -> list[list[Shard]]:
    """The shards of a repository in buckets.

    How many there are follows from the number of RPMs, in powers of two, so that it seldom changes.
    """
    rpms = sum(len(shard.files) for shard in shards)
    count = min(SHARDS, 1 << (rpms // _RPMS_A_CHUNK).bit_length())
    found: list[list[Shard]] = [[] for _ in range(count)]
    for shard in shards:
        found[shard.number % count].append(shard)
    return [some for some in found if some]


class _Stream:
    """One metadata file on its way to the disk: a hand of its own takes digests and writes while
    the next pieces are read.
    """

    def __init__(self, repodata: Path, filename: str, style: RepodataStyle) -> None:
        self._repodata, self._filename, self._style = repodata, filename, style
        self._opened, self._closed = HASHES[style.checksum](), HASHES[style.checksum]()
        self._size_open = self._size = 0
        self._aside = repodata / f".{filename}"
        self._file = self._aside.open("wb")
        self._packer = whole(style.compression)
        self._hand = ThreadPoolExecutor(1)
        self._waiting: list[tuple[Buffer, Buffer]] = []
        self._waits = 0
        self._taken: list[Future[None]] = []

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._hand.shutdown()
        self._file.close()

    def add(self, size: int, plain: Buffer, packed: Buffer) -> None:
        """What comes next, ``size`` bytes of it before it was packed; what goes wrong is said by
        :meth:`close`.
        """
        self._size_open += size
        self._waiting.append((plain, packed))
        self._waits += len(plain) + len(packed)
        if self._waits >= _HANDFUL:
            self._hand_over()

    def close(self, kind: str) -> Future[cr.RepomdRecord]:
        """Give the file its name, which has its digest in it so that no cache mixes two
        generations.

        The answer raises OSError: a full disk.
        """
        self._hand_over()
        return self._hand.submit(self._close, kind)

    def _hand_over(self) -> None:
        self._taken.append(self._hand.submit(self._take, self._waiting))
        self._waiting, self._waits = [], 0

    def _take(self, pieces: Sequence[tuple[Buffer, Buffer]]) -> None:
        plain = b"".join([one[0] for one in pieces])
        if self._style.open_checksum:
            self._opened.update(plain)
        self._write(
            b"".join([one[1] for one in pieces])
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
        os.fsync(
            self._file.fileno()
        )  # a tag is switched to this by one rename: a power cut must not find it empty
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
    shards: Sequence[Shard],
    chunks_of: ChunksOf,
    cache: ChunkStore,
    *,
    style: RepodataStyle,
    beside: Sequence[Record] = (),
) -> str:
    """Write the metadata into an empty folder; the answer is its revision, a SHA-256 over all of
    it.

    :param beside: further records.
    :raises OSError, createrepo_c.CreaterepoCError: as the system and the library say.
    """
    count = sum(len(shard.files) for shard in shards)
    with ExitStack() as open_:
        streams = [open_.enter_context(_Stream(repodata, f"{name}.xml", style)) for name in _KINDS]
        for bucket in _framed(buckets(shards), count, style, chunks_of, cache):
            pieces = zip(bucket.sizes, bucket.plain, bucket.packed, strict=True)
            for stream, (size, plain, packed) in zip(streams, pieces, strict=True):
                stream.add(size, plain, packed)
        closing = [stream.close(kind) for stream, kind in zip(streams, _KINDS, strict=True)]
        records = [one.result() for one in closing]
    for one in beside:
        with _Stream(repodata, one.filename, style) as stream:
            stream.add(len(one.content), one.content, piece(one.content, style.compression))
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
    grouped: Sequence[Sequence[Shard]],
    count: int,
    style: RepodataStyle,
    chunks_of: ChunksOf,
    cache: ChunkStore,
) -> Iterator[Bucket]:
    """Yield what createrepo_c writes before the first RPM, the buckets, and what it writes behind
    the last.
    """
    frames = [
        tuple(part.replace(_NO_RPM, b'packages="%d"' % count) for part in _frame(name))
        for name in _KINDS
    ]
    for at in (0, 1):
        if at == 1:
            yield from (cache.get(some, style, chunks_of) for some in grouped)
        yield _bucket([frame[at] for frame in frames], style)


@cache
def _frame(name: str) -> tuple[bytes, bytes]:
    """Head and foot of one file without RPMs."""
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
