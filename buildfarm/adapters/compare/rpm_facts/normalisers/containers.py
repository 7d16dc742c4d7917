"""Compressed files and archives: their contents, within bounds, without the traces of packing.

Libraries are imported on first use: most files are not containers, and a reader starts with every
comparison.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import bz2

MAX_UNPACKED = 96 << 20
MAX_MEMBERS = 20_000
UNREADABLE = (
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    NotImplementedError,
)
"""Errors for a file that only looks like a container; it is compared as it is."""
_BLOCK = 1 << 20
_NEWC, _NEWC_FIELDS, _NEWC_HEADER = 6, 13, 110


class TooLargeError(ValueError):
    """A container exceeds the limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of an archive; ``attributes`` are those that installing keeps (type, mode, link
    target).
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


def gunzip(data: bytes) -> bytes:
    """Return all members of a gzip stream."""
    parts, room = [], MAX_UNPACKED
    while data:
        stream = zlib.decompressobj(wbits=31)
        parts.append(stream.decompress(data, room))
        room -= len(parts[-1])
        if stream.unconsumed_tail or room <= 0:
            raise TooLargeError("unpacks to too much")
        if not stream.eof:
            raise EOFError("the stream ends early")
        data = stream.unused_data
    return b"".join(parts)


def _unxz(data: bytes) -> bytes:
    return _bounded(lzma.LZMADecompressor(memlimit=128 << 20), data)


def _unlzma(data: bytes) -> bytes:
    return _bounded(lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=128 << 20), data)


def _bunzip2(data: bytes) -> bytes:
    import bz2

    return _bounded(bz2.BZ2Decompressor(), data)


def _bounded(stream: lzma.LZMADecompressor | bz2.BZ2Decompressor, data: bytes) -> bytes:
    result = stream.decompress(data, MAX_UNPACKED)
    if not stream.eof:
        raise TooLargeError("unpacks to too much, or ends early")
    if stream.unused_data:
        raise ValueError("more behind the stream")
    return result


def _unzstd(data: bytes) -> bytes:
    import zstandard

    parts, room = [], MAX_UNPACKED
    whole = zstandard.ZstdDecompressor(max_window_size=1 << 27)
    with (
        _none_of(zstandard.ZstdError),
        whole.stream_reader(BytesIO(data), read_across_frames=True) as stream,
    ):
        while block := stream.read(_BLOCK):
            room -= len(block)
            if room < 0:
                raise TooLargeError("unpacks to too much")
            parts.append(block)
    return b"".join(parts)


COMPRESSORS: tuple[tuple[bytes, str, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b\x08", "gzip", gunzip), (b"\xfd7zXZ\0", "xz", _unxz), (b"BZh", "bzip2", _bunzip2),
    (b"\x28\xb5\x2f\xfd", "zstd", _unzstd), (b"]\0\0", "lzma", _unlzma),
)  # fmt: skip


def _zip(data: bytes) -> Iterator[Member]:
    import zipfile

    room = MAX_UNPACKED
    with _none_of(zipfile.BadZipFile), zipfile.ZipFile(BytesIO(data)) as box:
        for entry in box.infolist():
            room -= entry.file_size
            if room < 0:
                raise TooLargeError("unpacks to too much")
            with box.open(entry) as member:
                body = member.read(entry.file_size + 1)
            yield Member(name=entry.filename, attributes=str(entry.external_attr), body=body)


def _tar(data: bytes) -> Iterator[Member]:
    import tarfile

    room = MAX_UNPACKED
    with _none_of(tarfile.TarError), tarfile.open(fileobj=BytesIO(data), mode="r:") as box:
        for entry in box:
            room -= entry.size
            if room < 0:
                raise TooLargeError("unpacks to too much")
            file = box.extractfile(entry) if entry.isreg() else None
            body = file.read() if file is not None else b""
            attributes = (
                f"{entry.type!r} {entry.mode:o} {entry.linkname} {entry.devmajor}:{entry.devminor}"
            )
            yield Member(name=entry.name, attributes=attributes, body=body)


def _cpio(data: bytes) -> Iterator[Member]:
    """Yield the members of the new ASCII form, cpio(5)."""
    at = 0
    while data[at : at + _NEWC] in (b"070701", b"070702"):
        head = [
            int(data[at + _NEWC + 8 * n : at + _NEWC + 8 + 8 * n], 16) for n in range(_NEWC_FIELDS)
        ]
        mode, size, named = head[1], head[6], head[11]
        begin = at + _NEWC_HEADER + named + -(_NEWC_HEADER + named) % 4
        name = data[at + _NEWC_HEADER : at + _NEWC_HEADER + named - 1].decode(
            "utf-8", "surrogateescape"
        )
        if name == "TRAILER!!!":
            return
        if begin + size > len(data):
            raise ValueError("a member ends behind the file")
        yield Member(name=name, attributes=f"{mode:o}", body=data[begin : begin + size])
        at = begin + size + -size % 4
    raise ValueError("no end")


ARCHIVES: Mapping[str, tuple[Callable[[bytes], bool], Callable[[bytes], Iterator[Member]]]] = {
    "zip": (lambda data: data.startswith(b"PK\x03\x04"), _zip),
    "tar": (lambda data: data[257:262] == b"ustar", _tar),
    "cpio": (lambda data: data.startswith((b"070701", b"070702")), _cpio),
}
"""Archives whose order, times and owners do not count: how to recognise one, and its members."""
