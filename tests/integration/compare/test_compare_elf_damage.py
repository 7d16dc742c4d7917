"""Damaged and malformed ELF: an error or another file, never a crash, never equal, in bounded time
and memory.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildfarm.adapters.compare.rpm_facts.elf import elf, elf_image
from buildfarm.adapters.compare.rpm_facts.normalisers import normal_form
from buildfarm.domain.compare.contents.normalise import NO_MASK
from tests.integration.compare.elf_sample import MODULE, archive, facts, library, module

SECONDS, MEMORY = 20, 512 << 20
READ = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
from buildfarm.adapters.compare.rpm_facts.normalisers import normal_form
from buildfarm.domain.compare.contents.normalise import NO_MASK
try:
    normal_form.reduce(open(sys.argv[1], "rb").read(), "/usr/lib64/libx.so", NO_MASK)
except ValueError as error:
    print("refused:", error)
"""


@cache
def samples() -> tuple[bytes, ...]:
    """A library, a module and an archive."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        members = archive(folder / "archive", {"one.o": "int one(void) { return 1; }\n"})
        built = library(folder, "-s"), module(folder, MODULE), members
        return tuple(path.read_bytes() for path in built)


def read(data: bytes):
    """The digest of the normal form; ``None`` where it is refused.

    Any other exception is a failure.
    """
    try:
        return normal_form.reduce(data, "/usr/lib64/libx.so", NO_MASK).digest
    except elf.ElfError:
        return None


def free_bytes(data: bytes) -> set[int]:
    """The offsets whose value means nothing: padding of the header, physical addresses, ignored
    sections and their frame, records of compilers.
    """
    image = elf_image.parse(data)
    free = set(range(8, 16))
    (_, _), (segments_at, _), (sections_at, _) = image.headers
    for place, segment in enumerate(image.segments):
        at = segments_at + place * 56
        free |= set(range(at + 24, at + 32))
        if segment.type == elf_image.PT_NOTE:
            free |= set(range(at + 8, at + 56))
    for place, section in enumerate(image.sections):
        if elf.ignored(section) or place == 0 or section.name == ".comment":
            free |= set(range(section.offset, section.offset + section.stored))
            free |= set(range(sections_at + place * 64, sections_at + place * 64 + 64))
        elif not section.flags & elf_image.ALLOC:
            at = (
                sections_at + place * 64
            )  # an address it does not have, an alignment nobody asks for
            free |= {*range(at + 16, at + 24), *range(at + 48, at + 56)}
        elif not section.stored:
            free |= set(
                range(sections_at + place * 64 + 24, sections_at + place * 64 + 32)
            )  # where in the file it is not
    return free


def test_a_byte_that_differs_anywhere_it_counts_is_never_equal():
    data = samples()[0]
    known, free = read(data), free_bytes(data)
    counted = [at for at in range(0, len(data), 7) if at not in free]
    assert len(counted) > 1500
    for at in counted:
        changed = bytearray(data)
        changed[at] ^= 0x41
        assert read(bytes(changed)) != known, f"offset {at}"


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_truncated_file_is_never_equal_and_never_a_crash(which):
    data = samples()[which]
    known = read(data)
    for end in range(0, len(data), max(1, len(data) // 700)):
        assert read(data[:end]) != known


@settings(max_examples=400, deadline=None)
@given(
    which=st.sampled_from([0, 1, 2]),
    edits=st.lists(
        st.tuples(st.integers(0, 1 << 16), st.binary(min_size=1, max_size=8)),
        min_size=1,
        max_size=6,
    ),
)
def test_mutations_of_real_files_give_facts_or_an_elf_error(which, edits):
    data = bytearray(samples()[which])
    for at, value in edits:
        start = at % len(data)
        data[start : start + len(value)] = value[: len(data) - start]
    read(bytes(data))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_behind_the_magic_are_refused(tail):
    assert read(b"\x7fELF" + tail) is None


def header(
    *,
    sections: int = 0,
    sections_at: int = 64,
    segments: int = 0,
    segments_at: int = 0,
    names: int = 0,
) -> bytes:
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    words = (3, 62, 1, 0, segments_at, sections_at, 0, 64, 56, segments, 64, sections, names)
    return ident + struct.pack("<HHIQQQIHHHHHH", *words)


def section(
    kind: int,
    offset: int,
    size: int,
    *,
    name: int = 0,
    link: int = 0,
    info: int = 0,
    flags: int = 0,
) -> bytes:
    return struct.pack("<IIQQQQIIQQ", name, kind, flags, 0, offset, size, link, info, 1, 0)


BIG = 64 << 20


def overlapping() -> bytes:
    count = 60_000
    return header(sections=count) + b"".join(section(1, 0, BIG) for _ in range(count)) + bytes(BIG)


def names_overlap() -> bytes:
    """Every section's name is the same sixteen megabytes."""
    count = 50_000
    start = 64 + 64 * count
    rows = [section(3, start, 16 << 20, name=1)] + [
        section(8, 0, 0, name=1) for _ in range(count - 1)
    ]
    return (
        header(sections=count, names=0) + b"".join(rows) + b"\0" + b"n" * ((16 << 20) - 2) + b"\0"
    )


def symbols_without_end() -> bytes:
    start = 64 + 64 * 3
    rows = section(0, 0, 0), section(11, start, BIG, link=2), section(3, start + BIG, 4)
    return (
        header(sections=3)
        + b"".join(rows)
        + (b"\1\0\0\0\x12\0\1\0" + bytes(16)) * (BIG // 24)
        + bytes(BIG % 24)
        + b"\0ab\0"
    )


def versions_in_a_cycle() -> bytes:
    start = 64 + 64 * 4
    verneed = struct.pack("<HHIII", 1, 65535, 1, 0, 0) * 100
    rows = (section(0, 0, 0), section(11, start, 24, link=3), section(0x6FFFFFFE, start + 24, len(verneed), link=3, info=0xFFFFFFFF),
            section(3, start + 24 + len(verneed), 4))  # fmt: skip
    return header(sections=4) + b"".join(rows) + bytes(24) + verneed + b"\0ab\0"


def dynamic_without_end() -> bytes:
    start = 64 + 64 * 3
    rows = section(0, 0, 0), section(6, start, BIG, link=2), section(3, start + BIG, 4)
    return header(sections=3) + b"".join(rows) + struct.pack("<qQ", 1, 1) * (BIG // 16) + b"\0ab\0"


def sections_times_segments() -> bytes:
    sections, segments = 60_000, 4000
    places = section(1, 0, 0, flags=2) * sections
    return (
        header(sections=sections, segments=segments, segments_at=64 + len(places))
        + places
        + bytes(56 * segments)
    )


HOSTILE = [
    overlapping,
    names_overlap,
    symbols_without_end,
    versions_in_a_cycle,
    dynamic_without_end,
    sections_times_segments,
]


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_a_file_made_to_be_dear_is_refused_in_bounded_time_and_memory(make, tmp_path):
    path = tmp_path / "hostile"
    path.write_bytes(make())
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", READ.format(memory=MEMORY), str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-800:]
    assert time.monotonic() - started < SECONDS
    assert done.stdout.startswith("refused:"), done.stdout


def test_the_facts_of_the_samples_are_read():
    assert all(facts(data).elf is not None for data in samples())
