"""PE files that binutils links: interface, protection and signature by name."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from buildfarm.adapters.compare.rpm_facts import pe
from buildfarm.domain.core.verdict import Verdict
from tests.integration.compare.elf_sample import compare, run

SOURCE = "int one(int x) { return x + 1; }\nint two(int x) { return one(x) * 2; }\n"
PATH = "/usr/x86_64-w64-mingw32/bin/a.dll"

pytestmark = pytest.mark.skipif(
    "i386pep"
    not in subprocess.run(["ld", "-V"], capture_output=True, text=True, check=False).stdout,
    reason="this ld links no PE files",
)


def linked(folder: Path, source: str = SOURCE, *options: str) -> bytes:
    """A library for Windows: gcc's object, turned over by objcopy."""
    folder.mkdir()
    run(
        "gcc",
        "-xc",
        "-",
        "-c",
        "-O1",
        "-fno-asynchronous-unwind-tables",
        "-o",
        folder / "a.o",
        text=source,
    )
    run("objcopy", "-O", "pe-x86-64", "-R", ".comment", folder / "a.o", folder / "a.obj")
    run("ld", "-m", "i386pep", "-shared", "-e", "0", "--export-all-symbols", *options, "-o", folder / "a.dll",
        folder / "a.obj")  # fmt: skip
    return (folder / "a.dll").read_bytes()


def signed(data: bytes) -> bytes:
    """The file with an attribute certificate behind it."""
    made = bytearray(data)
    (start,) = struct.unpack_from("<I", data, 60)
    struct.pack_into("<II", made, start + 24 + 112 + 8 * 4, len(data), 16)
    return bytes(made) + struct.pack("<IHH8s", 16, 0x200, 2, b"PKCS7")


def told(old: bytes, new: bytes) -> set[tuple[str, Verdict, str]]:
    return {(item.kind, item.verdict, item.rule) for item in compare(old, new, PATH)}


def test_a_time_stamp_is_no_difference_and_code_is(tmp_path: Path):
    old = linked(tmp_path / "old")
    stamped = bytearray(old)
    (start,) = struct.unpack_from("<I", old, 60)
    struct.pack_into("<I", stamped, start + 8, 77)
    assert {verdict for _, verdict, _ in told(old, bytes(stamped))} == {Verdict.EQUIVALENT}
    new = linked(tmp_path / "new", SOURCE.replace("x + 1", "x + 2"))
    assert told(old, new) == {("pe-code", Verdict.REVIEW, "pe-code")}


def test_an_export_removed_is_incompatible_and_one_added_is_told(tmp_path: Path):
    old = linked(tmp_path / "old")
    new = linked(tmp_path / "new", SOURCE.replace("int two", "int three"))
    facts = pe.read(old)
    assert facts is not None
    assert facts.exports == ("one", "two")
    assert {
        ("export-removed", Verdict.INCOMPATIBLE, "export-removed"),
        ("export-added", Verdict.COMPATIBLE, "export-added"),
    } <= told(old, new)


def test_lost_protection_and_a_lost_signature_are_for_review(tmp_path: Path):
    old = linked(tmp_path / "old")
    weak = linked(tmp_path / "new", SOURCE, "--disable-nxcompat")
    assert ("pe-protection", Verdict.REVIEW, "pe-protection-lost") in told(old, weak)
    assert told(signed(old), old) == {("pe-protection", Verdict.REVIEW, "pe-signature-lost")}
    assert told(old, signed(old)) == {("pe-protection", Verdict.COMPATIBLE, "pe-signature-gained")}


def outcome(data: bytes) -> str:
    try:
        return str(pe.read(data))
    except ValueError as error:
        return f"error: {error}"


def test_damaged_files_are_an_error_or_a_difference_and_never_a_crash(tmp_path: Path):
    data = linked(tmp_path / "old")
    flipped = [
        data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :] for at in range(64, len(data), 5)
    ]
    cut = [data[:end] for end in range(64, len(data), 37)]
    outcomes = [outcome(some) for some in (*flipped, *cut)]
    assert all(outcomes)
    assert sum(text.startswith("error: ") for text in outcomes) > 10
