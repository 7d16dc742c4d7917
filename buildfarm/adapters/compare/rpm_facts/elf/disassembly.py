"""Machine code with its addresses replaced, by capstone, to compare code whose layout moved.

An address becomes a word: a relocation's symbol where the linker fills in the place (GOT, PLT),
else the section and the rank of the place among all places that the code points to. So swapped
calls differ, and moved code does not.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping

import capstone

from buildfarm.adapters.compare.rpm_facts.elf import elf_image, elf_symbols
from buildfarm.adapters.compare.rpm_facts.elf.elf_image import (
    ALLOC,
    CODE,
    DYNSYM,
    EXEC,
    SYMTAB,
    ElfError,
    Image,
    Section,
)
from buildfarm.domain.compare.facts.content_facts import CodeFacts

_I386, _X86_64 = 3, 62
_MODES = {_I386: capstone.CS_MODE_32, _X86_64: capstone.CS_MODE_64}
_MAX_CODE = 8 << 20
_FUNCTION = 2
_RELA = 4
_LOWEST_FIXED = 0x10000
_NUMBER = re.compile(r"(?:rip (?P<sign>[+-]) )?0x(?P<value>[0-9a-f]+)")
_BRANCHES = ("j", "call", "loop", "xbegin")
_STUBS = (".plt", ".plt.got", ".plt.sec")

Instruction = tuple[int, "str | tuple[str | int, ...]"]
"""An instruction's address, and its text: whole, or in parts with the addresses between them."""


def code(data: bytes) -> CodeFacts | None:
    """Return the code of one ELF file; ``None`` for a machine other than x86, or too much code.

    :raises ElfError: not well-formed.
    """
    image = elf_image.parse(data)
    sections = [
        section for section in image.sections if section.flags & CODE and section.flags & ALLOC
    ]
    if image.machine not in _MODES or sum(section.stored for section in sections) > _MAX_CODE:
        return None
    engine = capstone.Cs(capstone.CS_ARCH_X86, _MODES[image.machine])
    engine.skipdata = True
    body = sorted(
        (section for section in sections if section.name not in _STUBS),
        key=lambda section: section.name,
    )
    listing = {section.name: list(_decoded(image, section, engine)) for section in body}
    exact, loose = _words(image, _names(image, engine), listing)
    whole, functions = hashlib.sha256(), []
    for section in body:
        for name, instructions in _functions(image, section, listing[section.name]):
            whole.update(_text(instructions, exact))
            functions.append((name, hashlib.sha256(_text(instructions, loose)).hexdigest()[:32]))
    count = sum(map(len, listing.values()))
    return CodeFacts(instructions=count, digest=whole.hexdigest()[:32], functions=tuple(functions))


def _text(instructions: list[Instruction], words: Mapping[int, str]) -> bytes:
    """Return the instructions with a word for each address."""
    parts: list[str] = []
    for _, text in instructions:
        if isinstance(text, str):
            parts.append(text)
        else:
            parts += [part if isinstance(part, str) else words[part] for part in text]
    return "".join(parts).encode()


def _decoded(image: Image, section: Section, engine: capstone.Cs) -> Iterator[Instruction]:
    fixed = image.type == EXEC
    for address, size, mnemonic, operands in engine.disasm_lite(
        image.bytes_of(section).tobytes(), section.address
    ):
        if "0x" not in operands:
            yield address, f"{mnemonic} {operands}\n"
        elif operands.startswith("0x") and mnemonic.startswith(_BRANCHES):
            yield address, (f"{mnemonic} ", int(operands, 16), "\n")
        elif fixed or "rip" in operands:
            yield address, _parts(image, address + size, mnemonic, operands, fixed=fixed)
        else:
            yield address, f"{mnemonic} {operands}\n"


def _parts(
    image: Image, following: int, mnemonic: str, operands: str, *, fixed: bool
) -> tuple[str | int, ...]:
    parts: list[str | int] = [f"{mnemonic} "]
    done = 0
    for match in _NUMBER.finditer(operands):
        value = int(match["value"], 16)
        if match["sign"]:
            target = following + (value if match["sign"] == "+" else -value)
        elif fixed and _is_place(image, value):
            target = value
        else:
            continue
        parts += [operands[done : match.start()], target]
        done = match.end()
    return (*parts, f"{operands[done:]}\n")


def _is_place(image: Image, value: int) -> bool:
    return value >= _LOWEST_FIXED and bool(image.place(value))


def _functions(
    image: Image, section: Section, instructions: list[Instruction]
) -> Iterator[tuple[str, list[Instruction]]]:
    """Split the section at the functions with known names; yield each name and its instructions.

    Code before the first function has the section's name.
    """
    table = image.first(SYMTAB) or image.first(DYNSYM)
    known: dict[int, str] = {}
    if table is not None:
        for entry in elf_symbols.table(image, table):
            if (
                entry.info & 15 == _FUNCTION
                and section.address <= entry.value < section.address + section.size
            ):
                known[entry.value] = min(entry.name, known.get(entry.value, entry.name))
    name, some = section.name, list[Instruction]()
    for instruction in instructions:
        if instruction[0] in known:
            if some:
                yield name, some
            name, some = known[instruction[0]], []
        some.append(instruction)
    if some:
        yield name, some


def _names(image: Image, engine: capstone.Cs) -> Mapping[int, str]:
    """Return the symbols of the places that the dynamic linker fills in, and of the stubs to
    them.
    """
    names: dict[int, str] = {}
    dynamic = image.first(DYNSYM)
    if dynamic is None:
        return names
    symbols = [entry.name for entry in elf_symbols.table(image, dynamic)]
    for section in image.sections:
        if section.type in elf_image.RELOCATIONS and section.flags & ALLOC:
            added = section.type == _RELA
            layout = ("QQq" if added else "QQ") if image.wide else ("IIi" if added else "II")
            for offset, info, *_ in image.rows(section, layout):
                index = info >> 32 if image.wide else info >> 8
                if 0 < index < len(symbols):
                    names[offset] = symbols[index]
    return {**names, **_stubs(image, engine, names)}


def _stubs(image: Image, engine: capstone.Cs, slots: Mapping[int, str]) -> dict[int, str]:
    """Return the stubs by address: 8 or 16 bytes long and aligned to that, with a jump to a
    slot.
    """
    names = {}
    for section in image.sections:
        for address, text in _decoded(image, section, engine) if section.name in _STUBS else ():
            for part in text:
                if isinstance(part, int) and part in slots:
                    names[address & ~7] = names[address & ~15] = slots[part]
    return names


def _words(
    image: Image, names: Mapping[int, str], listing: Mapping[str, list[Instruction]]
) -> tuple[dict[int, str], dict[int, str]]:
    """Return two words for each place that the code points to: unique, and by its section alone.

    With the second, an additional place in one function does not change the words of all others.
    """
    sections = sorted(
        (section.address, section.address + section.size, section.name)
        for section in image.sections
        if section.flags & ALLOC and section.address
    )
    starts = [start for start, _, _ in sections]
    targets = {
        part for some in listing.values() for _,
        text in some if not isinstance(text, str) for part in text if isinstance(part, int)
    }  # fmt: skip
    exact: dict[int, str] = {}
    loose: dict[int, str] = {}
    ranks: dict[str, int] = {}
    for target in sorted(targets):
        if target in names:
            exact[target] = loose[target] = f"<{names[target]}>"
            continue
        at = bisect_right(starts, target) - 1
        home = sections[at][2] if at >= 0 and target <= sections[at][1] else "outside"
        ranks[home] = ranks.get(home, 0) + 1
        exact[target], loose[target] = f"<{home} {ranks[home]}>", f"<{home}>"
    return exact, loose


__all__ = ["ElfError", "code"]
