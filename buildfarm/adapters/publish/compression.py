"""Compress metadata: in members where every reader reads consecutive streams as one, else whole."""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import Protocol

import zstandard

from buildfarm.domain.target.repodata_style import Compression

Buffer = bytes | memoryview


class Packer(Protocol):
    """Compresses one file as a single stream."""

    def compress(self, data: Buffer, /) -> bytes:
        """Take more data and return the output that is ready."""

    def flush(self) -> bytes:
        """Return the rest of the output."""


def compressed_member(data: bytes, how: Compression) -> bytes:
    """Return one stream of a file of several, without time or name, so that it is reproducible.

    gzip: members (RFC 1952, 2.2); zstd: frames (RFC 8878, 3). Empty for the others: createrepo_c
    reads only the first stream of bz2 and xz files; see :func:`whole_file_packer`.
    """
    if how == "gz":
        stream = zlib.compressobj(6, zlib.DEFLATED, 31)
        return stream.compress(data) + stream.flush()
    return zstandard.ZstdCompressor(level=9).compress(data) if how == "zstd" else b""


def whole_file_packer(how: Compression) -> Packer | None:
    """Return a packer for the whole file; ``None`` where the file is made of members."""
    if how == "bz2":
        return bz2.BZ2Compressor()
    return lzma.LZMACompressor(preset=2) if how == "xz" else None
