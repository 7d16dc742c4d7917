"""Fonts in the sfnt form (OpenType specification, "Font file"): FontForge's own time stamps.

FontForge writes table ``FFTM``: when it was built itself, and when the font was made and changed
(fontforge, "Non-standard SFNT tables"). Two checksums follow from it. They are taken out only if they
are right, so that nothing else can hide behind them.
"""

from __future__ import annotations

import struct

_VERSIONS = (b"\0\1\0\0", b"OTTO", b"true")
_STAMPS = 28
_MAGIC = 0xB1B0AFBA
_ADJUSTMENT = 8
"""Offset in ``head`` of the number that makes the sum of the whole file :data:`_MAGIC`."""


def without_stamps(data: bytes) -> bytes:
    """Return the font with the times of ``FFTM`` and the checksums that follow from them zeroed; any
    other file, and a font whose checksums are wrong, as it is.
    """
    if data[:4] not in _VERSIONS or len(data) % 4:
        return data
    (count,) = struct.unpack_from(">H", data, 4)
    if 12 + 16 * count > len(data):
        return data
    records = [
        (12 + 16 * at, *struct.unpack_from(">4sIII", data, 12 + 16 * at)) for at in range(count)
    ]
    tables = {
        tag: (record, checksum, offset, size) for record, tag, checksum, offset, size in records
    }
    if b"FFTM" not in tables or b"head" not in tables:
        return data
    record, checksum, offset, size = tables[b"FFTM"]
    adjustment = tables[b"head"][2] + _ADJUSTMENT
    if size != _STAMPS or offset + size > len(data) or adjustment + 4 > len(data):
        return data
    made = bytearray(data)
    struct.pack_into(">I", made, adjustment, 0)
    whole = (_MAGIC - _sum(bytes(made))) & 0xFFFFFFFF
    if _sum(data[offset : offset + size]) != checksum or data[
        adjustment : adjustment + 4
    ] != whole.to_bytes(4, "big"):
        return data
    made[offset + 4 : offset + size] = bytes(size - 4)
    struct.pack_into(">I", made, record + 4, 0)
    return bytes(made)


def _sum(data: bytes) -> int:
    words: tuple[int, ...] = struct.unpack(f">{len(data) // 4}I", data)
    return sum(words) & 0xFFFFFFFF
