"""Code and data that differ: what is proved to be placement or the time of the build, what a record
of another toolchain explains, and that everything else is for a person.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest

from buildfarm.adapters.compare.rpm_facts.elf import code_pair, elf, elf_image
from buildfarm.adapters.compare.rpm_facts.elf.build_times import BuildTimes
from buildfarm.adapters.compare.rpm_facts.elf.disassembly import Disassembler
from buildfarm.adapters.compare.rpm_facts.elf.elf_image import ElfError
from buildfarm.adapters.compare.rpm_facts.elf.functions import Room, spans
from buildfarm.domain.compare.contents.code import RULES, with_causes
from buildfarm.domain.compare.contents.elf import compare_elf
from buildfarm.domain.compare.facts.content_facts import BothSides
from buildfarm.domain.compare.kinds import Kind, finding
from buildfarm.domain.core.verdict import CodeCause, Finding, Verdict
from tests.integration.compare.elf_sample import library, program

SOURCE = """
#include <stdio.h>
const char *names[] = {"alpha", "beta", "gamma"};
static int counter = 7;
static int first(int x) __attribute__((noinline, noclone));
static int second(int x) __attribute__((noinline, noclone));
static int first(int x) { return x * 3 + counter++; }
static int second(int x) { return x - 8; }
int pick(int x) {
    switch (x) {
    case 0: return puts("zero");
    case 1: return puts("one");
    case 2: return first(x);
    case 3: return remove("three");
    case 4: return second(x);
    case 5: return 9;
    default: return puts("message: nothing was removed");
    }
}
int swap(int a, int b) { return printf("%d %d\\n", first(a), second(b)); }
static void start(void) __attribute__((constructor));
static void start(void) { puts(names[counter % 3]); }
static void other(void) __attribute__((used));
static void other(void) { counter = 0; }
"""
OPTIONS = ("-O2", "-fno-inline", "-Wl,--build-id=none")
MOVED = "-Wl,--section-start=.text=0x9000"


def judged(
    old: bytes, new: bytes, times: BuildTimes | None = None
) -> tuple[code_pair.CodePair, list[Finding]]:
    """The comparison of the code, and the findings that come of it."""
    pair = code_pair.compare(old, new, times=times)
    return pair, compare_elf("/x", elf.read(old), elf.read(new), BothSides(code=pair))


def worst(findings: list[Finding]) -> Verdict:
    return max((item.verdict for item in findings), key=lambda verdict: verdict.badness)


def built(folder: Path, source: str = SOURCE, *options: str) -> bytes:
    return library(folder, *OPTIONS, *options, source=source).read_bytes()


@pytest.mark.parametrize("strip", [(), ("-s",)])
def test_code_at_other_addresses_is_proved_equal(tmp_path, strip):
    old, new = built(tmp_path / "old", SOURCE, *strip), built(tmp_path / "n", SOURCE, MOVED, *strip)
    pair, findings = judged(old, new)
    assert (pair.cause, pair.changed) == (CodeCause.PLACEMENT, 0)
    assert pair.functions > 6
    assert ("elf-code", Verdict.COMPATIBLE, "code-moved") in {
        (item.kind, item.verdict, item.rule) for item in findings
    }


def test_code_without_room_is_not_decoded_and_nothing_is_proved_of_it(tmp_path):
    old, new = built(tmp_path / "old"), built(tmp_path / "new", SOURCE, MOVED)
    room = Room()
    assert code_pair.compare(old, new, room=room).cause is CodeCause.PLACEMENT
    assert room.left < Room().left
    pair = code_pair.compare(old, new, room=Room(left=100))
    assert (pair.cause, pair.functions) == (None, 0)


EDITS = {
    "another text": ('"one"', '"two"'),
    "another constant": ("x * 3", "x * 5"),
    "another branch": ("case 4: return second(x)", "case 4: return 4"),
    "swapped calls": ("first(a), second(b)", "second(b), first(a)"),
    "swapped arguments": ("first(a), second(b)", "first(b), second(a)"),
    "another function called": ("case 2: return first(x)", "case 2: return second(x)"),
    "a text in the middle of another": ('"message: nothing', '"mess\\\\0age: nothing'),
    "initial data": ("counter = 7", "counter = 8"),
    "pointers in another order": ('{"alpha", "beta"', '{"beta", "alpha"'),
    "another constructor": ("__attribute__((constructor));\\nstatic void start(void) {",
                            "__attribute__((used));\\nstatic void start(void) {"),
}  # fmt: skip


@pytest.mark.parametrize("options", [(), (MOVED,), ("-s",), ("-s", MOVED)])
@pytest.mark.parametrize("edit", EDITS)
def test_one_change_without_a_cause_is_for_review(tmp_path, edit, options):
    before, after = (text.replace("\\n", "\n") for text in EDITS[edit])
    changed = SOURCE.replace(before, after)
    if edit == "another constructor":
        changed = changed.replace(
            "static void other(void) __attribute__((used))",
            "static void other(void) __attribute__((constructor))",
        )
    assert changed != SOURCE
    pair, findings = judged(built(tmp_path / "old"), built(tmp_path / "new", changed, *options))
    assert pair.cause is None
    assert worst(findings) is Verdict.REVIEW
    assert pair.changes


def test_a_changed_function_is_named_and_shown_on_both_sides(tmp_path):
    new = built(tmp_path / "new", SOURCE.replace("x - 8", "x - 9"))
    pair, findings = judged(built(tmp_path / "old"), new)
    assert [change.what for change in pair.changes] == ["second"]
    told = next(item for item in findings if item.kind == "elf-code")
    assert "second" in told.subject
    assert "- 8]" in told.diff
    assert "- 9]" in told.diff


def patched(data: bytes, name: str, at: int, value: bytes) -> bytes:
    """The file with other bytes in a section."""
    section = elf_image.parse(data).named(name)
    assert section is not None
    start = section.offset + at
    return data[:start] + value + data[start + len(value) :]


def rows(data: bytes, name: str, letters: str) -> list[tuple[int, ...]]:
    image = elf_image.parse(data)
    section = image.named(name)
    assert section is not None
    return list(image.rows(section, letters))


def test_a_reference_that_points_elsewhere_is_no_move(tmp_path):
    """A text reference some bytes further: nothing moved, so the address is a change."""
    source = SOURCE.replace("counter % 3]", "counter % 3] + 2")
    pair, findings = judged(built(tmp_path / "old"), built(tmp_path / "new", source))
    assert pair.cause is None
    assert worst(findings) is Verdict.REVIEW


def test_a_branch_into_the_middle_of_an_instruction_is_a_change(tmp_path):
    source = "int two(int x) { if (x > 5) return 0x11223344; return x + 0x55667788; }\n"
    data = program(tmp_path, "-O0", "-shared", "-fPIC", "-nostdlib", source=source).read_bytes()
    section = elf_image.parse(data).named(".text")
    assert section is not None
    code = bytes(elf_image.parse(data).bytes_of(section))
    jump = next(at for at in range(len(code)) if code[at] in (0x7E, 0x7F))  # jle, jg
    broken = patched(data, ".text", jump + 1, bytes([code[jump + 1] + 1]))
    pair, findings = judged(data, broken)
    assert pair.cause is None
    assert worst(findings) is Verdict.REVIEW


def swap_rows(data: bytes, name: str, size: int, one: int, two: int) -> bytes:
    section = elf_image.parse(data).named(name)
    assert section is not None
    body = bytes(elf_image.parse(data).bytes_of(section))
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    parts[one], parts[two] = parts[two], parts[one]
    return patched(data, name, 0, b"".join(parts))


def renumbered(data: bytes, name: str, one: int, two: int) -> bytes:
    for at, (offset, info, addend) in enumerate(rows(data, name, "QQq")):
        index = {one: two, two: one}.get(info >> 32, info >> 32)
        row = struct.pack("<QQq", offset, index << 32 | info & 0xFFFFFFFF, addend)
        data = patched(data, name, at * 24, row)
    return data


def test_the_order_of_dynamic_symbols_is_the_linkers_and_no_difference(tmp_path):
    data = built(tmp_path)
    table = elf_image.parse(data).named(".dynsym")
    assert table is not None
    one, two = [at for at, row in enumerate(rows(data, ".dynsym", "IBBHQQ")) if at and not row[3]][
        :2
    ]
    swapped = swap_rows(swap_rows(data, ".dynsym", 24, one, two), ".gnu.version", 2, one, two)
    assert elf.read(swapped).sections != elf.read(data).sections, "its relocations call others now"
    for name in (".rela.dyn", ".rela.plt"):
        swapped = renumbered(swapped, name, one, two)
    assert swapped != data
    assert elf.read(swapped) == elf.read(data)


def test_a_hash_table_that_hides_a_symbol_is_a_difference(tmp_path):
    data = built(tmp_path)
    buckets, _, words, _ = rows(data, ".gnu.hash", "IIII")[0]
    chain = 16 + words * 8 + buckets * 4
    value = rows(data, ".gnu.hash", "I")[chain // 4][0] ^ 0x100
    hidden = patched(data, ".gnu.hash", chain, struct.pack("<I", value))
    assert "1 sections differ: .gnu.hash" in {
        item.subject.rpartition("; ")[2] for item in judged(data, hidden)[1]
    }


def test_the_year_of_the_build_is_a_cause_and_another_number_is_none(tmp_path):
    source = '#include <stdio.h>\nint banner(void) { return printf("(c) %d\\n", YEAR); }\n'
    times = BuildTimes(
        old=int(datetime(2022, 6, 1, tzinfo=UTC).timestamp()),
        new=int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()),
    )
    old, new, wrong = (
        built(tmp_path / year, source, f"-DYEAR={year}") for year in ("2022", "2026", "2027")
    )
    pair, findings = judged(old, new, times)
    assert pair.cause is CodeCause.BUILD_TIME
    assert worst(findings) is Verdict.COMPATIBLE
    assert next(item.rule for item in findings if item.kind == "elf-code") == "code-build-time"
    assert judged(old, new)[0].cause is None, "without the builds' times nothing is proved"
    assert worst(judged(old, wrong, times)[1]) is Verdict.REVIEW


def test_the_date_of_the_build_in_a_text_is_a_cause_and_another_date_is_none(tmp_path):
    source = '#include <stdio.h>\nint banner(void) { return puts("built " WHEN); }\n'
    stamps = [int(datetime(2026, month, 3, tzinfo=UTC).timestamp()) for month in (2, 5)]
    times = BuildTimes(old=stamps[0], new=stamps[1])
    dates = ("Feb  3 2026 10:00:00", "May  3 2026 23:11:02", "May  9 2026 23:11:02")
    old, new, wrong = (built(tmp_path / str(at), source, f'-DWHEN="{date}"')
                       for at, date in enumerate(dates))  # fmt: skip
    assert judged(old, new, times)[0].cause is CodeCause.BUILD_TIME
    assert judged(old, wrong, times)[0].cause is None


def with_compiler(data: bytes, text: bytes) -> bytes:
    """The file as another compiler's record has it: of the same length."""
    section = elf_image.parse(data).named(".comment")
    assert section is not None
    return patched(data, ".comment", 0, text.ljust(section.size, b"\0")[: section.size])


def test_another_toolchain_on_both_records_is_a_cause_while_the_interface_is_equal(tmp_path):
    old = with_compiler(built(tmp_path / "old"), b"GCC: (GNU) 11.4.1")
    changed = SOURCE.replace("x * 3", "(x << 1) + x + 0")
    new = built(tmp_path / "new", changed.replace("x - 8", "x - 9"))
    pair, findings = judged(old, new)
    found = next(item for item in findings if item.kind == "elf-code")
    assert (found.verdict, found.rule) == (Verdict.COMPATIBLE, "code-toolchain")
    assert "GCC: (GNU) 11.4.1" in found.subject
    assert pair.old_toolchain != pair.new_toolchain
    for edit in (('"one"', '"/bin/evil"'), ("return 9", 'return rename("a", "b")')):
        assert (
            worst(judged(old, built(tmp_path / "evil", changed.replace(*edit)))[1])
            is Verdict.REVIEW
        )


@pytest.mark.parametrize("cause", CodeCause)
def test_a_target_decides_what_a_cause_is_worth(cause):
    rule = next(rule for rule, known in RULES.items() if known is cause)
    item = finding(Kind.ELF_CODE, Verdict.COMPATIBLE, rule, path="/x")
    assert with_causes([item], frozenset(CodeCause)) == [item]
    assert worst(with_causes([item], frozenset(CodeCause) - {cause})) is Verdict.REVIEW


def test_a_record_explains_nothing_where_nobody_compared_the_texts(tmp_path):
    old = with_compiler(built(tmp_path / "old"), b"GCC: (GNU) 11.4.1")
    new = built(tmp_path / "new", SOURCE.replace('"one"', '"/bin/evil"'))
    assert elf.read(old).toolchain != elf.read(new).toolchain
    assert worst(compare_elf("/x", elf.read(old), elf.read(new))) is Verdict.REVIEW


def test_no_record_on_one_side_is_no_cause(tmp_path):
    old = with_compiler(built(tmp_path / "old"), b"")
    new = built(tmp_path / "new", SOURCE.replace("x - 8", "x - 9"))
    assert worst(judged(old, new)[1]) is Verdict.REVIEW


def test_a_payload_in_the_record_of_compilers_is_a_difference(tmp_path):
    old = built(tmp_path / "old")
    new = with_compiler(old, b"#!/bin/sh payload")
    assert worst(judged(old, new)[1]) is Verdict.REVIEW


@pytest.mark.parametrize("option", ["--audit", "--depaudit", "--auxiliary", "--filter"])
def test_a_library_that_is_loaded_beside_the_needed_ones_is_incompatible(tmp_path, option):
    new = built(tmp_path / "new", SOURCE, f"-Wl,{option},libevil.so")
    findings = judged(built(tmp_path / "old"), new)[1]
    item = next(item for item in findings if item.kind == "elf-needed")
    assert (item.verdict, item.rule) == (Verdict.INCOMPATIBLE, "elf-loads")
    assert "libevil.so" in item.new


def fill(data: bytes) -> set[int]:
    """The offsets of what stands behind the last instruction of a function."""
    image = elf_image.parse(data)
    disassembler = Disassembler(image)
    found: set[int] = set()
    for span in spans(image):
        section = image.named(span.section)
        assert section is not None
        code = disassembler.code(span)
        used = code.offsets[-1] + len(code.fixed[-1]) if code.lines else 0
        start = section.offset + span.start - section.address
        found |= set(range(start + used, start + span.end - span.start))
    return found


@pytest.mark.parametrize("options", [(), ("-s",)])
def test_no_bit_of_what_is_loaded_is_published_without_a_person(tmp_path, options):
    data = built(tmp_path, SOURCE, *options)
    image = elf_image.parse(data)
    free, published, tried = fill(data), [], 0
    for section in image.sections:
        if not section.flags & elf_image.ALLOC:
            continue
        for at in range(section.offset, section.offset + section.stored, 3):
            if at in free:
                continue
            changed = bytearray(data)
            changed[at] ^= 1 << at % 8
            tried += 1
            try:
                worst_of = worst(judged(data, bytes(changed))[1])
            except (ElfError, struct.error):
                continue  # an error of the comparison stops it, too
            if worst_of.badness < Verdict.REVIEW.badness:
                published.append((section.name, at - section.offset))
    assert tried > 600
    assert not published
