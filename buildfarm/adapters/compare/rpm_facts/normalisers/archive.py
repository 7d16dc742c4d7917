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


def members(data: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Yield name, offset of the header, and content of each member, the symbol index under its own
    name ``/`` or ``/SYM64/`` and the table of long names under ``//``.

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
        start, at = at, at + _HEADER + size + size % 2
        if name == "//":
            long_names = body
            yield name, start, body
        else:
            yield name if name in _INDEX else _name(name, long_names), start, body
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
    first: otherwise they are sorted. Times, owners and modes never count. The symbol index counts
    as one only if it says what the members say; its bytes are compared if it does not.

    :raises ValueError: it is not an archive.
    :raises ElfError: a member is malformed, or the archive holds more than any real one.
    """
    parts: list[tuple[str, ElfFacts | None]] = []
    sections: list[tuple[str, str]] = []
    seen: Counter[str] = Counter()
    index: tuple[str, bytes] | None = None
    defined: set[tuple[int, str]] = set()
    symbols, names = 0, b""
    for name, start, body in members(data):
        if name in _INDEX:
            index = name, body
            continue
        if name == "//":
            names = body
            continue
        seen[name] += 1
        label = name if seen[name] == 1 else f"{name}#{seen[name]}"
        facts = elf.read(body) if body[:4] == elf.MAGIC else None
        parts.append((label, facts))
        if facts is None:
            sections.append((label, hashlib.sha256(body).hexdigest()[:32]))
        else:
            defined |= {(start, symbol.name) for symbol in facts.exports}
            symbols += len(facts.exports) + len(facts.imports)
        if len(parts) > _MAX_MEMBERS or symbols > _MAX_SYMBOLS:
            raise elf.ElfError(f"more than {_MAX_MEMBERS} members or {_MAX_SYMBOLS} symbols")
    indexed = index is not None and _entries(*index) == defined
    if index is not None and not indexed:
        sections.append(("symbol index", hashlib.sha256(index[1]).hexdigest()[:32]))
    used = {name.encode("utf-8", "backslashreplace") for name in seen}
    unused = b"/\n".join(name for name in names.split(b"/\n") if name.strip() not in {*used, b""})
    if unused:
        sections.append(("name table", hashlib.sha256(unused).hexdigest()[:32]))
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


def _entries(name: str, body: bytes) -> set[tuple[int, str]] | None:
    """Return (offset of the member, symbol) of an index; ``None`` for a malformed one."""
    size = 8 if name == "/SYM64/" else 4
    count = int.from_bytes(body[:size], "big")
    names = body[size * (count + 1) :].rstrip(b"\0").split(b"\0")
    if len(names) != count and (count or names != [b""]):
        return None
    starts = (body[at : at + size] for at in range(size, size * (count + 1), size))
    return {
        (int.from_bytes(start, "big"), symbol.decode("utf-8", "backslashreplace"))
        for start, symbol in zip(starts, names, strict=False)
    }
