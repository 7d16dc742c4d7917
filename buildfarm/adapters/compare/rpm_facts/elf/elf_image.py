"""The frame of an ELF file: header, section and program headers, and bounds.

The layout is that of elf(5) and the gABI. Every offset is checked, and :class:`ElfError` is raised
for a wrong one; the cost is at most a few times the file's size, whatever its headers contain.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from buildfarm.adapters.compare.rpm_facts.errors import MalformedError

MAGIC = b"\x7fELF"
REL, EXEC, DYN = 1, 2, 3
SYMTAB, NOTE, NOBITS, DYNAMIC, DYNSYM = 2, 7, 8, 6, 11
VERDEF, VERNEED, VERSYM = 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
RELOCATIONS = (4, 9)
ALLOC, CODE, INFO_LINK = 2, 4, 0x40
PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE, PT_STACK, PT_RELRO = 1, 2, 3, 4, 0x6474E551, 0x6474E552
X, W = 1, 2
_MANY = 0xFF00  # SHN_LORESERVE
_MAX_SECTIONS, _MAX_SEGMENTS, _MAX_PLACES = 200_000, 4096, 4_000_000
_MAX_NAMES = 96 << 20
_SLACK = 1 << 20


class ElfError(MalformedError):
    """Not a well-formed ELF file."""


class Strings:
    """A string table; refused if overlapping names add up to more than any real file's."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = bytes(data)
        self._room = _MAX_NAMES

    def at(self, offset: int) -> str:
        """Return the name at an offset, empty behind the table's end.

        :raises ElfError: it has no end, or the names add up to too much.
        """
        if offset >= len(self._data):
            return ""
        end = self._data.find(b"\0", offset)
        self._room -= end - offset
        if end < 0 or self._room < 0:
            raise ElfError("a name without an end" if end < 0 else "the names of a table overlap")
        return self._data[offset:end].decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section header; sizes and offsets are bytes."""

    name: str
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry_size: int

    @property
    def stored(self) -> int:
        """The number of its bytes in the file."""
        return 0 if self.type == NOBITS else self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One program header."""

    type: int
    flags: int
    offset: int
    address: int
    file_size: int
    memory_size: int
    align: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A file with the values needed to decode it: byte order, word size, sections, segments."""

    data: bytes
    order: str
    wide: bool
    type: int
    machine: int
    flags: int
    osabi: int
    """EI_OSABI, and EI_ABIVERSION in the next byte."""
    entry: int
    sections: tuple[Section, ...]
    segments: tuple[Segment, ...]
    headers: tuple[tuple[int, int], ...]
    """(start, end) of the file's own tables."""
    symbol_tables: dict[int, list[Any]] = field(default_factory=dict, compare=False, repr=False)
    """Rows that were read already, by the table's offset: several readers want the same."""

    def bytes_of(self, section: Section) -> memoryview:
        """Return the section's content, empty if it has no bytes in the file."""
        if section.type == NOBITS:
            return memoryview(b"")
        if section.offset + section.size > len(self.data):
            raise ElfError(f"section {section.name} lies outside the file")
        return memoryview(self.data)[section.offset : section.offset + section.size]

    def first(self, kind: int) -> Section | None:
        """Return the first section of a type."""
        return next((section for section in self.sections if section.type == kind), None)

    def named(self, name: str) -> Section | None:
        """Return the first section of a name."""
        return next((section for section in self.sections if section.name == name), None)

    def linked(self, section: Section) -> Strings:
        """Return the string table that a section names."""
        if section.link >= len(self.sections):
            raise ElfError(f"section {section.name} names no string table")
        return Strings(self.bytes_of(self.sections[section.link]))

    def rows(self, section: Section, layout: str) -> Iterator[tuple[int, ...]]:
        """Yield the rows of a section as a table of ``layout`` (struct's letters, without byte
        order).
        """
        size = struct.calcsize(self.order + layout)
        data = self.bytes_of(section)
        return struct.iter_unpack(self.order + layout, data[: len(data) // size * size])

    def place(self, address: int) -> str:
        """Return ``section+offset`` of an address; empty if no section holds it."""
        for section in self.sections:
            if section.flags & ALLOC and section.address <= address < section.address + max(
                section.size, 1
            ):
                return f"{section.name}+{address - section.address:#x}"
        return ""


def parse(data: bytes) -> Image:
    """Read the frame. :raises ElfError, struct.error: it is not well-formed."""
    if data[:4] != MAGIC or data[4] not in (1, 2) or data[5] not in (1, 2):
        raise ElfError("not an ELF file")
    wide, order = data[4] == 2, "<" if data[5] == 1 else ">"  # noqa: PLR2004 -- ELFCLASS64
    head = struct.unpack_from(order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"), data, 16)
    kind, machine, version, entry, segments_at, sections_at, flags, own_size = head[:8]
    segment_size, segments, section_size, count, names = head[8:]
    if (version, data[6]) != (1, 1) or own_size != (64 if wide else 52):
        raise ElfError("not of ELF's version 1")
    layout = order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII")
    raw: list[tuple[int, ...]] = []
    if sections_at:
        if section_size != struct.calcsize(layout):
            raise ElfError(f"section headers of {section_size} bytes")
        first = struct.unpack_from(layout, data, sections_at)
        count = count or first[5]
        names = first[6] if names >= _MANY else names
        if count > _MAX_SECTIONS:
            raise ElfError(f"{count} sections")
        raw = [
            struct.unpack_from(layout, data, sections_at + place * section_size)
            for place in range(count)
        ]
    strings = Strings(
        data[raw[names][4] : raw[names][4] + raw[names][5]] if names < len(raw) else b""
    )
    image = Image(
        data=data,
        order=order,
        wide=wide,
        type=kind,
        machine=machine,
        flags=flags,
        osabi=data[7] | data[8] << 8,
        entry=entry,
        sections=tuple(_section(row, strings) for row in raw),
        segments=_segments(data, segments_at, segments, segment_size, order=order, wide=wide),
        headers=(
            (0, 64 if wide else 52),
            (segments_at, segments_at + segments * segment_size),
            (sections_at, sections_at + count * section_size),
        ),
    )
    _check(image)
    return image


def _section(row: tuple[int, ...], strings: Strings) -> Section:
    return Section(
        name=strings.at(row[0]), type=row[1], flags=row[2], address=row[3], offset=row[4],
        size=row[5], link=row[6], info=row[7], align=row[8], entry_size=row[9],
    )  # fmt: skip


def _segments(
    data: bytes, at: int, count: int, size: int, *, order: str, wide: bool
) -> tuple[Segment, ...]:
    layout = order + ("IIQQQQQQ" if wide else "IIIIIIII")
    if count and size != struct.calcsize(layout):
        raise ElfError(f"program headers of {size} bytes")
    if count > _MAX_SEGMENTS:
        raise ElfError(f"{count} program headers")
    found = []
    for place in range(count):
        row = struct.unpack_from(layout, data, at + place * size)
        if not wide:  # p_flags comes after the sizes in the 32-bit form
            row = (row[0], row[6], *row[1:6], row[7])
        found.append(
            Segment(
                type=row[0], flags=row[1], offset=row[2], address=row[3], file_size=row[5],
                memory_size=row[6], align=row[7],
            )
        )  # fmt: skip
    return tuple(found)


def _check(image: Image) -> None:
    """Refuse files that are expensive to read, and section headers that contradict the loader's
    view.
    """
    if sum(section.stored for section in image.sections) > 2 * len(image.data) + _SLACK:
        raise ElfError("its sections overlap")
    if len(image.sections) * len(image.segments) > _MAX_PLACES:
        raise ElfError(f"{len(image.sections)} sections and {len(image.segments)} program headers")
    dynamic = image.first(DYNAMIC)
    loaded = next((segment for segment in image.segments if segment.type == PT_DYNAMIC), None)
    if dynamic is not None and loaded is not None and dynamic.offset != loaded.offset:
        raise ElfError("the section headers name another dynamic section than the program headers")
