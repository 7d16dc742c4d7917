"""Everything inside a file: decompressed and unpacked, archives in archives; runs in the sandbox.

Depth, the size of one chunk and all bytes read are limited. Data that was not read because of a
limit or damage is reported, never taken for clean.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

import zstandard

from buildfarm.adapters.system.rpm_bindings import rpm

MEBIBYTE = 1 << 20
_DEPTH = 8
_CHUNK = 256 * MEBIBYTE
_ALL = 8192 * MEBIBYTE
_CHUNKS = 500_000
_RPM_LEAD = b"\xed\xab\xee\xdb"
_PAYLOADS = {"gzip": "gzdio", "xz": "xzdio", "zstd": "zstdio", "bzip2": "bzdio", "lzma": "lzdio"}
ERRORS = (
    OSError, EOFError, ValueError, lzma.LZMAError, zlib.error, tarfile.TarError, zipfile.BadZipFile,
    zstandard.ZstdError, NotImplementedError, RuntimeError, rpm.error,
)  # fmt: skip
"""Errors of archive readers for a file that is not of the kind of its first bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Bytes at a place (``a!b`` is b inside a); or, in ``unread``, why there are none."""

    where: str
    data: bytes = b""
    unread: str = ""


@dataclass(slots=True)
class Budget:
    """The number of bytes and chunks that one run may still read."""

    left: int = _ALL
    chunks: int = _CHUNKS
    over: str = field(default="")

    def take(self, size: int) -> bool:
        """Take ``size`` bytes from the budget; False if it is exceeded."""
        self.left -= size
        self.chunks -= 1
        if self.left < 0 or self.chunks < 0:
            self.over = f"more than {_ALL // MEBIBYTE} MiB or {_CHUNKS} files in all"
        return not self.over


def chunks(where: str, data: bytes, budget: Budget, depth: int = 0) -> Iterator[Chunk]:
    """Yield the contents at every depth; the bytes themselves where they hold nothing more.

    They are yielded as well where not all of the contents could be read.
    """
    if not budget.take(len(data)):
        yield Chunk(where=where, unread=budget.over)
        return
    opener = _opener(data)
    if opener is None or depth >= _DEPTH:
        yield Chunk(where=where, data=data)
    if opener is None:
        return
    if depth >= _DEPTH:
        yield Chunk(where=where, unread=f"archives nested more than {_DEPTH} deep")
        return
    begun = False
    try:
        for name, content in opener(data):
            begun = True
            inner = f"{where}!{name}" if name else where
            if content is None:
                yield Chunk(where=inner, unread=f"larger than {_CHUNK // MEBIBYTE} MiB")
            else:
                yield from chunks(inner, content, budget, depth + 1)
                if budget.over:
                    return
    except ERRORS as error:
        yield Chunk(where=where, data=data)
        if begun:  # else it only looks like an archive
            yield Chunk(where=where, unread=f"an archive that is damaged: {error}")


Members = Iterator[tuple[str, bytes | None]]


def _opener(data: bytes) -> Callable[[bytes], Members] | None:
    for magic, opener in _BY_MAGIC.items():
        if data.startswith(magic):
            return opener
    return _tar if data[257:262] == b"ustar" else None


def _one(file: io.BufferedIOBase | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile) -> Members:
    with file:
        content = file.read(_CHUNK + 1)
    yield "", content if len(content) <= _CHUNK else None


def _zstd(data: bytes) -> Members:
    with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(
        io.BytesIO(data), read_across_frames=True
    ) as reader:
        parts, size = [], 0
        while size <= _CHUNK and (part := reader.read(MEBIBYTE)):
            parts.append(part)
            size += len(part)
    yield "", b"".join(parts) if size <= _CHUNK else None


def _tar(data: bytes) -> Members:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in archive:
            if member.issym() or member.islnk():
                yield member.name, member.linkname.encode("utf-8", "surrogateescape")
            elif member.isfile():
                yield member.name, _read(archive.extractfile(member), member.size)


def _read(file: IO[bytes] | None, size: int) -> bytes | None:
    return None if file is None or size > _CHUNK else file.read()


def _zip(data: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if archive.comment:
            yield "(comment)", archive.comment
        for info in archive.infolist():
            if not info.is_dir():
                if info.file_size > _CHUNK:
                    yield info.filename, None
                    continue
                with archive.open(info) as file:
                    content = file.read(_CHUNK + 1)
                yield info.filename, content if len(content) <= _CHUNK else None


def _cpio(data: bytes) -> Members:
    """Yield the members of the new ASCII form (cpio(5)); a link's content is its target."""
    at = 0
    while data[at : at + 6] in (b"070701", b"070702"):
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        size, name_size = fields[6], fields[11]
        name = data[at + 110 : at + 110 + name_size - 1].decode("utf-8", "replace")
        begin = at + 110 + name_size + (-(110 + name_size)) % 4
        if name == "TRAILER!!!":
            return
        if begin + size > len(data):
            raise ValueError(f"{name} ends before its {size} bytes")
        yield name, data[begin : begin + size]
        at = begin + size + (-size) % 4
    raise ValueError("no end")


def _ar(data: bytes) -> Members:
    at = 8
    while at + 60 <= len(data):
        name = data[at : at + 16].decode("utf-8", "replace").rstrip(" /")
        size = int(data[at + 48 : at + 58])
        yield name or "symbols", data[at + 60 : at + 60 + size]
        at += 60 + size + size % 2


def _rpm(data: bytes) -> Members:
    """Yield the texts of the header and the files of an RPM inside another file."""
    handle = os.memfd_create("rpm")
    try:
        os.write(handle, data) if len(data) < MEBIBYTE else _write_all(handle, data)
        os.lseek(handle, 0, os.SEEK_SET)
        transaction = rpm.TransactionSet()
        transaction.setVSFlags(rpm.RPMVSF_MASK_NOSIGNATURES | rpm.RPMVSF_MASK_NODIGESTS)
        header = transaction.hdrFromFdno(handle)
        yield from rpm_members(header, handle)
    finally:
        os.close(handle)


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def rpm_members(header: Mapping[int, object], handle: int, *, most: int = _CHUNK) -> Members:
    """Yield the files of an opened RPM; ``handle`` is after its header.

    A link's content is its target; a file of more than ``most`` bytes has none.
    """
    files = rpm.files(header)
    payload = rpm.fd(
        os.dup(handle),
        "r",
        _PAYLOADS.get(str(header[rpm.RPMTAG_PAYLOADCOMPRESSOR] or "gzip"), "gzdio"),
    )
    archive = files.archive(payload)
    for entry in archive:
        if entry.linkto:
            yield entry.name, raw(entry.linkto)
        elif archive.hascontent():
            yield entry.name, archive.read(entry.size) if entry.size <= most else None


def raw(text: str) -> bytes:
    """Return the header's bytes: rpm returns bytes that are not UTF-8 as surrogates."""
    return text.encode("utf-8", "surrogateescape")


_BY_MAGIC: Mapping[bytes, Callable[[bytes], Members]] = {
    b"\x1f\x8b": lambda data: _one(gzip.GzipFile(fileobj=io.BytesIO(data))),
    b"BZh": lambda data: _one(bz2.BZ2File(io.BytesIO(data))),
    b"\xfd7zXZ\x00": lambda data: _one(lzma.LZMAFile(io.BytesIO(data))),  # noqa: SIM115  # _one closes it
    b"]\x00\x00": lambda data: _one(lzma.LZMAFile(io.BytesIO(data), format=lzma.FORMAT_ALONE)),  # noqa: SIM115  # _one closes it
    b"\x28\xb5\x2f\xfd": _zstd,
    b"PK\x03\x04": _zip,
    b"070701": _cpio,
    b"070702": _cpio,
    b"!<arch>\n": _ar,
    _RPM_LEAD: _rpm,
}
