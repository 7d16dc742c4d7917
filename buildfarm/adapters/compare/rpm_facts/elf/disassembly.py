"""Machine code of x86, by capstone: its instructions with the addresses taken out.

What stays is the skeleton of a function; two functions with one skeleton do the same to the places
that they name. :mod:`.placement` decides whether those are the same places.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import capstone

from buildfarm.adapters.compare.rpm_facts.elf import elf_image, elf_symbols
from buildfarm.adapters.compare.rpm_facts.elf.elf_image import ALLOC, DYNSYM, EXEC, Image
from buildfarm.adapters.compare.rpm_facts.elf.functions import Span

_MODES = {3: capstone.CS_MODE_32, 62: capstone.CS_MODE_64}
_RELA = 4
_LOWEST_FIXED = 0x10000
_NUMBER = re.compile(r"(?:rip (?P<sign>[+-]) )?0x(?P<value>[0-9a-f]+)")
_BRANCHES = ("j", "call", "loop", "xbegin")
_FILL = ("nop", "int3", "data16", "xchg ax, ax", "cs nop")
_STUBS = (".plt", ".plt.got", ".plt.sec")
_STUB_SIZES = (8, 16)
PLACE = "@"


@dataclass(frozen=True, slots=True)
class Code:
    """One function's instructions, without the fill behind the last.

    ``lines`` have ``@`` for each address; ``offsets`` are where the instructions start, from the
    function's start; ``targets`` are (instruction, address), in the order of the ``@``. ``fixed`` are
    the instructions' bytes without addresses: one text can have several encodings.
    """

    lines: tuple[str, ...]
    offsets: array[int]
    targets: tuple[tuple[int, int], ...]
    fixed: tuple[bytes, ...]

    def is_like(self, other: Code) -> bool:
        """Check that two functions can differ in addresses alone."""
        return (self.lines, self.fixed, self.offsets) == (other.lines, other.fixed, other.offsets)


class Disassembler:
    """The code of one file.

    ``slots`` are the symbols of the places that the dynamic linker fills in, and of the stubs
    that jump there, by address.
    """

    def __init__(self, image: Image) -> None:
        self._image = image
        self._engine = capstone.Cs(capstone.CS_ARCH_X86, _MODES[image.machine])
        self._engine.skipdata = True
        self._fixed = image.type == EXEC
        self._bytes = {
            section.name: (section.address, image.bytes_of(section))
            for section in image.sections
            if section.flags & ALLOC
        }
        self.slots: Mapping[int, str] = self._stubs(_filled(image))

    @staticmethod
    def knows(image: Image) -> bool:
        """Check that the file is for a machine whose code can be read here."""
        return image.machine in _MODES

    def code(self, span: Span) -> Code:
        """Decode one function."""
        lines: list[str] = []
        offsets = array("I")
        targets: list[tuple[int, int]] = []
        fixed: list[bytes] = []
        length = 0
        data = self.raw(span)
        for address, size, text in self._decoded(span):
            at = address - span.start
            offsets.append(at)
            fixed.append(_without_addresses(data[at : at + size], address + size, text))
            parts = (text,) if isinstance(text, str) else text
            targets += [(len(lines), part) for part in parts if isinstance(part, int)]
            line = "".join(PLACE if isinstance(part, int) else part for part in parts)
            lines.append(sys.intern(line))
            if not lines[-1].startswith(_FILL):
                length = len(lines)
        return Code(
            tuple(lines[:length]),
            offsets[:length],
            tuple(target for target in targets if target[0] < length),
            tuple(fixed[:length]),
        )

    def raw(self, span: Span) -> bytes:
        """Return the bytes of one function."""
        start, data = self._bytes[span.section]
        return bytes(data[span.start - start : span.end - start])

    def _decoded(self, span: Span) -> Iterator[tuple[int, int, str | tuple[str | int, ...]]]:
        data = self.raw(span)
        for address, size, mnemonic, operands in self._engine.disasm_lite(data, span.start):
            if "0x" not in operands:
                yield address, size, f"{mnemonic} {operands}"
            elif operands.startswith("0x") and mnemonic.startswith(_BRANCHES):
                yield address, size, (f"{mnemonic} ", int(operands, 16))
            elif self._fixed or "rip" in operands:
                yield address, size, self._parts(address + size, mnemonic, operands)
            else:
                yield address, size, f"{mnemonic} {operands}"

    def _parts(self, following: int, mnemonic: str, operands: str) -> tuple[str | int, ...]:
        parts: list[str | int] = [f"{mnemonic} "]
        done = 0
        for match in _NUMBER.finditer(operands):
            value = int(match["value"], 16)
            if match["sign"]:
                target = following + (value if match["sign"] == "+" else -value)
            elif self._fixed and value >= _LOWEST_FIXED and self._image.place(value):
                target = value
            else:
                continue
            parts += [operands[done : match.start()], target]
            done = match.end()
        return (*parts, operands[done:])

    def _stubs(self, slots: dict[int, str]) -> dict[int, str]:
        """Add the stubs, by their start: each has one jump to a slot."""
        found = dict(slots)
        for section in self._image.sections:
            size = section.entry_size
            if section.name not in _STUBS or size not in _STUB_SIZES or not section.stored:
                continue
            start, end = section.address, section.address + section.size
            for address, _, text in self._decoded(Span(section.name, section.name, start, end)):
                for part in text:
                    if isinstance(part, int) and part in slots:
                        found[start + (address - start) // size * size] = slots[part]
        return found


def _without_addresses(data: bytes, following: int, text: str | tuple[str | int, ...]) -> bytes:
    """Return an instruction's bytes with each address in it, or distance to one, zeroed."""
    for target in text if isinstance(text, tuple) else ():
        if isinstance(target, str):
            continue
        for value, size in (
            (target - following, 4),
            (target, 8),
            (target, 4),
            (target - following, 1),
        ):
            if -(1 << (8 * size - 1)) <= value < 1 << (8 * size):
                written = (value % (1 << (8 * size))).to_bytes(size, "little")
                at = data.rfind(written, 1)
                if at > 0:
                    data = data[:at] + bytes(size) + data[at + size :]
                    break
    return data


def _filled(image: Image) -> dict[int, str]:
    """Return the symbols of the places that the dynamic linker fills in."""
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
                if 0 < index < len(symbols) and symbols[index]:
                    names[offset] = symbols[index]
    return names
