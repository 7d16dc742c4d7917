"""Symbols of an ELF file: exports, imports and their versions (gABI; LSB's symbol versioning)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from buildfarm.adapters.compare.rpm_facts.elf.elf_image import (
    DYN,
    DYNSYM,
    EXEC,
    REL,
    SYMTAB,
    VERDEF,
    VERNEED,
    VERSYM,
    ElfError,
    Image,
    Section,
)
from buildfarm.domain.compare.facts.elf_facts import ElfSymbol

# COMMON is data, IFUNC is called.
_TYPES = {0: "NOTYPE", 1: "OBJECT", 2: "FUNC", 5: "OBJECT", 6: "TLS", 10: "FUNC"}
_BINDINGS = {1: "GLOBAL", 2: "WEAK", 10: "UNIQUE"}
_VISIBILITY = ("DEFAULT", "INTERNAL", "HIDDEN", "PROTECTED")
_HIDDEN_VERSION = 0x8000
_MAX_SYMBOLS, _MAX_VERSIONS = 500_000, 0x7FFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbols:
    """Exports; undefined names, and the weak ones of them; ``file(VERSION)`` needed; versions
    defined.
    """

    exports: tuple[ElfSymbol, ...] = ()
    imports: tuple[str, ...] = ()
    weak_imports: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of a symbol table; ``info`` and ``other`` as in the gABI."""

    name: str
    info: int
    other: int
    section: int
    value: int
    size: int


def table(image: Image, section: Section) -> list[Entry]:
    """Return the rows of a symbol table. :raises ElfError: it is larger than any real one."""
    layout = "IBBHQQ" if image.wide else "IIIBBH"
    if section.size > _MAX_SYMBOLS * struct.calcsize(image.order + layout):
        raise ElfError(f"more than {_MAX_SYMBOLS} symbols")
    if section.offset in image.symbol_tables:
        return image.symbol_tables[section.offset]
    strings = image.linked(section)
    entries = []
    for row in image.rows(section, layout):
        name_at, info, other, where, value, size = (
            row if image.wide else (row[0], *row[3:6], row[1], row[2])
        )
        entries.append(
            Entry(
                name=strings.at(name_at),
                info=info,
                other=other,
                section=where,
                value=value,
                size=size,
            )
        )
    image.symbol_tables[section.offset] = entries
    return entries


def read(image: Image) -> Symbols:
    """Return the dynamic symbols; for an object file, its global ones.

    :raises ElfError: a table is malformed.
    """
    section = image.first(DYNSYM) or (
        image.first(SYMTAB) if image.type not in (EXEC, DYN) else None
    )
    if section is None:
        return Symbols()
    defined, needed = _defined_versions(image), _needed_versions(image)
    versions = (
        [row[0] for row in image.rows(versym, "H")] if (versym := image.first(VERSYM)) else []
    )
    exports: list[ElfSymbol] = []
    imports: list[str] = []
    weak: list[str] = []
    for place, entry in enumerate(table(image, section)):
        binding, kind = _BINDINGS.get(entry.info >> 4), _TYPES.get(entry.info & 15)
        visibility = _VISIBILITY[entry.other & 3]
        # Hidden symbols count in an object file only: others can link them.
        if (
            binding is None
            or kind is None
            or (visibility in ("HIDDEN", "INTERNAL") and image.type != REL)
        ):
            continue
        version = versions[place] if place < len(versions) else 1
        index = version & ~_HIDDEN_VERSION
        if not entry.section:
            label = needed.get(index, "").rpartition("(")[2].rstrip(")")
            (weak if binding == "WEAK" else imports).append(
                f"{entry.name}@{label}" if label else entry.name
            )
        # 0 is local; a needed version on a defined symbol is a copy relocation.
        elif index and index not in needed:
            exports.append(
                ElfSymbol(
                    name=entry.name,
                    version=defined.get(index, ""),
                    type=kind,
                    binding=binding,
                    size=entry.size if kind in ("OBJECT", "TLS") else 0,
                    default=not version & _HIDDEN_VERSION,
                    visibility=visibility,
                )
            )
    return Symbols(
        exports=tuple(sorted(exports, key=lambda symbol: (symbol.name, symbol.version))),
        imports=tuple(sorted(set(imports))),
        weak_imports=tuple(sorted(set(weak))),
        needs=tuple(sorted(set(needed.values()))),
        defines=tuple(sorted(set(defined.values()))),
    )


def version_labels(image: Image) -> list[str]:
    """Return the version of each row of ``.dynsym``, ``-`` before one that is not the default."""
    names = {**_defined_versions(image), **_needed_versions(image)}
    section = image.first(VERSYM)
    if section is None:
        return []
    return [
        f"{'-' if value & _HIDDEN_VERSION else ''}{names.get(value & ~_HIDDEN_VERSION, '')}"
        for (value,) in image.rows(section, "H")
    ]


def version_rows(image: Image, section: Section) -> list[tuple[str, ...]] | None:
    """Return the versions of a table of definitions or needs with flags and hashes, without their
    numbers; ``None`` if that is not all that the table holds.

    :raises ElfError: the table ends early, or is larger than any real one.
    """
    needs = section.type == VERNEED
    data, strings = image.bytes_of(section), image.linked(section)
    head, tail = ("HHIII", "IHHII") if needs else ("HHHHIII", "II")
    found: list[tuple[str, ...]] = []
    at = read = 0
    for left in range(_rows(section), 0, -1):
        version, *values, aux, following = struct.unpack_from(image.order + head, data, at)
        count, *words = values if needs else (values[2], values[0], values[3])
        first = [strings.at(words[0])] if needs else [f"{word:#x}" for word in words]
        names: list[str] = []
        entry = at + aux
        for more in range(count, 0, -1):
            *row, step = struct.unpack_from(image.order + tail, data, entry)
            names.append(strings.at(row[-1]))
            if needs:
                hidden = str(row[2] >> 15)
                found.append((*first, names[-1], f"{row[0]:#x}", f"{row[1]:#x}", hidden))
            if len(found) + len(names) > _MAX_VERSIONS:
                raise ElfError(f"more than {_MAX_VERSIONS} symbol versions")
            _not_early(step, more)
            entry += step
        if not needs:
            found.append((*first, *names))
        read += struct.calcsize(image.order + head) + count * struct.calcsize(image.order + tail)
        if version != 1 or (count and step) or (left == 1 and following):
            return None
        _not_early(following, left)
        at += following
    return found if read == section.size else None


def _defined_versions(image: Image) -> dict[int, str]:
    """Return version names by index; index 1, the base, is the file itself and has none."""
    defined: dict[int, str] = {}
    if (section := image.first(VERDEF)) is None:
        return defined
    data, strings = image.bytes_of(section), image.linked(section)
    at = 0
    for left in range(_rows(section), 0, -1):
        _, _, index, _, _, aux, following = struct.unpack_from(image.order + "HHHHIII", data, at)
        name_at = struct.unpack_from(image.order + "II", data, at + aux)[0]
        if index > 1:
            defined[index] = strings.at(name_at)
        _not_early(following, left)
        at += following
    return defined


def _needed_versions(image: Image) -> dict[int, str]:
    """Return ``file(VERSION)`` by index."""
    needed: dict[int, str] = {}
    if (section := image.first(VERNEED)) is None:
        return needed
    data, strings = image.bytes_of(section), image.linked(section)
    at, room = 0, _MAX_VERSIONS
    for left in range(_rows(section), 0, -1):
        _, count, file_at, aux, following = struct.unpack_from(image.order + "HHIII", data, at)
        entry = at + aux
        for more in range(count, 0, -1):
            _, _, index, name_at, next_entry = struct.unpack_from(
                image.order + "IHHII", data, entry
            )
            needed[index & ~_HIDDEN_VERSION] = f"{strings.at(file_at)}({strings.at(name_at)})"
            room -= 1
            if room < 0:
                raise ElfError(f"more than {_MAX_VERSIONS} symbol versions")
            _not_early(next_entry, more)
            entry += next_entry
        _not_early(following, left)
        at += following
    return needed


def _rows(section: Section) -> int:
    if section.info > _MAX_VERSIONS:
        raise ElfError(f"more than {_MAX_VERSIONS} symbol versions")
    return section.info


def _not_early(step: int, left: int) -> None:
    if not step and left > 1:
        raise ElfError("a table of symbol versions ends early")
