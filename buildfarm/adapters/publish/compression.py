"""How metadata is packed: piece by piece where every reader takes streams one behind the other as
one, else from end to end.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import Protocol

import zstandard

from buildfarm.domain.target.repodata_style import Compression

Buffer = bytes | memoryview


class Packer(Protocol):
    """Packs one file from end to end."""

    def compress(self, data: Buffer, /) -> bytes:
        """Return what comes out so far."""

    def flush(self) -> bytes:
        """The rest."""


def piece(data: bytes, how: Compression) -> bytes:
    """One stream of a file made of many, without a time and without a name: the same data, the same
    bytes.

    gzip: members (RFC 1952, 2.2); zstd: frames (RFC 8878, 3). Empty for the others: createrepo_c
    reads only the first stream of bz2 and xz files, so those are packed by :func:`whole`.
    """
    if how == "gz":
        stream = zlib.compressobj(6, zlib.DEFLATED, 31)
        return stream.compress(data) + stream.flush()
    return zstandard.ZstdCompressor(level=9).compress(data) if how == "zstd" else b""


def whole(how: Compression) -> Packer | None:
    """Return what packs a file from end to end; ``None`` where pieces will do."""
    if how == "bz2":
        return bz2.BZ2Compressor()
    return lzma.LZMACompressor(preset=2) if how == "xz" else None
