"""Compressed files and archives: their contents, within bounds, without the traces of packing.

Each reader accounts for every byte: it is content, a compared attribute, padding of zeros, or a named
trace of packing (times, order, compression). What is none of these is the container's *rest*, which
is compared as it is; a reader that cannot tell raises, and the whole file is compared raw.

Libraries are imported on first use: most files are not containers, and a reader starts with every
comparison.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import bz2
    import zipfile

MAX_UNPACKED = 96 << 20
MAX_MEMBERS = 20_000
UNREADABLE = (
    zlib.error,
    struct.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    NotImplementedError,
)
"""Errors for a file that only looks like a container; it is compared as it is."""
_BLOCK = 1 << 20
_GZIP_EXTRA, _GZIP_NAME, _GZIP_COMMENT = 4, 8, 16
_ZSTD = b"\x28\xb5\x2f\xfd"
_FIRST_USER = 1000  # login.defs: a person's id, here whoever built it
_ZIP_DESCRIPTOR, _ZIP32, _ZIP_TRACE_SIZE = 8, 0xFFFFFFFF, 64
_ZIP_STORED, _ZIP_DEFLATED = 0, 8
_ZIP_TRACES = frozenset({0x0001, 0x000A, 0x5455, 0x5855, 0x7855, 0x7875, 0xCAFE})
"""zip64, NTFS and Unix times and owners, and the mark of a jar."""
_TAR_UNUSED = 12
"""Bytes behind the last field of a header."""
_PAX_TRACES = frozenset(
    {"mtime", "atime", "ctime", "path", "linkpath", "size", "uid", "gid", "uname", "gname"}
)
"""Keywords that are traces of packing, or are compared as what they say."""
_NEWC, _NEWC_FIELDS, _NEWC_HEADER = 6, 13, 110


class TooLargeError(ValueError):
    """A container exceeds the limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of an archive; ``attributes`` are those that unpacking keeps (type, mode, owner, link
    target). The rest of the archive is a member without a name.
    """

    name: str
    attributes: str
    body: bytes


@contextmanager
def _none_of(kind: type[Exception]) -> Iterator[None]:
    """Turn a library's own error into the error for a file that only looks like a container."""
    try:
        yield
    except kind as error:
        raise ValueError(str(error)) from error


def _rest(parts: list[bytes]) -> Iterator[Member]:
    left = b"\0".join(part for part in parts if part)
    if left:
        yield Member(name="", attributes="rest", body=left)


def gunzip(data: bytes) -> tuple[bytes, bytes]:
    """Return all members of a gzip stream, and what their headers hold beside time and name.

    RFC 1952, 2.3: the extra field and the comment; a member without content is noted.
    """
    parts, rest, room = list[bytes](), list[bytes](), MAX_UNPACKED
    while data:
        stream = zlib.decompressobj(wbits=31)
        part = stream.decompress(data, room)
        room -= len(part)
        if stream.unconsumed_tail or room <= 0:
            raise TooLargeError("unpacks to too much")
        if not stream.eof:
            raise EOFError("the stream ends early")
        rest.append(_gzip_fields(data))
        if not part and (parts or stream.unused_data):
            rest.append(b"an empty member")
        parts.append(part)
        data = stream.unused_data
    return b"".join(parts), b"\0".join(field for field in rest if field)


def _gzip_fields(data: bytes) -> bytes:
    flags, at = data[3], 10
    extra = b""
    if flags & _GZIP_EXTRA:
        size = int.from_bytes(data[at : at + 2], "little")
        extra = b"extra" + data[at + 2 : at + 2 + size]
        at += 2 + size
    if flags & _GZIP_NAME:
        at = data.index(b"\0", at) + 1
    comment = data[at : data.index(b"\0", at)] if flags & _GZIP_COMMENT else b""
    return extra + comment


def _unxz(data: bytes) -> tuple[bytes, bytes]:
    return _bounded(lzma.LZMADecompressor(memlimit=128 << 20), data), b""


def _unlzma(data: bytes) -> tuple[bytes, bytes]:
    return _bounded(lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=128 << 20), data), b""


def _bunzip2(data: bytes) -> tuple[bytes, bytes]:
    import bz2

    return _bounded(bz2.BZ2Decompressor(), data), b""


def _bounded(stream: lzma.LZMADecompressor | bz2.BZ2Decompressor, data: bytes) -> bytes:
    result = stream.decompress(data, MAX_UNPACKED)
    if not stream.eof:
        raise TooLargeError("unpacks to too much, or ends early")
    if stream.unused_data:
        raise ValueError("more behind the stream")
    return result


def _unzstd(data: bytes) -> tuple[bytes, bytes]:
    """Return the content of all frames; a frame that zstd skips makes the file unreadable."""
    import zstandard

    parts, room = [], MAX_UNPACKED
    while data:
        if not data.startswith(_ZSTD):
            raise ValueError("bytes that zstd skips")
        frame = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        with _none_of(zstandard.ZstdError):
            for at in range(0, len(data), _BLOCK):
                parts.append(frame.decompress(data[at : at + _BLOCK]))
                room -= len(parts[-1])
                if room < 0:
                    raise TooLargeError("unpacks to too much")
                if frame.eof:
                    data = frame.unused_data + data[at + _BLOCK :]
                    break
            else:
                raise EOFError("the stream ends early")
    return b"".join(parts), b""


COMPRESSORS: tuple[tuple[bytes, str, Callable[[bytes], tuple[bytes, bytes]]], ...] = (
    (b"\x1f\x8b\x08", "gzip", gunzip), (b"\xfd7zXZ\0", "xz", _unxz), (b"BZh", "bzip2", _bunzip2),
    (_ZSTD, "zstd", _unzstd), (b"]\0\0", "lzma", _unlzma),
)  # fmt: skip


def _zip(data: bytes) -> Iterator[Member]:
    """Yield the members of a zip (APPNOTE.TXT, 4.3), and all bytes of no member and no header."""
    import zipfile

    room = MAX_UNPACKED
    with _none_of(zipfile.BadZipFile), zipfile.ZipFile(BytesIO(data)) as box:
        entries = box.infolist()
        first = min((entry.header_offset for entry in entries), default=0)
        for entry in entries:
            room -= entry.file_size
            if room < 0:
                raise TooLargeError("unpacks to too much")
            with box.open(entry) as member:  # checks the local header's name
                body = member.read(entry.file_size + 1)
            attributes = str(entry.external_attr)
            if entry.filename == "mimetype":  # EPUB OCF 3.3, 4.3; OpenDocument 1.3, part 2, 3.3
                attributes += f" first {entry.header_offset == first} method {entry.compress_type}"
            yield Member(name=entry.filename, attributes=attributes, body=body)
        yield from _rest(
            [*_zip_gaps(data, entries, box.start_dir), *_zip_words(entries), box.comment]
        )


def _zip_gaps(data: bytes, entries: Sequence[zipfile.ZipInfo], directory: int) -> Iterator[bytes]:
    """Yield what lies before, between and behind the members' own bytes, and in local headers."""
    at = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        start = entry.header_offset
        if start < at:
            raise ValueError("members overlap")
        yield data[at:start]
        name, extra = struct.unpack_from("<HH", data, start + 26)
        if _zip_local(data, entry) != _zip_central(entry):
            yield data[start : start + 30]
        yield from _zip_extra(data[start + 30 + name : start + 30 + name + extra])
        at = start + 30 + name + extra + entry.compress_size
        if entry.compress_type == _ZIP_DEFLATED:
            packed = zlib.decompressobj(wbits=-15)
            packed.decompress(data[at - entry.compress_size : at], entry.file_size + 1)
            yield packed.unused_data
        elif entry.compress_type == _ZIP_STORED and entry.compress_size != entry.file_size:
            raise ValueError("a stored member of two sizes")
        if entry.flag_bits & _ZIP_DESCRIPTOR:
            at += 4 * data.startswith(b"PK\x07\x08", at)
            at += 20 if entry.file_size > _ZIP32 or entry.compress_size > _ZIP32 else 12
    yield data[at:directory]
    ends = directory
    for _ in entries:
        name, extra, comment = struct.unpack_from("<HHH", data, ends + 28)
        ends += 46 + name + extra + comment
    tail = data[ends:]
    if tail.startswith(b"PK\x06\x06"):  # of a zip64: its record and where that lies
        size = struct.unpack_from("<Q", tail, 4)[0]
        tail = tail[12 + size + 20 :]
    yield tail[22 + struct.unpack_from("<H", tail, 20)[0] :]


def _zip_local(data: bytes, entry: zipfile.ZipInfo) -> tuple[int, ...]:
    """Return flags, method, checksum and sizes of a member's own header."""
    values = struct.unpack_from("<HHHHHIII", data, entry.header_offset + 4)
    return values[1], values[2], *values[5:]


def _zip_central(entry: zipfile.ZipInfo) -> tuple[int, ...]:
    """Return the same as the directory says; a header before a descriptor holds zeros."""
    sizes = entry.CRC, entry.compress_size, entry.file_size
    if entry.flag_bits & _ZIP_DESCRIPTOR:
        sizes = 0, 0, 0
    elif max(sizes) >= _ZIP32:
        sizes = entry.CRC, _ZIP32, _ZIP32
    return entry.flag_bits, entry.compress_type, *sizes


def _zip_words(entries: Sequence[zipfile.ZipInfo]) -> Iterator[bytes]:
    for entry in entries:
        yield entry.comment
        yield from _zip_extra(entry.extra)


def _zip_extra(data: bytes) -> Iterator[bytes]:
    """Yield the extra fields that say more than times, owners and sizes (APPNOTE.TXT, 4.5)."""
    at = 0
    while at + 4 <= len(data):
        kind, size = struct.unpack_from("<HH", data, at)
        if kind not in _ZIP_TRACES or size > _ZIP_TRACE_SIZE:
            yield data[at : at + 4 + size]
        at += 4 + size
    yield data[at:]


def _tar(data: bytes) -> Iterator[Member]:
    """Yield the members of a tar (pax(1), "ustar Interchange Format"), their extended attributes
    too, and what lies in padding and behind the end.
    """
    import tarfile

    room, at, rest = MAX_UNPACKED, 0, list[bytes]()
    with _none_of(tarfile.TarError), tarfile.open(fileobj=BytesIO(data), mode="r:") as box:
        for entry in box:
            room -= entry.size
            if room < 0:
                raise TooLargeError("unpacks to too much")
            file = box.extractfile(entry) if entry.isreg() else None
            body = file.read() if file is not None else b""
            rest.append(data[at : entry.offset].strip(b"\0"))
            rest.append(data[entry.offset_data - _TAR_UNUSED : entry.offset_data].strip(b"\0"))
            at = entry.offset_data + (entry.size if entry.isreg() and not entry.issparse() else 0)
            if entry.issparse():
                raise ValueError("a sparse member")
            words = {
                name: value
                for name, value in sorted(entry.pax_headers.items())
                if name not in _PAX_TRACES
            }
            yield Member(
                name=entry.name,
                attributes=(
                    f"{entry.type!r} {entry.mode:o} {entry.linkname} {entry.devmajor}:{entry.devminor}"
                    f" {_owner(entry.uid, entry.uname)} {_owner(entry.gid, entry.gname)} {words}"
                ),
                body=body,
            )
    rest.append(data[at:].strip(b"\0"))
    yield from _rest(rest)


def _owner(number: int, name: str = "") -> str:
    """Return an owner; nothing for root and for whoever built it: that is a trace of packing."""
    return f"{number} {name}" if 0 < number < _FIRST_USER else ""


def _cpio(data: bytes) -> Iterator[Member]:
    """Yield the members of the new ASCII form, cpio(5), of each archive in the file.

    The kernel unpacks every archive of an initramfs, with zeros between them, and a compressed one
    behind (Documentation/driver-api/early-userspace/buffer-format.rst).
    """
    at, archive, rest = 0, 0, list[bytes]()
    while data[at : at + _NEWC] in (b"070701", b"070702"):
        head = [
            int(data[at + _NEWC + 8 * n : at + _NEWC + 8 + 8 * n], 16) for n in range(_NEWC_FIELDS)
        ]
        mode, size, named = head[1], head[6], head[11]
        begin = at + _NEWC_HEADER + named + -(_NEWC_HEADER + named) % 4
        name, _, more = data[at + _NEWC_HEADER : begin].partition(b"\0")
        rest.append(more.strip(b"\0"))
        if begin + size > len(data):
            raise ValueError("a member ends behind the file")
        at = begin + size + -size % 4
        rest.append(data[begin + size : at].strip(b"\0"))
        if name == b"TRAILER!!!":
            rest.append(data[begin : begin + size])
            archive += 1
            gap = len(data[at:]) - len(data[at:].lstrip(b"\0"))
            at += gap
            continue
        owner = f"{_owner(head[2])} {_owner(head[3])} {head[9]}:{head[10]}"
        yield Member(
            name=f"{archive or ''}{name.decode('utf-8', 'surrogateescape')}",
            attributes=f"{mode:o} {owner}",
            body=data[begin : begin + size],
        )
    if not archive:
        raise ValueError("no end")
    yield from _rest(rest)
    if at < len(data):
        yield Member(name="", attributes="behind the archives", body=data[at:])


ARCHIVES: Mapping[str, tuple[Callable[[bytes], bool], Callable[[bytes], Iterator[Member]]]] = {
    "zip": (lambda data: data.startswith(b"PK\x03\x04"), _zip),
    "tar": (lambda data: data[257:262] == b"ustar", _tar),
    "cpio": (lambda data: data.startswith((b"070701", b"070702")), _cpio),
}
"""Archives whose order, times and owners do not count: how to recognise one, and its members."""
