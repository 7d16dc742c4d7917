"""Static archives (ar(5), GNU flavour): each member, and their common exports."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator

from buildfarm.adapters.compare.rpm_facts.elf import elf
from buildfarm.domain.compare.facts.elf_facts import ElfFacts

MAGIC = b"!<arch>\n"
_HEADER = 60
_INDEX = ("/", "/SYM64/")
_MAX_MEMBERS, _MAX_SYMBOLS = 50_000, 1_000_000


def members(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each member, the symbol index under its own name ``/``.

    :raises ValueError: not an ar archive.
    """
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
        elif name in _INDEX:
            yield "/", body
        else:
            yield _name(name, long_names), body
    if at < len(data):
        raise ValueError("not an ar archive: bytes behind the last member")


def _name(name: str, long_names: bytes) -> str:
    if name.startswith("/") and name[1:].isdigit():
        start = int(name[1:])
        return long_names[start : long_names.find(b"/\n", start)].decode(
            "utf-8", "backslashreplace"
        )
    return name.removesuffix("/")


def read(data: bytes) -> ElfFacts | None:
    """Return the archive with its members; ``None`` if no member is ELF.

    Their order counts only if two members define the same symbol, because the linker takes the
    first: otherwise they are sorted. Times, owners and modes never count.

    :raises ValueError: it is not an archive.
    :raises ElfError: a member is malformed, or the archive holds more than any real one.
    """
    parts: list[tuple[str, ElfFacts | None]] = []
    sections: list[tuple[str, str]] = []
    seen: Counter[str] = Counter()
    indexed, symbols = False, 0
    for name, body in members(data):
        if name == "/":
            indexed = True
            continue
        seen[name] += 1
        label = name if seen[name] == 1 else f"{name}#{seen[name]}"
        facts = elf.read(body) if body[:4] == elf.MAGIC else None
        parts.append((label, facts))
        if facts is None:
            sections.append((label, hashlib.sha256(body).hexdigest()[:32]))
        else:
            symbols += len(facts.exports) + len(facts.imports)
        if len(parts) > _MAX_MEMBERS or symbols > _MAX_SYMBOLS:
            raise elf.ElfError(f"more than {_MAX_MEMBERS} members or {_MAX_SYMBOLS} symbols")
    first = next((facts for _, facts in parts if facts is not None), None)
    if first is None:
        return None
    known = [facts for _, facts in parts if facts is not None]
    strong = Counter(
        symbol.name for facts in known for symbol in facts.exports if symbol.binding == "GLOBAL"
    )
    if not any(count > 1 for count in strong.values()):
        parts.sort(key=lambda part: part[0])
    exports = {symbol.name: symbol for facts in reversed(known) for symbol in facts.exports}
    return ElfFacts(
        archive=True,
        bits=first.bits,
        little_endian=first.little_endian,
        osabi=first.osabi,
        type=first.type,
        machine=first.machine,
        flags=first.flags,
        exports=tuple(exports[name] for name in sorted(exports)),
        imports=tuple(sorted({name for facts in known for name in facts.imports} - exports.keys())),
        weak_imports=tuple(
            sorted({name for facts in known for name in facts.weak_imports} - exports.keys())
        ),
        sections=tuple(sections),
        indexed=indexed,
        members=tuple(parts),
    )
