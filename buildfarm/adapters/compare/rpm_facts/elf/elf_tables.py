"""Canonical forms of the tables of dynamic linking and of symbols, without the linker's order.

Two linkers, or one with another hash seed, write the same symbols in another order. The order of
``.dynsym`` decides that of ``.gnu.version``, ``.gnu.hash`` and the indices in relocations, but not
what ld.so does. A hash table is replaced by the word ``verified`` only if each symbol is found by
the lookup that ld.so does (gABI, "Hash Table"; glibc elf/dl-lookup.c). Any other section keeps its
bytes. Layouts are those of the gABI.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from buildfarm.adapters.compare.rpm_facts.elf import elf_symbols
from buildfarm.adapters.compare.rpm_facts.elf.elf_image import (
    ALLOC,
    DYNAMIC,
    DYNSYM,
    NOBITS,
    REL,
    RELOCATIONS,
    SYMTAB,
    VERDEF,
    VERNEED,
    VERSYM,
    Image,
    Section,
)

_HASH, _GNU_HASH, _STRTAB, _RELA = 5, 0x6FFFFFF6, 3, 4
_COMMON_INDEX, _ABSOLUTE, _RESERVED = 0xFFF2, 0xFFF1, 0xFF00
_TLS = 0x400
_LOCAL = 0
_STRING_TAGS = frozenset(
    {1, 14, 15, 29, 0x6FFFFEFA, 0x6FFFFEFB, 0x6FFFFEFC, 0x7FFFFFFD, 0x7FFFFFFF}
)
"""NEEDED, SONAME, RPATH, RUNPATH, CONFIG, DEPAUDIT, AUDIT, AUXILIARY, FILTER."""
_ADDRESS_TAGS = frozenset({3, 4, 5, 6, 7, 12, 13, 17, 23, 25, 26, 32, 36, *range(0x6FFFFE00, 0x6FFFFF00),
                           0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFE}) - _STRING_TAGS  # fmt: skip
"""Tags whose value is an address (gABI, "Dynamic Array Tags"; GNU's from DT_ADDRRNGLO on)."""
_MAX_ROWS = 2_000_000
_ROW_SIZES = {
    DYNSYM: (16, 24),
    SYMTAB: (16, 24),
    4: (12, 24),
    9: (8, 16),
    DYNAMIC: (8, 16),
    _HASH: (4, 4),
}
"""Bytes of a row of each table, in 32-bit and in 64-bit files."""

Form = tuple[object, ...]


def forms(image: Image) -> Mapping[int, Form]:
    """Return the canonical form of each section that has one, by the section's index.

    A table that does not agree with itself has none, so its bytes are compared.
    """
    frame = _Frame.of(image)
    found: dict[int, Form] = {}
    for at, section in enumerate(image.sections):
        reader = _READERS.get(section.type) if _is_whole(image, section) else None
        form = reader(frame, at) if reader is not None else None
        if form is not None:
            found[at] = form
    return found


def _is_whole(image: Image, section: Section) -> bool:
    """Check that a table has no bytes behind its last row."""
    size = _ROW_SIZES.get(section.type, (1, 1))[image.wide]
    return section.size % size == 0


class Places:
    """Addresses as ``section+offset``; an address in no section is hexadecimal."""

    def __init__(self, image: Image) -> None:
        loaded = sorted(
            (section.address, section.size, section.name)
            for section in image.sections
            if section.flags & ALLOC and not (section.flags & _TLS and section.type == NOBITS)
        )
        self._starts = [start for start, _, _ in loaded]
        self._loaded = loaded

    def at(self, address: int) -> str:
        """Return the place of an address; the end of a section is in it if no other starts there."""
        found = bisect_right(self._starts, address) - 1
        if found < 0:
            return f"{address:#x}"
        start, size, name = self._loaded[found]
        return f"{name}+{address - start:#x}" if address <= start + size else f"{address:#x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A symbol table: its rows, and a text for each that does not depend on the order."""

    rows: list[elf_symbols.Entry]
    labels: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """A file with what the readers of its tables share."""

    image: Image
    tables: Mapping[int, _Table]
    places: Places
    string_tables: frozenset[int]

    @classmethod
    def of(cls, image: Image) -> _Frame:
        tables = {
            at: _symbols(image, section)
            for at, section in enumerate(image.sections)
            if section.type in (DYNSYM, SYMTAB)
        }
        return cls(
            image=image,
            tables=tables,
            places=Places(image),
            string_tables=frozenset(image.sections[at].link for at in tables),
        )

    @property
    def is_object(self) -> bool:
        return self.image.type == REL


def _symbols(image: Image, section: Section) -> _Table:
    rows = elf_symbols.table(image, section)
    versions = elf_symbols.version_labels(image) if section.type == DYNSYM else []
    labels = []
    for at, row in enumerate(rows):
        version = versions[at] if at < len(versions) else ""
        labels.append(f"{row.name}@{version}" if version else row.name)
    return _Table(rows=rows, labels=labels)


def _home(image: Image, index: int) -> str:
    if index in (_ABSOLUTE, _COMMON_INDEX) or index >= _RESERVED:
        return f"#{index:#x}"
    return image.sections[index].name if index < len(image.sections) else f"#{index}"


def _symbol_form(frame: _Frame, at: int) -> Form | None:
    table = frame.tables[at]
    if not _is_regular(frame.image, frame.image.sections[at], table):
        return None
    rows = []
    for row, label in zip(table.rows, table.labels, strict=True):
        if frame.is_object and _is_label(row):
            continue  # relocations name its place, see _target
        placed = not frame.is_object and row.section and row.section < _RESERVED
        where = frame.places.at(row.value) if placed else f"{row.value:#x}"
        rows.append((label, row.info, row.other, _home(frame.image, row.section), where, row.size))
    return tuple(sorted(rows))


def _is_regular(image: Image, section: Section, table: _Table) -> bool:
    """Check what the rows do not show: the empty first row, names within their table, and the
    number of local symbols in the header.
    """
    data, size = image.bytes_of(section), _ROW_SIZES[section.type][image.wide]
    names = image.sections[section.link].size
    inside = all(row[0] < names for row in image.rows(section, f"I{size - 4}x"))
    local = sum(1 for row in table.rows if row.info >> 4 == _LOCAL)
    ordered = all(row.info >> 4 == _LOCAL for row in table.rows[:local])
    return inside and ordered and section.info == local and not any(data[:size])


def _is_label(row: elf_symbols.Entry) -> bool:
    """Check for a local symbol with a place; it is no more than a name for that."""
    return row.info >> 4 == _LOCAL and 0 < row.section < _RESERVED


def _strings_form(frame: _Frame, at: int) -> Form | None:
    """Return the sorted strings: no byte is left out, whatever refers to it."""
    if at not in frame.string_tables:
        return None
    texts = bytes(frame.image.bytes_of(frame.image.sections[at])).split(b"\0")
    if not frame.is_object:
        return tuple(sorted(texts))
    named = {entry.name for entry in frame.image.sections}
    named |= {row.name for table in frame.tables.values() for row in table.rows}
    labels = {
        row.name for table in frame.tables.values() for row in table.rows if _is_label(row)
    } - {row.name for table in frame.tables.values() for row in table.rows if not _is_label(row)}
    names = {text.decode("utf-8", "backslashreplace") for text in texts}
    return tuple(sorted(names - labels)) if names <= named | {""} else None


def _relocation_form(frame: _Frame, at: int) -> Form | None:
    image, section = frame.image, frame.image.sections[at]
    table = frame.tables.get(section.link)
    added = section.type == _RELA
    layout = ("QQq" if added else "QQ") if image.wide else ("IIi" if added else "II")
    if table is None or section.size > _MAX_ROWS * struct.calcsize(image.order + layout):
        return None
    rows: list[tuple[object, ...]] = []
    for offset, info, *addend in image.rows(section, layout):
        index, kind = (info >> 32, info & 0xFFFFFFFF) if image.wide else (info >> 8, info & 255)
        if index >= len(table.rows):
            return None
        place: object = offset if frame.is_object else frame.places.at(offset)
        rows.append((place, kind, *_target(frame, table, index, addend[0] if addend else 0)))
    # A lazy stub names its relocation by number, so the order of .rela.plt counts.
    return tuple(rows if section.name.endswith(".plt") else sorted(rows, key=repr))


def _target(frame: _Frame, table: _Table, index: int, addend: int) -> tuple[str, str]:
    row = table.rows[index]
    if not index and not frame.is_object:
        return "", frame.places.at(addend)
    if frame.is_object and _is_label(row):
        return _home(frame.image, row.section), f"{row.value + addend:#x}"
    return table.labels[index], f"{addend:#x}"


def _version_index_form(frame: _Frame, at: int) -> Form | None:
    """Return each symbol's class alone: its label already has the version."""
    section = frame.image.sections[at]
    table = frame.tables.get(section.link)
    if table is None or section.size != 2 * len(table.rows):
        return None
    rows = zip(table.labels, frame.image.rows(section, "H"), strict=True)
    return tuple(sorted((label, min(value & 0x7FFF, 2), value >> 15) for label, (value,) in rows))


def _versions_form(frame: _Frame, at: int) -> Form | None:
    rows = elf_symbols.version_rows(frame.image, frame.image.sections[at])
    return None if rows is None else tuple(sorted(rows))


def _dynamic_form(frame: _Frame, at: int) -> Form:
    section = frame.image.sections[at]
    strings = frame.image.linked(section)
    rows: list[tuple[int, str]] = []
    for tag, value in frame.image.rows(section, "qQ" if frame.image.wide else "iI"):
        if tag in _STRING_TAGS:
            rows.append((tag, strings.at(value)))
        elif tag in _ADDRESS_TAGS:
            rows.append((tag, frame.places.at(value)))
        else:
            rows.append((tag, f"{value:#x}"))
    return tuple(rows)


def _gnu_hash_form(frame: _Frame, at: int) -> Form | None:
    """Make the table anew from the symbols; return its sizes if it is this one byte for byte."""
    image, section = frame.image, frame.image.sections[at]
    table, data = frame.tables.get(section.link), bytes(image.bytes_of(section))
    if table is None or len(data) < 16:  # noqa: PLR2004 -- four words
        return None
    buckets, first, words, shift = struct.unpack_from(image.order + "IIII", data)
    hashed = table.rows[first:]
    bits = 64 if image.wide else 32
    if (
        not buckets
        or not words
        or len(data) != 16 + words * bits // 8 + 4 * (buckets + len(hashed))
    ):
        return None
    bloom, starts, chain = [0] * words, [0] * buckets, [0] * len(hashed)
    values = [_gnu_hash(row.name) for row in hashed]
    for step, value in enumerate(values):
        word = value // bits % words
        bloom[word] |= 1 << value % bits | 1 << (value >> shift) % bits
        starts[value % buckets] = starts[value % buckets] or first + step
        ends = step + 1 == len(values) or values[step + 1] % buckets != value % buckets
        chain[step] = value & ~1 | ends
    letters = f"{image.order}4I{words}{'Q' if image.wide else 'I'}{buckets}I{len(hashed)}I"
    made = struct.pack(letters, buckets, first, words, shift, *bloom, *starts, *chain)
    hidden = any(_is_exported(row) for row in table.rows[:first])
    return ("verified", buckets, words, shift) if made == data and not hidden else None


def _gnu_hash(name: str) -> int:
    value = 5381
    for byte in name.encode("utf-8", "surrogateescape"):
        value = (value * 33 + byte) & 0xFFFFFFFF
    return value


def _hash_form(frame: _Frame, at: int) -> Form | None:
    section = frame.image.sections[at]
    table = frame.tables.get(section.link)
    words = [row[0] for row in frame.image.rows(section, "I")]
    if table is None or len(words) < 2:  # noqa: PLR2004 -- two counts
        return None
    buckets, count = words[:2]
    if not buckets or count != len(table.rows) or len(words) != 2 + buckets + count:
        return None
    reached: set[int] = set()
    for bucket in range(buckets):
        row = words[2 + bucket]
        while row:
            if row >= count or row in reached or _sysv(table.rows[row].name) % buckets != bucket:
                return None
            reached.add(row)
            row = words[2 + buckets + row]
    missing = set(range(1, count)) - reached
    return None if any(_is_exported(table.rows[row]) for row in missing) else ("verified", count)


def _sysv(name: str) -> int:
    value = 0
    for byte in name.encode("utf-8", "surrogateescape"):
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ high >> 24) & ~high & 0xFFFFFFFF
    return value


def _is_exported(row: elf_symbols.Entry) -> bool:
    return bool(row.section) and row.info >> 4 != _LOCAL


_READERS: Mapping[int, Callable[[_Frame, int], Form | None]] = {
    DYNSYM: _symbol_form,
    SYMTAB: _symbol_form,
    _STRTAB: _strings_form,
    **dict.fromkeys(RELOCATIONS, _relocation_form),
    VERSYM: _version_index_form,
    VERDEF: _versions_form,
    VERNEED: _versions_form,
    DYNAMIC: _dynamic_form,
    _GNU_HASH: _gnu_hash_form,
    _HASH: _hash_form,
}
