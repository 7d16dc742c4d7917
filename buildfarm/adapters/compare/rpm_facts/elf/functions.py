"""Starts and names of the functions of an ELF file.

Names come from the symbol tables (the file's own, its ``.gnu_debugdata``, its debuginfo file's);
starts of functions without a name come from the unwind table that every compiled function has
(LSB, "Exception Frames"; DWARF 5, 6.4.1).
"""

from __future__ import annotations

import lzma
import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from buildfarm.adapters.compare.rpm_facts.elf import elf_image, elf_symbols
from buildfarm.adapters.compare.rpm_facts.elf.elf_image import (
    ALLOC,
    CODE,
    DYNSYM,
    NOBITS,
    SYMTAB,
    ElfError,
    Image,
    Section,
)

_FUNCTION, _IFUNC = 2, 10
_RELATIVE_WORD = 0x1B  # DW_EH_PE_pcrel | DW_EH_PE_sdata4
_EXTENDED = 0xFFFFFFFF
_MAX_NAMES = 64 << 20
_DAMAGED = (ElfError, struct.error, IndexError, OverflowError, lzma.LZMAError, EOFError)


@dataclass(slots=True)
class Room:
    """Bytes of code that may still be decoded for one pair of RPMs; a MiB takes one to three seconds."""

    left: int = 16 << 20


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes of one function: addresses from ``start`` up to ``end``; ``name`` may be empty.

    ``size`` is its own length as the unwind table has it, without fill; 0 where that is unknown.
    """

    name: str
    section: str
    start: int
    end: int
    size: int = 0


def spans(image: Image, debug: Image | None = None) -> list[Span]:
    """Return all loaded code, in order of addresses, cut where functions start.

    The first span of a section has the section's name unless a function starts there.
    """
    names = _names(image, debug)
    sizes = dict(_unwound(image))
    starts = sorted(names.keys() | sizes.keys())
    found: list[Span] = []
    for section in sorted(code_sections(image), key=lambda section: section.address):
        end = section.address + section.size
        at = bisect_right(starts, section.address)
        cuts = [section.address]
        while at < len(starts) and starts[at] < end:
            cuts.append(starts[at])
            at += 1
        for start, stop in zip(cuts, [*cuts[1:], end], strict=True):
            name = names.get(start, section.name if start == section.address else "")
            found.append(Span(name, section.name, start, stop, sizes.get(start, 0)))
    return found


def code_sections(image: Image) -> list[Section]:
    """Return the sections that are loaded and executed."""
    return [
        section
        for section in image.sections
        if section.flags & CODE and section.flags & ALLOC and section.type != NOBITS
    ]


def _names(image: Image, debug: Image | None) -> dict[int, str]:
    found: dict[int, str] = {}
    for source in (image, debug, _mini(image)):
        for table in (SYMTAB, DYNSYM):
            section = source.first(table) if source is not None else None
            if source is None or section is None or section.type == NOBITS:
                continue
            try:
                rows = elf_symbols.table(source, section)
            except _DAMAGED:
                continue  # names help people; a file is compared without them
            for row in rows:
                if row.info & 15 in (_FUNCTION, _IFUNC) and row.section and row.name:
                    found[row.value] = min(row.name, found.get(row.value, row.name))
    return found


def _mini(image: Image) -> Image | None:
    """Return the symbols that rpmbuild leaves in a stripped program (gdb's MiniDebugInfo)."""
    section = image.named(".gnu_debugdata")
    if section is None:
        return None
    try:
        data = lzma.LZMADecompressor().decompress(
            bytes(image.bytes_of(section)), max_length=_MAX_NAMES
        )
        return elf_image.parse(data)
    except _DAMAGED:
        return None


def _unwound(image: Image) -> Iterator[tuple[int, int]]:
    """Yield where the functions of the unwind table start, and their sizes; nothing from a damaged
    one.
    """
    section = image.named(".eh_frame")
    if section is None or section.type == NOBITS:
        return
    data = image.bytes_of(section)
    encodings: dict[int, int] = {}
    at = 0
    try:
        while at + 8 <= len(data):
            length, identity = struct.unpack_from(image.order + "II", data, at)
            if not length or length == _EXTENDED:
                return
            if not identity:
                encodings[at] = _encoding(bytes(data[at + 8 : at + 4 + length]))
            elif encodings.get(at + 4 - identity) == _RELATIVE_WORD:
                offset, size = struct.unpack_from(image.order + "iI", data, at + 8)
                yield section.address + at + 8 + offset, size
            at += 4 + length
    except _DAMAGED:
        return


def _encoding(entry: bytes) -> int:
    """Return how a CIE's FDEs write addresses (``R`` of its augmentation)."""
    augmentation, _, rest = entry[1:].partition(b"\0")
    if not augmentation.startswith(b"z"):
        return 0
    values = _Bytes(rest)
    values.number()  # code alignment
    values.number()  # data alignment
    values.number()  # return address
    values.number()  # length of the augmentation's data
    for letter in augmentation[1:].decode("latin-1"):
        if letter == "R":
            return values.byte()
        if letter == "L":
            values.byte()
        elif letter == "P":
            values.skip({0x1B: 4, 0x9B: 4, 0x00: 8, 0x03: 4, 0x0B: 4}.get(values.byte(), 8))
    return 0


class _Bytes:
    def __init__(self, data: Sequence[int]) -> None:
        self._data, self._at = data, 0

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def skip(self, count: int) -> None:
        self._at += count

    def number(self) -> int:
        """Read a LEB128 number, without its sign."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:  # noqa: PLR2004 -- the last byte of a number
                return value
