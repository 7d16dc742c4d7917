"""Read an ELF file from memory, with the standard library only.

pyelftools makes an object for each symbol and takes 0.1 s to import; a comparison needs tables. The
frame is read by :mod:`.elf_image`, symbols by :mod:`.elf_symbols`, notes by :mod:`.elf_notes`,
kernel modules by :mod:`.kernel_module`.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from buildfarm.adapters.compare.rpm_facts.elf import (
    elf_image,
    elf_notes,
    elf_symbols,
    elf_tables,
    kernel_module,
    toolchain,
)
from buildfarm.adapters.compare.rpm_facts.elf.elf_image import (
    ALLOC,
    CODE,
    DYN,
    DYNAMIC,
    EXEC,
    INFO_LINK,
    MAGIC,
    NOTE,
    PT_INTERP,
    PT_NOTE,
    REL,
    RELOCATIONS,
    SYMTAB,
    ElfError,
    Image,
    Section,
    Segment,
    Strings,
)
from buildfarm.domain.compare.facts.elf_facts import ElfFacts

__all__ = ["MAGIC", "ElfError", "read"]

_DT_NEEDED, _DT_SONAME, _DT_RPATH, _DT_TEXTREL, _DT_BIND_NOW, _DT_RUNPATH = 1, 14, 15, 22, 24, 29
_DT_FLAGS, _DT_FLAGS_1 = 30, 0x6FFFFFFB
_DT_LOADS = {
    0x6FFFFEFB: "DEPAUDIT",
    0x6FFFFEFC: "AUDIT",
    0x7FFFFFFD: "AUXILIARY",
    0x7FFFFFFF: "FILTER",
}
"""Tags that load a further library (glibc, elf/dl-load.c and elf/rtld.c)."""
_MAX_DYNAMIC = 20_000
_NOTE_HEADER = 12
_IGNORED = frozenset(
    {".gnu_debuglink", ".gnu_debugaltlink", ".note.gnu.build-id", ".note.go.buildid", ".shstrtab"}
)
_PACKAGE = ".note.package"
_PACKAGE_VERSION = re.compile(rb'("version"\s*:\s*")[^"]{0,200}')
"""systemd's "Package Metadata for ELF Files": our release may have a suffix."""
_DWARF = re.compile(
    r"\.z?debug_(?:abbrev|addr|aranges|cu_index|frame|info|line|line_str|loc|loclists|macinfo|macro|names|pubnames"
    r"|pubtypes|ranges|rnglists|str|str_offsets|sup|tu_index|types)"
)
"""Sections of DWARF 5, 7.32, and before; ``.debug_gdb_scripts`` is none: gdb runs what it names."""
_DEBUG_PREFIXES = (".rela.debug_", ".rel.debug_", ".gnu.build.attributes", ".rela.gnu.build.attributes",
                   ".gnu.debuglto_", ".rela.gnu.debuglto_")  # fmt: skip
_SYMBOLS = frozenset({".symtab", ".strtab", ".gnu_debugdata"})
_LTO = re.compile(r"^(\.gnu\.lto_.*?)\.[0-9a-f]{6,}$")
_FILL = b"\0\xcc\x90"  # the fill that linkers put between sections: zeros, int3, nop


def read(data: bytes, masked: Callable[[str], str] = str) -> ElfFacts:
    """Return the facts of one ELF file; ``masked`` replaces a kernel module's release.

    :raises ElfError: not well-formed.
    """
    try:
        data, signature = kernel_module.without_signature(data)
        return _facts(elf_image.parse(data), signature, masked)
    except (struct.error, IndexError, OverflowError) as error:
        raise ElfError(f"malformed ELF file: {error}") from error


def _facts(image: Image, signature: str, masked: Callable[[str], str]) -> ElfFacts:
    if not image.sections and image.type in (EXEC, DYN):
        raise ElfError("no section headers: its interface cannot be told")
    dynamic = _dynamic(image)
    interpreter = b""
    for segment in image.segments:
        if segment.type == PT_INTERP:
            interpreter = image.data[segment.offset : segment.offset + segment.file_size].rstrip(
                b"\0"
            )
    symbols = elf_symbols.read(image)
    flags, flags_1 = dynamic.number(_DT_FLAGS), dynamic.number(_DT_FLAGS_1)
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
        loads=tuple(
            f"{word} {name}" for tag, word in _DT_LOADS.items() for name in dynamic.texts(tag)
        ),
        rpath=tuple(dynamic.texts(_DT_RPATH)),
        runpath=tuple(dynamic.texts(_DT_RUNPATH)),
        interpreter=interpreter.decode("utf-8", "backslashreplace"),
        exports=symbols.exports,
        imports=symbols.imports,
        weak_imports=symbols.weak_imports,
        needs=symbols.needs,
        defines=symbols.defines,
        hardening=elf_notes.hardening(
            image,
            pie_flag=bool(flags_1 & 0x08000000),
            interpreted=bool(interpreter),
            bind_now=dynamic.has(_DT_BIND_NOW) or bool(flags & 8) or bool(flags_1 & 1),
            text_relocations=dynamic.has(_DT_TEXTREL) or bool(flags & 4),
            imports=symbols.imports,
        ),
        isa=elf_notes.isa(image),
        kernel=elf_notes.kernel(image),
        entry=(image.place(image.entry) or f"{image.entry:#x}") if image.entry else "",
        segments=_segments(image),
        layout=_layout(image),
        debuginfo=any(image.named(name) is not None for name in (".debug_info", ".zdebug_info")),
        code_size=sum(section.stored for section in image.sections if section.flags & CODE),
        sections=_digests(image),
        unloaded=tuple(
            section.name for section in image.sections[1:] if is_unloaded(image, section)
        ),
        toolchain=toolchain.records(image),
        module=kernel_module.read(image, signature, masked),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dynamic:
    entries: tuple[tuple[int, int], ...]
    strings: Strings

    def texts(self, tag: int) -> list[str]:
        return [self.strings.at(value) for found, value in self.entries if found == tag]

    def number(self, tag: int) -> int:
        return next((value for found, value in self.entries if found == tag), 0)

    def has(self, tag: int) -> bool:
        return any(found == tag for found, _ in self.entries)


def _dynamic(image: Image) -> _Dynamic:
    section = image.first(DYNAMIC)
    if section is None:
        return _Dynamic(entries=(), strings=Strings(b""))
    entries: list[tuple[int, int]] = []
    for tag, value in image.rows(section, "qQ" if image.wide else "iI"):
        if tag == 0:
            break
        entries.append((tag, value))
        if len(entries) > _MAX_DYNAMIC:
            raise ElfError(f"more than {_MAX_DYNAMIC} dynamic entries")
    return _Dynamic(entries=tuple(entries), strings=image.linked(section))


def ignored(section: Section) -> bool:
    """Check whether a section only names the build.

    Loaded sections count whatever their name, except notes.
    """
    if section.flags & ALLOC and section.type != NOTE:
        return False
    return section.name in _IGNORED


def is_ignored(image: Image, section: Section) -> bool:
    """Check whether a loaded section says nothing of what the program does."""
    return ignored(section) or is_unloaded(image, section)


def is_unloaded(image: Image, section: Section) -> bool:
    """Check whether only debuggers read a section; an object's symbols are for the linker."""
    if section.flags & ALLOC:
        return section.type == NOTE and section.name.startswith(_DEBUG_PREFIXES)
    return bool(
        _DWARF.fullmatch(section.name)
        or section.name.startswith(_DEBUG_PREFIXES)
        or (section.name in _SYMBOLS and image.type != REL)
    )


def _segments(image: Image) -> tuple[str, ...]:
    """Return each program header with the sections it holds, without addresses and sizes.

    A section whose bytes are not those that the segment loads at its address has a ``!``.
    """
    found = []
    counted = [
        section for section in image.sections[1:] if section.flags & ALLOC and not ignored(section)
    ]
    for segment in image.segments:
        inside = [
            section.name if _is_loaded_from(section, segment) else f"{section.name}!"
            for section in counted
            if segment.address <= section.address
            and section.address + section.size <= segment.address + segment.memory_size
        ]
        found.append(
            f"{segment.type:#x} flags {segment.flags} align {segment.align}: {' '.join(inside)}"
        )
    return tuple(found)


def _is_loaded_from(section: Section, segment: Segment) -> bool:
    return (
        not section.stored or section.offset - segment.offset == section.address - segment.address
    )


def _layout(image: Image) -> str:
    """Return a digest of all places and load addresses; the sizes of notes do not count."""
    state = hashlib.sha256()
    for section in image.sections:
        if section.flags & ALLOC and not ignored(section):
            row = (
                section.name,
                section.address,
                section.offset if section.stored else 0,
                section.align,
            )
            state.update(repr(row).encode())
    for segment in image.segments:
        if segment.type != PT_NOTE:
            place = (
                segment.type,
                segment.offset,
                segment.address,
                segment.file_size,
                segment.memory_size,
            )
            state.update(repr(place).encode())
    return state.hexdigest()[:32]


def _digests(image: Image) -> tuple[tuple[str, str], ...]:
    """Return (name, digest) of each section that counts; a repeated name gets a number.

    Tables of symbols and of dynamic linking are digested without the linker's order.

    Bytes without a header (data appended to a program, code hidden between sections) count as one
    more section.
    """
    digests: list[tuple[str, str]] = []
    seen: dict[str, int] = {}
    told = kernel_module.sections(image)
    digests += told.items()
    forms = elf_tables.forms(image)
    recorded = toolchain.comment(image) is not None
    for at, section in enumerate(image.sections[1:], 1):
        if ignored(section) or section.name in told or (section.name == ".comment" and recorded):
            continue
        plain = _LTO.sub(r"\1", section.name)  # gcc's random seed
        seen[plain] = seen.get(plain, 0) + 1
        name = plain if seen[plain] == 1 else f"{plain}#{seen[plain]}"
        frame = (section.type, section.flags, section.entry_size)
        if section.name == _PACKAGE:
            text = _PACKAGE_VERSION.sub(rb"\1", bytes(image.bytes_of(section))[_NOTE_HEADER:])
            state = hashlib.sha256(text.rstrip(b"\0"))
        elif at in forms:
            link, info = _relations(image, section)
            named = (*frame, link, "" if section.type == SYMTAB else info)
            state = hashlib.sha256(repr((named, forms[at])).encode("utf-8", "surrogateescape"))
        else:
            whole = (*frame, section.size, *_relations(image, section))
            state = hashlib.sha256(repr(whole).encode())
            state.update(image.bytes_of(section))
        digests.append((name, state.hexdigest()[:32]))
    unnamed = _unnamed(image)
    if unnamed:
        digests.append(("(unnamed bytes)", hashlib.sha256(unnamed).hexdigest()[:32]))
    return tuple(digests)


def _relations(image: Image, section: Section) -> tuple[str, int | str]:
    """Return the sections that a section refers to, by name, because numbers depend on the
    others.
    """
    link, info = (
        image.sections[at].name if at < len(image.sections) else f"#{at}"
        for at in (section.link, section.info)
    )
    return link, info if section.flags & INFO_LINK or section.type in RELOCATIONS else section.info


def _unnamed(image: Image) -> bytes:
    """Return the bytes outside all sections and headers, without the linker's fill."""
    taken = sorted(
        [*image.headers, *((s.offset, s.offset + s.stored) for s in image.sections if s.stored)]
    )
    parts, at = [], 0
    for start, end in taken:
        if start > at:
            parts.append(image.data[at:start].strip(_FILL))
        at = max(at, end)
    parts.append(image.data[at:].rstrip(b"\0"))
    return b"".join(parts)
