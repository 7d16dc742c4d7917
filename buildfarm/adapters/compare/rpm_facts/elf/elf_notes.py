"""Notes and program headers of an ELF file: hardening, and the required processor and kernel."""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterator

from buildfarm.adapters.compare.rpm_facts.elf.elf_image import (
    DYN,
    EXEC,
    NOTE,
    PT_LOAD,
    PT_RELRO,
    PT_STACK,
    REL,
    ElfError,
    Image,
    W,
    X,
)

_ABI_TAG, _BUILD_ID, _PROPERTIES = 1, 3, 5  # note types of the owner GNU
_ISA_NEEDED = 0xC0008002
# x86, AArch64.
_FEATURES = {0xC0000002: {1: "ibt", 2: "shstk"}, 0xC0000000: {1: "bti", 2: "pac", 4: "gcs"}}
_CHECKED = re.compile(r"__\w*(?:printf|syslog)_chk(?:@|$)")
"""Of libc's checked functions those that a compiler cannot prove away: it can a memcpy's bound."""
_MAX_NOTES = 1000
_PIE = 0x08000000  # DF_1_PIE


def _gnu_notes(image: Image) -> Iterator[tuple[int, memoryview]]:
    """Yield (type, content) of each note with the owner GNU; annobin's own sections are skipped."""
    left = _MAX_NOTES
    for section in image.sections:
        if section.type != NOTE or not section.name.startswith(".note."):
            continue
        data, at = image.bytes_of(section), 0
        step = 8 if section.align == 8 else 4  # noqa: PLR2004 -- property notes are padded to 8 in 64-bit files
        while at + 12 <= len(data):
            name_size, size, kind = struct.unpack_from(image.order + "III", data, at)
            start = at + 12 + -(-name_size // 4) * 4
            if start + size > len(data):
                raise ElfError(f"a note of {section.name} lies outside it")
            if bytes(data[at + 12 : at + 16]) == b"GNU\0":
                yield kind, data[start : start + size]
            at = -(-(start + size) // step) * step
            left -= 1
            if not left:
                return


def _properties(image: Image) -> dict[int, int]:
    """Return four-byte GNU properties by type."""
    found = {}
    for kind, data in _gnu_notes(image):
        at = 0
        while kind == _PROPERTIES and at + 8 <= len(data):
            name, size = struct.unpack_from(image.order + "II", data, at)
            if size == 4 and at + 12 <= len(data):  # noqa: PLR2004 -- a word of flags
                found[name] = struct.unpack_from(image.order + "I", data, at + 8)[0]
            at += 8 + (-(-size // 8) * 8 if image.wide else -(-size // 4) * 4)
    return found


def isa(image: Image) -> int:
    """Return the bits of GNU_PROPERTY_X86_ISA_1_NEEDED: baseline, v2, v3, v4."""
    return _properties(image).get(_ISA_NEEDED, 0)


def kernel(image: Image) -> tuple[int, ...]:
    """Return the oldest kernel that the file runs on, by its ABI note; empty without one."""
    for kind, data in _gnu_notes(image):
        if kind == _ABI_TAG and len(data) >= 16:  # noqa: PLR2004 -- four words
            return struct.unpack_from(image.order + "III", data, 4)
    return ()


def build_id(image: Image) -> str:
    """Return the build-id in hex; empty without one."""
    return next((data.hex() for kind, data in _gnu_notes(image) if kind == _BUILD_ID), "")


def hardening(
    image: Image,
    *,
    pie_flag: bool,
    interpreted: bool,
    bind_now: bool,
    text_relocations: bool,
    imports: Collection[str],
) -> tuple[str, ...]:
    """Return the words of :data:`~buildfarm.domain.compare.facts.elf_facts.GOOD` and ``BAD`` that
    apply.
    """
    stack = [segment.flags for segment in image.segments if segment.type == PT_STACK]
    linked = image.type in (EXEC, DYN)
    note = image.named(".note.GNU-stack")
    holds = {
        "pie": image.type == DYN and (pie_flag or interpreted),
        "relro": any(segment.type == PT_RELRO for segment in image.segments),
        "bindnow": bind_now,
        "nx": (bool(stack) and not stack[0] & X)
        if linked
        else (note is not None and not note.flags & 4),
        "canary": any(name.startswith("__stack_chk_fail") for name in imports),
        "fortify": any(_CHECKED.match(name) for name in imports),
        "textrel": text_relocations,
        "rwx": any(
            segment.type == PT_LOAD and segment.flags & W and segment.flags & X
            for segment in image.segments
        ),
    }
    if image.type == REL:
        holds["pie"] = False
    words = [word for word, true in holds.items() if true]
    properties = _properties(image)
    for name, bits in _FEATURES.items():
        words += [word for bit, word in bits.items() if properties.get(name, 0) & bit]
    return tuple(words)
