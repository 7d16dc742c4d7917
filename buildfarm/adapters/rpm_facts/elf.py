"""Reads an ELF file or a static archive from memory, with the standard library only.

pyelftools makes an object of every symbol and costs 0.1 s to import; a comparison needs tables. The layout is that of
elf(5) and the gABI; every offset is checked, what does not fit raises :class:`ElfError`.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from buildfarm.domain.compare.facts import ElfFacts, ElfSymbol

MAGIC = b"\x7fELF"
_EXEC, _DYN = 2, 3
_SYMTAB, _NOBITS, _DYNAMIC, _DYNSYM = 2, 8, 6, 11
_VERDEF, _VERNEED, _VERSYM = 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
_PT_INTERP, _PT_STACK, _PT_RELRO = 3, 0x6474E551, 0x6474E552
_DT_NEEDED, _DT_SONAME, _DT_RPATH, _DT_TEXTREL, _DT_BIND_NOW, _DT_RUNPATH = 1, 14, 15, 22, 24, 29
_DT_FLAGS, _DT_FLAGS_1 = 30, 0x6FFFFFFB
_TYPES = {0: "NOTYPE", 1: "OBJECT", 2: "FUNC", 5: "OBJECT", 6: "TLS", 10: "FUNC"}  # COMMON is data, IFUNC is called
_BINDINGS = {1: "GLOBAL", 2: "WEAK", 10: "UNIQUE"}
_VISIBLE = (0, 3)  # DEFAULT, PROTECTED
_HIDDEN_VERSION = 0x8000
_MANY = 0xFF00  # SHN_LORESERVE
_MAX_SECTIONS = 1_000_000
_IGNORED = frozenset(
    {".gnu_debuglink", ".gnu_debugaltlink", ".note.gnu.build-id", ".gnu_debugdata", ".note.package",
     ".note.go.buildid", ".comment", ".shstrtab"}
)  # fmt: skip
_IGNORED_PREFIXES = (
    ".debug_", ".zdebug_", ".rela.debug_", ".rel.debug_", ".gnu.build.attributes", ".rela.gnu.build.attributes",
    ".gnu.debuglto_", ".rela.gnu.debuglto_",
)  # fmt: skip


class ElfError(ValueError):
    """Not a well-formed ELF file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    name: str
    type: int
    flags: int
    offset: int
    size: int
    link: int
    info: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Image:
    """The file with what is needed to decode it: byte order, word size, sections."""

    data: bytes
    order: str
    wide: bool
    type: int
    machine: int
    flags: int
    osabi: int
    sections: tuple[_Section, ...]
    segments: tuple[tuple[int, int, int, int], ...]
    """(type, flags, offset, size in file)"""

    def bytes_of(self, section: _Section) -> memoryview:
        if section.type == _NOBITS:
            return memoryview(b"")
        if section.offset + section.size > len(self.data):
            raise ElfError(f"section {section.name} lies outside the file")
        return memoryview(self.data)[section.offset : section.offset + section.size]

    def first(self, kind: int) -> _Section | None:
        return next((section for section in self.sections if section.type == kind), None)

    def linked(self, section: _Section) -> bytes:
        """The string table a section names."""
        if section.link >= len(self.sections):
            raise ElfError(f"section {section.name} names no string table")
        return bytes(self.bytes_of(self.sections[section.link]))

    def rows(self, section: _Section, layout: str) -> Iterator[tuple[int, ...]]:
        size = struct.calcsize(self.order + layout)
        data = self.bytes_of(section)
        return struct.iter_unpack(self.order + layout, data[: len(data) // size * size])


def read(data: bytes) -> ElfFacts:
    """The facts of one ELF file. :raises ElfError: it is not well-formed."""
    try:
        return _facts(_image(data))
    except (struct.error, IndexError, OverflowError) as error:
        raise ElfError(f"malformed ELF file: {error}") from error


def _image(data: bytes) -> _Image:
    if data[:4] != MAGIC or data[4] not in (1, 2) or data[5] not in (1, 2):
        raise ElfError("not an ELF file")
    wide, order = data[4] == 2, "<" if data[5] == 1 else ">"  # noqa: PLR2004 -- ELFCLASS64
    head = struct.unpack_from(order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"), data, 16)
    kind, machine, _, _, segments_at, sections_at, flags, _, segment_size, segments, section_size, count, names = head
    layout = order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII")
    raw: list[tuple[int, ...]] = []
    if sections_at:
        first = struct.unpack_from(layout, data, sections_at)
        count = count or first[5]
        names = first[6] if names >= _MANY else names
        if count > _MAX_SECTIONS:
            raise ElfError(f"{count} sections")
        raw = [struct.unpack_from(layout, data, sections_at + place * section_size) for place in range(count)]
    strings = b""
    if names < len(raw):
        strings = data[raw[names][4] : raw[names][4] + raw[names][5]]
    sections = tuple(
        _Section(
            name=_text(strings, row[0]), type=row[1], flags=row[2], offset=row[4], size=row[5], link=row[6], info=row[7]
        )
        for row in raw
    )
    found = []
    for place in range(segments):
        row = struct.unpack_from(order + ("IIQQQQQQ" if wide else "IIIIIIII"), data, segments_at + place * segment_size)
        found.append((row[0], row[1], row[2], row[5]) if wide else (row[0], row[6], row[1], row[4]))
    return _Image(
        data=data, order=order, wide=wide, type=kind, machine=machine, flags=flags, osabi=data[7], sections=sections,
        segments=tuple(found),
    )  # fmt: skip


def _text(strings: bytes, at: int) -> str:
    end = strings.find(b"\0", at)
    if at >= len(strings) or end < 0:
        return ""
    return strings[at:end].decode("utf-8", "backslashreplace")


def _facts(image: _Image) -> ElfFacts:
    if not image.sections and image.type in (_EXEC, _DYN):
        raise ElfError("no section headers: its interface cannot be told")
    dynamic = _dynamic(image)
    interpreter = b""
    for kind, _, offset, size in image.segments:
        if kind == _PT_INTERP:
            interpreter = image.data[offset : offset + size].rstrip(b"\0")
    exports, imports, needs = _symbols(image)
    return ElfFacts(
        archive=False,
        bits=64 if image.wide else 32,
        little_endian=image.order == "<",
        osabi=image.osabi,
        type=image.type,
        machine=image.machine,
        flags=image.flags,
        soname=next(iter(dynamic.texts(_DT_SONAME)), ""),
        needed=tuple(dynamic.texts(_DT_NEEDED)),
        rpath=(*dynamic.texts(_DT_RPATH), *dynamic.texts(_DT_RUNPATH)),
        interpreter=interpreter.decode("utf-8", "backslashreplace"),
        exports=exports,
        imports=imports,
        needs=needs,
        hardening=_hardening(image, dynamic, has_interpreter=bool(interpreter)),
        sections=_digests(image),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dynamic:
    entries: tuple[tuple[int, int], ...]
    strings: bytes

    def texts(self, tag: int) -> list[str]:
        return [_text(self.strings, value) for found, value in self.entries if found == tag]

    def number(self, tag: int) -> int:
        return next((value for found, value in self.entries if found == tag), 0)

    def has(self, tag: int) -> bool:
        return any(found == tag for found, _ in self.entries)


def _dynamic(image: _Image) -> _Dynamic:
    section = image.first(_DYNAMIC)
    if section is None or section.type == _NOBITS:
        return _Dynamic(entries=(), strings=b"")
    entries = []
    for tag, value in image.rows(section, "qQ" if image.wide else "iI"):
        if tag == 0:
            break
        entries.append((tag, value))
    return _Dynamic(entries=tuple(entries), strings=image.linked(section))


def _hardening(image: _Image, dynamic: _Dynamic, *, has_interpreter: bool) -> tuple[str, ...]:
    flags, flags_1 = dynamic.number(_DT_FLAGS), dynamic.number(_DT_FLAGS_1)
    stack = [flags for kind, flags, _, _ in image.segments if kind == _PT_STACK]
    holds = {
        "pie": image.type == _DYN and (bool(flags_1 & 0x08000000) or has_interpreter),
        "relro": any(kind == _PT_RELRO for kind, *_ in image.segments),
        "bindnow": dynamic.has(_DT_BIND_NOW) or bool(flags & 8) or bool(flags_1 & 1),
        "nx": bool(stack) and not stack[0] & 1,
        "textrel": dynamic.has(_DT_TEXTREL) or bool(flags & 4),
    }
    return tuple(word for word, true in holds.items() if true)


def _symbols(image: _Image) -> tuple[tuple[ElfSymbol, ...], tuple[str, ...], tuple[str, ...]]:
    """Exports, undefined names and needed versions; of an object file its global symbols."""
    table = image.first(_DYNSYM) or (image.first(_SYMTAB) if image.type not in (_EXEC, _DYN) else None)
    if table is None:
        return (), (), ()
    strings = image.linked(table)
    defined, needed = _version_names(image)
    versions = [row[0] for row in image.rows(versym, "H")] if (versym := image.first(_VERSYM)) else []
    exports, imports = [], []
    for place, row in enumerate(image.rows(table, "IBBHQQ" if image.wide else "IIIBBH")):
        name_at, info, other, where, size = (
            (row[0], row[1], row[2], row[3], row[5]) if image.wide else (row[0], row[3], row[4], row[5], row[2])
        )
        binding, kind = _BINDINGS.get(info >> 4), _TYPES.get(info & 15)
        if binding is None or kind is None or other & 3 not in _VISIBLE:
            continue
        name = _text(strings, name_at)
        version = versions[place] if place < len(versions) else 1
        index = version & ~_HIDDEN_VERSION
        if not where:
            label = needed.get(index, "").rpartition("(")[2].rstrip(")")
            imports.append(f"{name}@{label}" if label else name)
        elif index and index not in needed:  # 0 is local; a needed version on a defined symbol is a copy relocation
            exports.append(
                ElfSymbol(
                    name=name, version=defined.get(index, ""), type=kind, binding=binding,
                    size=size if kind in ("OBJECT", "TLS") else 0, default=not version & _HIDDEN_VERSION,
                )
            )  # fmt: skip
    return tuple(exports), tuple(sorted(set(imports))), tuple(sorted(set(needed.values())))


def _version_names(image: _Image) -> tuple[dict[int, str], dict[int, str]]:
    """Version names by index: those the file defines (the base, index 1, has none), and ``file(VERSION)`` it needs."""
    defined: dict[int, str] = {}
    needed: dict[int, str] = {}
    if (section := image.first(_VERDEF)) is not None:
        data, strings = image.bytes_of(section), image.linked(section)
        at = 0
        for _ in range(section.info):
            _, _, index, _, _, aux, following = struct.unpack_from(image.order + "HHHHIII", data, at)
            name_at = struct.unpack_from(image.order + "II", data, at + aux)[0]
            if index > 1:
                defined[index] = _text(strings, name_at)
            at += following
    if (section := image.first(_VERNEED)) is not None:
        data, strings = image.bytes_of(section), image.linked(section)
        at = 0
        for _ in range(section.info):
            _, count, file_at, aux, following = struct.unpack_from(image.order + "HHIII", data, at)
            entry = at + aux
            for _ in range(count):
                _, _, index, name_at, next_entry = struct.unpack_from(image.order + "IHHII", data, entry)
                needed[index & ~_HIDDEN_VERSION] = f"{_text(strings, file_at)}({_text(strings, name_at)})"
                entry += next_entry
            at += following
    return defined, needed


def _digests(image: _Image) -> tuple[tuple[str, str], ...]:
    """(name, digest) of every section that counts; a name that comes twice gets its number."""
    digests = []
    seen: dict[str, int] = {}
    for section in image.sections[1:]:
        if section.name in _IGNORED or section.name.startswith(_IGNORED_PREFIXES):
            continue
        seen[section.name] = seen.get(section.name, 0) + 1
        name = section.name if seen[section.name] == 1 else f"{section.name}#{seen[section.name]}"
        state = hashlib.sha256(f"{section.type} {section.flags} {section.size} ".encode())
        state.update(image.bytes_of(section))
        digests.append((name, state.hexdigest()[:32]))
    return tuple(digests)
