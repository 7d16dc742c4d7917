"""Static archives (ar(5), GNU flavour): members, and one ElfFacts for what they export together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from buildfarm.adapters.rpm_facts import elf
from buildfarm.domain.compare.facts import ElfFacts

MAGIC = b"!<arch>\n"
_HEADER = 60


def members(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and content of each member but the symbol index. :raises ValueError: a header is not one."""
    at, long_names = len(MAGIC), b""
    while at + _HEADER <= len(data):
        header = data[at : at + _HEADER]
        if header[58:60] != b"`\n":
            raise ValueError("not an ar archive: a member's header is broken")
        name, size = header[:16].decode("latin-1").rstrip(), int(header[48:58])
        if size < 0 or at + _HEADER + size > len(data):
            raise ValueError("not an ar archive: a member lies outside the file")
        body = data[at + _HEADER : at + _HEADER + size]
        at += _HEADER + size + size % 2
        if name == "//":
            long_names = body
        elif name not in ("/", "/SYM64/"):
            yield _name(name, long_names), body


def _name(name: str, long_names: bytes) -> str:
    if name.startswith("/") and name[1:].isdigit():
        start = int(name[1:])
        return long_names[start : long_names.find(b"/\n", start)].decode("utf-8", "backslashreplace")
    return name.removesuffix("/")


def read(data: bytes) -> ElfFacts | None:
    """The union of the ELF members, sections named ``member:section``; ``None`` when no member is ELF."""
    parts: list[tuple[str, ElfFacts]] = []
    sections: list[tuple[str, str]] = []
    seen: dict[str, int] = {}
    for name, body in members(data):
        seen[name] = seen.get(name, 0) + 1
        label = name if seen[name] == 1 else f"{name}#{seen[name]}"
        if body[:4] == elf.MAGIC:
            facts = elf.read(body)
            parts.append((label, facts))
            sections += [(f"{label}:{section}", digest) for section, digest in facts.sections]
        else:
            sections.append((label, hashlib.sha256(body).hexdigest()[:32]))
    if not parts:
        return None
    first = parts[0][1]
    exports = {symbol.name: symbol for _, facts in parts for symbol in facts.exports}
    imports = {name for _, facts in parts for name in facts.imports} - exports.keys()
    return ElfFacts(
        archive=True,
        bits=first.bits,
        little_endian=first.little_endian,
        osabi=first.osabi,
        type=first.type,
        machine=first.machine,
        flags=first.flags,
        exports=tuple(exports[name] for name in sorted(exports)),
        imports=tuple(sorted(imports)),
        sections=tuple(sections),
    )
