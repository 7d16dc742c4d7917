"""The proof that two ELF files hold the same program at other addresses.

A *reference* is a pair of addresses: what one instruction or one relocation of the old file points
to, and what the same one of the new file does. The files are the same program if each function has
its counterpart with the same skeleton, each piece of data has its counterpart with the same bytes,
and every reference leads from a place to that place's counterpart. Nothing is inferred from ranks:
where nothing moved, an address that changed is a change.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from buildfarm.adapters.compare.rpm_facts.elf.disassembly import Code
from buildfarm.adapters.compare.rpm_facts.elf.elf_image import ALLOC, CODE, NOBITS, Image, Section
from buildfarm.adapters.compare.rpm_facts.elf.functions import Span

TLS, WRITE = 0x400, 1
_WORD = 4
_UNWINDING = {
    ".eh_frame": (True, False), ".gcc_except_table": (True, False), ".eh_frame_hdr": (True, True)
}  # fmt: skip
_GOT = frozenset({".got", ".got.plt"})
NO_TEXT = _GOT | _UNWINDING.keys()
"""Sections of distances and addresses."""


@dataclass(frozen=True, slots=True)
class Reference:
    """``origin`` says where it stands, for people."""

    origin: str
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class Pair:
    """A function and its counterpart; without code where bytes and addresses are equal.

    :ivar timed: whether only constants differ, and those follow from the builds' times.
    """

    old: Span
    new: Span
    old_code: Code | None
    new_code: Code | None
    timed: bool = False

    @property
    def equal(self) -> bool:
        """Check that only addresses can differ."""
        if self.old_code is None or self.new_code is None:
            return True
        return self.old_code.is_like(self.new_code)


class CodeMap:
    """From places in the old code to places in the new."""

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self._pairs = sorted(pairs, key=lambda pair: pair.old.start)
        self._starts = [pair.old.start for pair in self._pairs]

    def holds(self, address: int) -> bool:
        """Check that the address lies in a function with a counterpart."""
        return self._pair(address) is not None

    def maps(self, old: int, new: int) -> bool:
        """Check that two addresses are the same place: the start of a function, or one instruction
        (or the same byte of one) of two equal functions.
        """
        pair = self._pair(old)
        if pair is None:
            return False
        before, after = old - pair.old.start, new - pair.new.start
        if not pair.equal and not pair.timed:
            return before == after == 0
        if pair.old_code is None or pair.new_code is None:
            return before == after
        at = bisect_right(pair.old_code.offsets, before) - 1
        if at < 0:
            return before == after == 0
        return after - pair.new_code.offsets[at] == before - pair.old_code.offsets[at]

    def _pair(self, address: int) -> Pair | None:
        at = bisect_right(self._starts, address) - 1
        pair = self._pairs[at] if at >= 0 else None
        return pair if pair is not None and address < pair.old.end else None


@dataclass(frozen=True, slots=True)
class Relocation:
    """An action of the dynamic linker at a place: write ``symbol`` and its addend, or an address."""

    kind: int
    symbol: str
    addend: int

    @property
    def told(self) -> str:
        """The relocation in words."""
        return f"{self.symbol or 'address'}{self.addend:+#x} (type {self.kind})"


class Side:
    """The loaded data of one file, by section."""

    def __init__(self, image: Image, relocations: Mapping[int, Relocation]) -> None:
        self.image = image
        self.sections = {
            section.name: section
            for section in image.sections
            if section.flags & ALLOC
            and not section.flags & CODE
            and not (section.flags & TLS and section.type == NOBITS)
        }
        self._places = sorted(
            (section.address, section.address + section.size, name)
            for name, section in self.sections.items()
        )
        self._starts = [start for start, _, _ in self._places]
        self.relocations: dict[str, dict[int, Relocation]] = defaultdict(dict)
        for address, relocation in relocations.items():
            name, offset = self.place(address)
            self.relocations[name][offset] = relocation

    def place(self, address: int) -> tuple[str, int]:
        """Return section and offset; an empty name if none holds it. A section's end is in it."""
        at = bisect_right(self._starts, address) - 1
        if at < 0 or address > self._places[at][1]:
            return "", address
        return self._places[at][2], address - self._places[at][0]

    def bytes_of(self, section: Section) -> bytes:
        """Return the bytes of a section; none if it has none in the file."""
        return bytes(self.image.bytes_of(section))


Maps = Callable[[int, int], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One place where the files differ by more than placement; ``old`` and ``new`` are evidence:
    text, or bytes of data.
    """

    what: str
    old: str | bytes = ""
    new: str | bytes = ""


class Placement:
    """The proof: references are collected, then :meth:`changes` tells which do not hold.

    :param still: whether all code and data stand where they stood, so that each offset is its own
        counterpart.
    """

    def __init__(
        self,
        old: Side,
        new: Side,
        code: CodeMap,
        slots: tuple[Mapping[int, str], Mapping[int, str]],
        *,
        still: bool,
    ) -> None:
        self._old, self._new, self._code, self._slots = old, new, code, slots
        self._still = still
        self._references: list[Reference] = []
        self._pieces: dict[str, _Pieces] = {}

    def add(self, references: Iterable[Reference]) -> None:
        """Take what must hold."""
        self._references += references

    def changes(self, tables: frozenset[str]) -> list[Change]:
        """Return where the files differ by more than placement; ``tables`` are the sections that
        are compared elsewhere.
        """
        names = [name for name in self._old.sections if name not in tables]
        found = [
            Change(what=f"section {name} is in one file only")
            for name in sorted(set(names) ^ (self._new.sections.keys() - tables))
        ]
        both = [name for name in names if name in self._new.sections]
        for name in [*both, ""]:
            found += self._relocated(name)
        moved = [name for name in both if not self._is_aligned(name)]
        for name in moved:
            self._pieces[name] = _Pieces(
                self._old, self._new, name, [] if self._still else self._references
            )
        for name in moved:
            found += self._pieces[name].changes(self.maps, self._maps_code)
        broken = (
            reference.origin
            for reference in self._references
            if not self.maps(reference.old, reference.new)
        )
        return found + [
            Change(what=f"{origin} points elsewhere") for origin in dict.fromkeys(broken)
        ]

    def maps(self, old: int, new: int) -> bool:
        """Check that two addresses are the same place."""
        names = self._slots[0].get(old), self._slots[1].get(new)
        if names != (None, None):
            return names[0] == names[1]
        if self._code.holds(old):
            return self._code.maps(old, new)
        (section, before), (other, after) = self._old.place(old), self._new.place(new)
        if section != other:
            return False
        pieces = self._pieces.get(section)
        return before == after if pieces is None else pieces.maps(before, after)

    def _maps_code(self, old: int, new: int) -> bool:
        return self._code.holds(old) and self._code.maps(old, new)

    def _relocated(self, name: str) -> list[Change]:
        """Compare the relocations of a section, in order of their places."""
        before, after = self._old.relocations[name], self._new.relocations[name]
        rows = [sorted(before.items()), sorted(after.items())]
        if len(rows[0]) != len(rows[1]):
            what = f"{name} has {len(rows[1])} relocations instead of {len(rows[0])}"
            return [Change(what=what)]
        found = []
        for (at, one), (_, two) in zip(*rows, strict=True):
            origin = f"{name}+{at:#x}"
            if (one.kind, one.symbol) != (two.kind, two.symbol) or (
                one.symbol and one.addend != two.addend
            ):
                found.append(Change(what=f"{origin} is relocated", old=one.told, new=two.told))
            elif not one.symbol:
                self._references.append(Reference(origin, one.addend, two.addend))
        return found

    def _is_aligned(self, name: str) -> bool:
        """Check that a section keeps its layout: as long as before, relocations at the same
        offsets, and each byte equal but for words that point to counterparts.
        """
        one, two = self._old.sections[name], self._new.sections[name]
        if one.size != two.size or one.type != two.type:
            return False
        if self._old.relocations[name].keys() != self._new.relocations[name].keys():
            return False
        if one.type == NOBITS:
            return True
        before, after = self._old.bytes_of(one), self._new.bytes_of(two)
        if before == after or self._still:
            return before == after
        if name in _UNWINDING:
            starts = one.address, two.address
            return _words_map(before, after, starts, self.maps, bases=_UNWINDING[name])
        words = set(self._old.relocations[name])
        if name in _GOT:  # the first word is the address of .dynamic
            words |= set(range(0, len(before) - 7, 8))
        return _addresses_map(before, after, words, self.maps)


class _Pieces:
    """A section whose parts moved against each other, cut at the places that are pointed to."""

    def __init__(self, old: Side, new: Side, name: str, references: Sequence[Reference]) -> None:
        self._sides, self._name = (old, new), name
        self._pairs: dict[int, int] = {0: 0}
        self._broken: list[Change] = []
        back: dict[int, int] = {0: 0}
        for reference in references:
            (one, before), (two, after) = old.place(reference.old), new.place(reference.new)
            if not one == two == name:
                continue
            known = self._pairs.setdefault(before, after), back.setdefault(after, before)
            if known != (after, before):
                what = f"{reference.origin} points to another part of {name}"
                self._broken.append(Change(what=what))
        self._cuts = [sorted(self._pairs), sorted(self._pairs.values())]
        self._data = [side.bytes_of(side.sections[name]) for side in self._sides]
        self._words = [sorted(side.relocations[name]) for side in self._sides]

    def maps(self, before: int, after: int) -> bool:
        """Check that two offsets are the same place of a piece and its counterpart."""
        start = self._cuts[0][bisect_right(self._cuts[0], before) - 1]
        return after - self._pairs[start] == before - start

    def changes(self, maps: Maps, is_code: Maps) -> list[Change]:
        """Return the pieces that differ from their counterparts; ``is_code`` maps code alone."""
        found = list(self._broken)
        for before, after in self._pairs.items():
            one, two = self._piece(0, before), self._piece(1, after)
            if not self._equal(one, two, maps, is_code):
                what = f"data at {self._name}+{before:#x}"
                found.append(Change(what=what, old=one[1], new=two[1]))
        return found

    def _piece(self, side: int, start: int) -> tuple[int, bytes, frozenset[int]]:
        """Return address, bytes and the offsets of relocated words of one piece."""
        holder, cuts = self._sides[side], self._cuts[side]
        section = holder.sections[self._name]
        at = bisect_left(cuts, start)
        end = cuts[at + 1] if at + 1 < len(cuts) else section.size
        data = self._data[side][start:end] if section.stored else f"{end - start} bytes".encode()
        places = self._words[side]
        some = places[bisect_left(places, start) : bisect_left(places, end)]
        return section.address + start, data, frozenset(offset - start for offset in some)

    def _equal(
        self,
        one: tuple[int, bytes, frozenset[int]],
        two: tuple[int, bytes, frozenset[int]],
        maps: Maps,
        is_code: Maps,
    ) -> bool:
        (old_at, before, words), (new_at, after, others) = one, two
        if words != others:
            return False
        before, after = before.rstrip(b"\0"), after.rstrip(b"\0")  # fill up to the next piece
        size = -(-max(len(before), len(after)) // 8) * 8
        before, after = before.ljust(size, b"\0"), after.ljust(size, b"\0")
        if _addresses_map(before, after, words, maps):
            return True
        if words or self._sides[0].sections[self._name].flags & WRITE:
            return False  # a jump table is constant
        return _words_map(before, after, (old_at, new_at), is_code, bases=(False, True))


def _addresses_map(before: bytes, after: bytes, words: Set[int], maps: Maps) -> bool:
    """Check that bytes are equal but for the 8-byte addresses of counterparts at ``words``.

    The dynamic linker overwrites those, and linkers leave the address there all the same.
    """
    if before == after:
        return True
    if len(before) != len(after):
        return False
    word = struct.Struct("<Q")  # x86-64
    one, two = bytearray(before), bytearray(after)
    for at in words:
        if at + word.size > len(one):
            return False
        if one[at : at + 8] != two[at : at + 8]:
            if not maps(*word.unpack_from(one, at), *word.unpack_from(two, at)):
                return False
            two[at : at + 8] = one[at : at + 8]
    return one == two


def _words_map(
    before: bytes, after: bytes, starts: tuple[int, int], maps: Maps, *, bases: tuple[bool, bool]
) -> bool:
    """Check that bytes differ only within 4-byte distances to counterparts.

    :param bases: whether a distance may count from its own place (unwind tables), and from the
        start (jump tables and the search table of the unwind table).
    """
    at, size = 0, len(before)
    word = struct.Struct("<i")  # x86
    while at < size:
        if before[at] == after[at]:
            at += 1
            continue
        for start in range(max(at - _WORD + 1, 0), min(at, size - _WORD) + 1):
            one, two = word.unpack_from(before, start)[0], word.unpack_from(after, start)[0]
            if any(
                allowed and maps(starts[0] + base + one, starts[1] + base + two)
                for allowed, base in zip(bases, (start, 0), strict=True)
            ):
                at = start + _WORD
                break
        else:
            return False
    return True
