"""Programs and libraries in Microsoft's PE form: mingw's, and what UEFI starts.

The layout is that of the PE format specification: COFF header, optional header, data directories.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from buildfarm.domain.compare.contents.pe import PeFacts

_EXPORTS, _IMPORTS, _SECURITY = 0, 1, 4
_PLUS = 0x20B
_PROTECTIONS = {0x20: "high-entropy ASLR", 0x40: "ASLR", 0x100: "NX", 0x4000: "control flow guard"}
_MAX_NAMES, _MAX_NAME = 100_000, 4096


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    address: int
    size: int
    offset: int
    stored: int


class _Image:
    def __init__(self, data: bytes) -> None:
        self.data = data
        (start,) = struct.unpack_from("<I", data, 60)
        self.machine, count, _, _, _, size, _ = struct.unpack_from("<HHIIIHH", data, start + 4)
        optional = start + 24
        (magic,) = struct.unpack_from("<H", data, optional)
        self.wide = magic == _PLUS
        self.subsystem, self.flags = struct.unpack_from("<HH", data, optional + 68)
        self._directories = optional + (112 if self.wide else 96)
        table = optional + size
        self.sections = [self._section(table + 40 * at) for at in range(count)]

    def _section(self, at: int) -> _Section:
        name, size, address, stored, offset = struct.unpack_from("<8sIIII", self.data, at)
        return _Section(name.rstrip(b"\0").decode("latin-1"), address, size, offset, stored)

    def directory(self, number: int) -> tuple[int, int]:
        address, size = struct.unpack_from("<II", self.data, self._directories + 8 * number)
        return address, size

    def at(self, address: int) -> int:
        """Return the offset in the file of an address. :raises ValueError: no section has it."""
        for section in self.sections:
            if section.address <= address < section.address + max(section.size, section.stored):
                return section.offset + address - section.address
        raise ValueError("an address outside all sections")

    def text(self, address: int) -> str:
        start = self.at(address)
        end = self.data.index(b"\0", start, start + _MAX_NAME)
        return self.data[start:end].decode("utf-8", "backslashreplace")


def read(data: bytes) -> PeFacts | None:
    """Return the interface and the protections of a PE file; ``None`` if it is none.

    :raises ValueError: it is malformed.
    """
    if not data.startswith(b"MZ") or len(data) < 64:  # noqa: PLR2004 -- the DOS header
        return None
    (start,) = struct.unpack_from("<I", data, 60)
    if data[start : start + 4] != b"PE\0\0":
        return None
    try:
        image = _Image(data)
        return PeFacts(
            machine=image.machine,
            subsystem=image.subsystem,
            exports=tuple(sorted(_exports(image))),
            imports=tuple(sorted(_imports(image))),
            protections=tuple(word for bit, word in _PROTECTIONS.items() if image.flags & bit),
            is_signed=image.directory(_SECURITY) != (0, 0),
            sbat=_sbat(image),
        )
    except (struct.error, IndexError) as error:
        raise ValueError(f"malformed PE file: {error}") from error


def _exports(image: _Image) -> Iterator[str]:
    address, _ = image.directory(_EXPORTS)
    if not address:
        return
    count, _, names = struct.unpack_from("<III", image.data, image.at(address) + 24)
    if count > _MAX_NAMES:
        raise ValueError(f"{count} exports")
    table = image.at(names) if count else 0
    for at in range(count):
        yield image.text(struct.unpack_from("<I", image.data, table + 4 * at)[0])


def _imports(image: _Image) -> Iterator[str]:
    address, _ = image.directory(_IMPORTS)
    if not address:
        return
    row, left = image.at(address), _MAX_NAMES
    width, ordinal = (8, 1 << 63) if image.wide else (4, 1 << 31)
    while True:
        lookup, _, _, name, first = struct.unpack_from("<IIIII", image.data, row)
        if not name:
            return
        library, at = image.text(name).lower(), image.at(lookup or first)
        while value := int.from_bytes(image.data[at : at + width], "little"):
            word = f"#{value & 0xFFFF}" if value & ordinal else image.text((value & 0x7FFFFFFF) + 2)
            yield f"{library}:{word}"
            at += width
            left -= 1
            if not left:
                raise ValueError("more imports than any real file has")
        row += 20


def _sbat(image: _Image) -> str:
    """Return the revocation data that shim checks (shim's SBAT.md)."""
    for section in image.sections:
        if section.name == ".sbat":
            body = image.data[section.offset : section.offset + min(section.size, section.stored)]
            return body.rstrip(b"\0").decode("utf-8", "backslashreplace")
    return ""
