"""Records of the tools that a compiled file was made with: its own words, not a guess from its code.

Sources are ``.comment`` (gcc, clang, lld, rustc), ``DW_AT_producer`` of the debuginfo (DWARF 5,
3.1.1) and Go's build information (``debug/buildinfo`` of Go).
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

from buildfarm.adapters.compare.rpm_facts.elf.elf_image import Image, Section

_COMMENT = re.compile(
    r"GCC: \([^()]{0,80}(?:\([^()]{0,40}\))?[^()]{0,40}\) \d[\w.+~-]{0,40}(?: \d{8})?(?: \([^()]{1,60}\))?"
    r"|(?:[A-Z][\w ]{0,30} )?clang version \d[\w.+~-]{0,40}(?: \([^()]{1,120}\))?"
    r"|Linker: [\w ]{0,20}LLD \d[\w.+~-]{0,40}(?: \([^()]{1,120}\))?"
    r"|rustc version \d[\w.+~-]{0,40}(?: \([^()]{1,60}\))?(?: \([^()]{1,80}\))?"
    r"|GHC \d[\w.]{0,20}|FPC \d[\w.+-]{0,20} \[[\d/]{8,10}\] for [\w -]{1,40}|ldc version \d[\w.+~-]{0,40}"
)
_PRODUCER = re.compile(
    rb"(?:(?:GNU (?:C|C\+\+|AS|Fortran|F|Go|GIMPLE|Ada|D|Objective-C|Objective-C\+\+|Modula-2|Rust)\d{0,4}"
    rb"|GNU Fortran2008|Go cmd/compile|(?:[A-Z]\w+ )?clang version|clang LLVM \(rustc version|rustc version"
    rb"|The Glorious Glasgow Haskell Compilation System|LDC|FPC) ?[\w.+~-]*\d[^\0]{0,200})\0"
)
_GO = b"\xff Go buildinf:"
_GO_INLINE = 2
_MAX_COMMENT, _MAX_DEBUG = 64 << 10, 512 << 20
_COMPRESSED = 0x800
_ZLIB = 1


def comment(image: Image) -> tuple[str, ...] | None:
    """Return the records of ``.comment``, sorted; ``None`` if it holds anything but records."""
    section = image.named(".comment")
    if section is None:
        return ()
    data = bytes(image.bytes_of(section))
    texts = sorted({text for text in data.decode("latin-1").split("\0") if text})
    known = len(data) <= _MAX_COMMENT and all(_COMMENT.fullmatch(text) for text in texts)
    return tuple(texts) if known else None


def records(image: Image) -> tuple[str, ...]:
    """Return what the file itself says: ``.comment`` and Go's version, sorted."""
    return tuple(sorted({*(comment(image) or ()), *_go(image)}))


def producers(image: Image) -> tuple[str, ...]:
    """Return the compilers of a file with debuginfo, without their options, sorted."""
    found: set[str] = set()
    for name in (".debug_str", ".debug_line_str", ".debug_info"):
        section = image.named(name)
        data = _inflated(image, section) if section is not None and section.stored else b""
        for match in _PRODUCER.finditer(data):
            text = match[0][:-1].decode("utf-8", "backslashreplace")
            found.add(re.split(r" -|; ", text, maxsplit=1)[0])
    return tuple(sorted(found))


def _go(image: Image) -> Iterator[str]:
    section = image.named(".go.buildinfo")
    data = bytes(image.bytes_of(section)) if section is not None else b""
    if data.startswith(_GO) and len(data) > 33 and data[15] & _GO_INLINE:  # noqa: PLR2004
        text = data[33 : 33 + data[32]]  # a version is shorter than 128 bytes
        if text.startswith(b"go1."):
            yield text.decode("latin-1")


def _inflated(image: Image, section: Section) -> bytes:
    data = bytes(image.bytes_of(section))
    if not section.flags & _COMPRESSED:
        return data
    kind, size = struct.unpack_from(image.order + ("I4xQ" if image.wide else "II"), data)
    if kind != _ZLIB or size > _MAX_DEBUG:
        return b""
    try:
        return zlib.decompressobj().decompress(data[24 if image.wide else 12 :], size)
    except zlib.error:
        return b""
