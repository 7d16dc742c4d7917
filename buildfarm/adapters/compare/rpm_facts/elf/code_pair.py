"""Two ELF files whose code or data differ: where, and whether only places or build times changed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import zip_longest

from buildfarm.adapters.compare.rpm_facts.elf import elf_image, elf_symbols, elf_tables, toolchain
from buildfarm.adapters.compare.rpm_facts.elf.build_times import BuildTimes
from buildfarm.adapters.compare.rpm_facts.elf.disassembly import PLACE, Code, Disassembler
from buildfarm.adapters.compare.rpm_facts.elf.elf import is_ignored
from buildfarm.adapters.compare.rpm_facts.elf.elf_image import (
    ALLOC,
    CODE,
    DYNAMIC,
    DYNSYM,
    NOBITS,
    NOTE,
    RELOCATIONS,
    VERDEF,
    VERNEED,
    VERSYM,
    Image,
)
from buildfarm.adapters.compare.rpm_facts.elf.functions import Room, Span, code_sections, spans
from buildfarm.adapters.compare.rpm_facts.elf.placement import (
    NO_TEXT,
    TLS,
    Change,
    CodeMap,
    Pair,
    Placement,
    Reference,
    Relocation,
    Side,
)
from buildfarm.domain.compare.facts.content_facts import CodeChange, CodePair
from buildfarm.domain.core.verdict import CodeCause

_MAX_CODE = 8 << 20
_RELA, _HASH, _GNU_HASH, _STRTAB = 4, 5, 0x6FFFFFF6, 3
_RESERVED, _TLS_SYMBOL = 0xFF00, 6
_TABLES = frozenset(
    {DYNSYM, _STRTAB, _HASH, _GNU_HASH, VERSYM, VERDEF, VERNEED, DYNAMIC, *RELOCATIONS, NOTE}
)
_NUMBER = re.compile(r"0x[0-9a-f]+")
_TEXT = re.compile(rb"(?:[\x09\x0a\x20-\x7e]|[\xc2-\xf4][\x80-\xbf]{1,3}){4,}")
_MAX_CHANGES, _MAX_LINES, _MAX_STRINGS, _WIDTH = 20, 24, 20, 44
_CONTEXT = 2


def compare(
    old: bytes,
    new: bytes,
    debug: tuple[bytes, bytes] = (b"", b""),
    times: BuildTimes | None = None,
    room: Room | None = None,
) -> CodePair:
    """Compare what two files load; code for which there is no room is not disassembled.

    :param debug: their debuginfo files, empty where there is none: names of functions, compilers.
    :raises ElfError, struct.error: one is not well-formed.
    """
    images = elf_image.parse(old), elf_image.parse(new)
    others = tuple(elf_image.parse(data) if data else None for data in debug)
    tools = [
        tuple(sorted({*toolchain.records(image), *(toolchain.producers(other) if other else ())}))
        for image, other in zip(images, others, strict=True)
    ]
    gained = _texts(images[1]) - _texts(images[0])
    loaded = {
        section.name for image in images for section in image.sections if section.flags & ALLOC
    }
    facts = CodePair(
        covered=tuple(sorted(loaded)),
        old_toolchain=tools[0],
        new_toolchain=tools[1],
        texts=tuple(sorted(gained)[:_MAX_STRINGS]),
    )
    room = room or Room()
    still = _layout(images[0]) == _layout(images[1])
    if not _is_readable(images) or (not still and _code_size(images) > room.left):
        return facts
    comparison = _Comparison(images, (others[0], others[1]), times or BuildTimes(), still=still)
    room.left -= _code_size(images) if not still else 0
    return comparison.facts(facts)


def _code_size(images: tuple[Image, Image]) -> int:
    return sum(section.stored for image in images for section in code_sections(image))


def _is_readable(images: tuple[Image, Image]) -> bool:
    """Check that the code of both can be disassembled: x86 with relocations that have addends."""
    return all(
        Disassembler.knows(image)
        and image.wide
        and image.type != elf_image.REL
        and sum(section.stored for section in code_sections(image)) <= _MAX_CODE
        for image in images
    )


def _texts(image: Image) -> set[str]:
    """Return the texts in loaded data."""
    found: set[str] = set()
    for section in image.sections:
        if (
            section.flags & ALLOC
            and not section.flags & CODE
            and section.type not in _TABLES
            and section.name not in NO_TEXT
        ):
            data = bytes(image.bytes_of(section))
            found |= {match.decode("utf-8", "backslashreplace") for match in _TEXT.findall(data)}
    return found


class _Comparison:
    def __init__(
        self,
        images: tuple[Image, Image],
        debug: tuple[Image | None, Image | None],
        times: BuildTimes,
        *,
        still: bool,
    ) -> None:
        self._images, self._times = images, times
        self._spans = [spans(*both) for both in zip(images, debug, strict=True)]
        self._readers = [Disassembler(image) for image in images]
        self._still = still

    def facts(self, known: CodePair) -> CodePair:
        """Add cause and changes to what is known.

        A function of another size, or of one file alone, settles that there is no cause: then only
        the first such are decoded, for people to read.
        """
        both_sides, alone = self._paired()
        other = [both for both in both_sides if _sizes_differ(*both)]
        if alone or other:
            shown = [self._function(self._pair(*both)) for both in other[:_MAX_CHANGES]]
            facts = self._concluded(known, [*shown, *alone])
            return replace(facts, changed=len(alone) + len(other))
        pairs = [self._pair(*both) for both in both_sides]
        proof = Placement(
            Side(self._images[0], _relocations(self._images[0])),
            Side(self._images[1], _relocations(self._images[1])),
            CodeMap(pairs),
            (self._readers[0].slots, self._readers[1].slots),
            still=self._still,
        )
        for pair in pairs:
            if pair.equal or pair.timed:
                proof.add(_references(pair))
        proof.add(self._symbols())
        if self._images[0].entry or self._images[1].entry:
            proof.add([Reference("entry point", self._images[0].entry, self._images[1].entry)])
        changed = [self._function(pair) for pair in pairs if not pair.equal]
        tables = frozenset(
            section.name
            for image in self._images
            for section in image.sections
            if section.type in _TABLES
        )
        places = [
            part for change in proof.changes(tables) for part in self._data(change)
        ] + self._tables()
        return self._concluded(known, alone + changed + places)

    def _concluded(self, known: CodePair, changes: list[CodeChange]) -> CodePair:
        cause = None
        if all(change.cause is CodeCause.BUILD_TIME for change in changes):
            cause = CodeCause.BUILD_TIME if changes else CodeCause.PLACEMENT
        other = sorted(changes, key=lambda change: change.cause is CodeCause.BUILD_TIME)
        return replace(
            known,
            cause=cause,
            functions=sum(map(len, self._spans)) // 2,
            changed=len(changes),
            changes=tuple(other[:_MAX_CHANGES]),
        )

    def _paired(self) -> tuple[list[tuple[Span, Span]], list[CodeChange]]:
        """Pair the functions of both files; those of one alone are changes.

        A named function is paired by its name, one without by its place among those.
        """
        sides: list[dict[tuple[str, str], list[Span]]] = [defaultdict(list), defaultdict(list)]
        for side, some in zip(sides, self._spans, strict=True):
            for span in some:
                side[span.section, span.name].append(span)
        pairs: list[tuple[Span, Span]] = []
        alone: list[CodeChange] = []
        for key in dict.fromkeys([*sides[0], *sides[1]]):
            for old, new in zip_longest(sides[0].get(key, ()), sides[1].get(key, ())):
                if old is not None and new is not None:
                    pairs.append((old, new))
                    continue
                name = key[1] or f"a function of {key[0]}"
                sizes = [f"{span.end - span.start} bytes" if span else "" for span in (old, new)]
                alone.append(CodeChange(what=name, old=sizes[0], new=sizes[1]))
        return pairs, alone

    def _pair(self, old: Span, new: Span) -> Pair:
        if self._still and self._readers[0].raw(old) == self._readers[1].raw(new):
            return Pair(old, new, None, None)
        codes = self._readers[0].code(old), self._readers[1].code(new)
        return Pair(old, new, *codes, timed=self._is_timed(*codes))

    def _is_timed(self, old: Code, new: Code) -> bool:
        """Check that two functions differ in constants alone, which follow from the builds' times."""
        if old.offsets != new.offsets or len(old.lines) != len(new.lines):
            return False
        rows = zip(
            zip(old.lines, old.fixed, strict=True),
            zip(new.lines, new.fixed, strict=True),
            strict=True,
        )
        differing = [
            (one, two) for (one, *some), (two, *others) in rows if (one, some) != (two, others)
        ]
        return bool(differing) and all(
            one != two and self._timed(one, two) for one, two in differing
        )

    def _function(self, pair: Pair) -> CodeChange:
        name = pair.old.name or f"the function at {pair.old.start:#x}"
        if pair.old_code is None or pair.new_code is None:
            sizes = [f"{span.size} bytes" for span in (pair.old, pair.new)]
            return CodeChange(what=f"{name} in the unwind table", old=sizes[0], new=sizes[1])
        listings = [self._listing(0, pair), self._listing(1, pair)]
        old, new = _hunks(*listings)
        return CodeChange(
            what=name, cause=CodeCause.BUILD_TIME if pair.timed else None, old=old, new=new
        )

    def _timed(self, one: str, two: str) -> bool:
        """Check that two instructions differ in constants that follow from the builds' times."""
        if _NUMBER.sub("", one) != _NUMBER.sub("", two):
            return False
        numbers = zip(_NUMBER.findall(one), _NUMBER.findall(two), strict=True)
        return all(
            before == after or self._times.explain_numbers(int(before, 16), int(after, 16))
            for before, after in numbers
        )

    def _listing(self, side: int, pair: Pair) -> list[str]:
        """Return a function's instructions with names instead of addresses."""
        code = (pair.old_code, pair.new_code)[side]
        assert code is not None
        span = (pair.old, pair.new)[side]
        targets: dict[int, list[str]] = defaultdict(list)
        for number, address in code.targets:
            targets[number].append(self._place(side, span, address))
        listed = []
        for at, line in enumerate(code.lines):
            first, *rest = line.split(PLACE)
            places = targets.get(at, [])
            listed.append(first + "".join(map("".join, zip(places, rest, strict=True))))
        return listed

    def _place(self, side: int, span: Span, address: int) -> str:
        slots = self._readers[side].slots
        if address in slots:
            return slots[address]
        if span.start <= address < span.end:
            return f"+{address - span.start:#x}"
        return self._images[side].place(address) or f"{address:#x}"

    def _data(self, change: Change) -> Iterator[CodeChange]:
        """Yield a change of data as one of each text or range of bytes in it."""
        if isinstance(change.old, str) or isinstance(change.new, str):
            yield CodeChange(what=change.what, old=str(change.old), new=str(change.new))
            return
        for old, new in _ranges(change.old, change.new):
            texts = [part.decode("latin-1") for part in (old, new)]
            timed = self._times.explain_texts(*texts)
            shown = [text if _TEXT.fullmatch(part) else part[:16].hex(" ")
                     for text, part in zip(texts, (old, new), strict=True)]  # fmt: skip
            yield CodeChange(
                what=change.what,
                cause=CodeCause.BUILD_TIME if timed else None,
                old=shown[0][:200],
                new=shown[1][:200],
            )

    def _symbols(self) -> Iterator[Reference]:
        """Yield where each exported symbol of both files points to."""
        values = []
        for image in self._images:
            section = image.first(DYNSYM)
            rows = elf_symbols.table(image, section) if section is not None else []
            versions = elf_symbols.version_labels(image)
            values.append(
                {
                    (row.name, versions[at] if at < len(versions) else ""): row.value
                    for at, row in enumerate(rows)
                    if _is_placed(row)
                }
            )
        for key in sorted(values[0].keys() & values[1].keys()):
            yield Reference(f"symbol {key[0]}", values[0][key], values[1][key])

    def _tables(self) -> list[CodeChange]:
        """Compare the tables that :class:`Placement` leaves out."""
        one, two = map(_tables, self._images)
        if self._still:  # relocations stand where they stood, too
            one[".rela.dyn"], two[".rela.dyn"] = map(_relocation_rows, self._images)
        names = sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))
        return [CodeChange(what=f"table {name}") for name in names]


def _sizes_differ(old: Span, new: Span) -> bool:
    return bool(old.size and new.size) and old.size != new.size


def _tables(image: Image) -> dict[str, object]:
    """Return canonical form, else bytes, of loaded tables by name; of TLS without bytes its size.

    The addresses of ``.dynsym``, and ``.rela.dyn``, are compared as references.
    """
    forms = elf_tables.forms(image)
    found: dict[str, object] = {}
    for at, section in enumerate(image.sections):
        if not section.flags & ALLOC or section.flags & CODE or is_ignored(image, section):
            continue
        if section.name == ".note.package":
            continue  # compared by itself
        if section.type == NOBITS and section.flags & TLS:
            found[section.name] = section.size
        elif section.type == DYNSYM and at in forms:
            rows = elf_symbols.table(image, section)
            labels = elf_symbols.version_labels(image) or [""] * len(rows)
            found[section.name] = sorted(
                (row.name, label, row.info, row.other, _home(image, row), row.size, _value(row))
                for row, label in zip(rows, labels, strict=True)
            )
        elif section.type in _TABLES and section.name != ".rela.dyn":
            found[section.name] = forms.get(at, bytes(image.bytes_of(section)))
    return found


def _is_placed(row: elf_symbols.Entry) -> bool:
    return 0 < row.section < _RESERVED and row.info & 15 != _TLS_SYMBOL


def _home(image: Image, row: elf_symbols.Entry) -> str:
    return (
        image.sections[row.section].name if row.section < len(image.sections) else f"#{row.section}"
    )


def _value(row: elf_symbols.Entry) -> int:
    """Return the value of a symbol that is no address."""
    return 0 if _is_placed(row) else row.value


def _relocation_rows(image: Image) -> object:
    return [
        sorted(image.rows(section, "QQq"))
        for section in image.sections
        if section.type == _RELA and section.flags & ALLOC
    ]


def _layout(image: Image) -> list[tuple[str, int, int]]:
    return [
        (section.name, section.address, section.size)
        for section in image.sections
        if section.flags & ALLOC
    ]


def _relocations(image: Image) -> dict[int, Relocation]:
    """Return what the dynamic linker does, by address."""
    found: dict[int, Relocation] = {}
    for section in image.sections:
        if section.type != _RELA or not section.flags & ALLOC:
            continue
        table = image.sections[section.link] if section.link < len(image.sections) else None
        names = (
            [row.name for row in elf_symbols.table(image, table)]
            if table is not None and table.type == DYNSYM
            else []
        )
        for offset, info, addend in image.rows(section, "QQq"):
            index, kind = info >> 32, info & 0xFFFFFFFF
            name = names[index] if 0 < index < len(names) else f"#{index}" if index else ""
            found[offset] = Relocation(kind, name, addend)
    return found


def _references(pair: Pair) -> Iterator[Reference]:
    if pair.old_code is None or pair.new_code is None:
        return
    name = pair.old.name or f"the function at {pair.old.start:#x}"
    for (line, before), (_, after) in zip(
        pair.old_code.targets, pair.new_code.targets, strict=True
    ):
        yield Reference(f"{name}: {pair.old_code.lines[line]}", before, after)


def _ranges(old: bytes, new: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield what differs: whole texts if lengths are equal, else all of both."""
    if len(old) != len(new):
        yield old.rstrip(b"\0"), new.rstrip(b"\0")
        return
    at = 0
    while at < len(old):
        if old[at] == new[at]:
            at += 1
            continue
        start = max(old.rfind(b"\0", 0, at), new.rfind(b"\0", 0, at)) + 1
        ends = [end if end >= 0 else len(old) for end in (old.find(b"\0", at), new.find(b"\0", at))]
        end = max(*ends, at + 1)
        yield old[start:end], new[start:end]
        at = end


def _hunks(old: Sequence[str], new: Sequence[str]) -> tuple[str, str]:
    """Return the lines around what differs, both sides with the same number of lines."""
    shown: tuple[list[str], list[str]] = ([], [])
    matcher = SequenceMatcher(None, old[:4000], new[:4000], autojunk=False)
    for group in matcher.get_grouped_opcodes(_CONTEXT):
        for _, i1, i2, j1, j2 in group:
            for one, two in zip_longest(old[i1:i2], new[j1:j2], fillvalue=""):
                shown[0].append(one[:_WIDTH])
                shown[1].append(two[:_WIDTH])
        shown[0].append("…")
        shown[1].append("…")
        if len(shown[0]) > _MAX_LINES:
            break
    return "\n".join(shown[0][:_MAX_LINES]), "\n".join(shown[1][:_MAX_LINES])
