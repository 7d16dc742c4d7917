"""ELF files with one change each, made by gcc and binutils, through the comparison."""

from __future__ import annotations

import json
import struct

import pytest

from buildfarm.adapters.compare.rpm_facts.content_codec import content_from_json, content_to_json
from buildfarm.adapters.compare.rpm_facts.elf import elf
from buildfarm.domain.core.verdict import Verdict, worst
from tests.integration.compare.elf_sample import (
    LIBRARY,
    PROGRAM,
    compare,
    compile_c,
    facts,
    library,
    program,
    run,
    told,
)

SCRIPT = "V1 { global: one; local: *; };"


def verdict(findings):
    return worst(item.verdict for item in findings)


def test_a_file_that_is_built_twice_with_another_build_id_and_comment_is_equivalent(tmp_path):
    old = library(tmp_path / "old", "-Wl,--build-id=0x1111")
    new = library(tmp_path / "new", "-Wl,--build-id=0x2222")
    assert old.read_bytes() != new.read_bytes()
    assert told(compare(old, new)) == {("content-normalised", "EQUIVALENT", "content")}
    run("objcopy", "--remove-section=.comment", new, tmp_path / "bare.so")
    assert verdict(compare(old, tmp_path / "bare.so")) is Verdict.EQUIVALENT


def test_a_section_that_is_loaded_counts_whatever_its_name(tmp_path):
    old = library(
        tmp_path / "old",
        source=LIBRARY + '__attribute__((section(".comment.x"), used)) int a = 1;\n',
    )
    new = library(
        tmp_path / "new",
        source=LIBRARY + '__attribute__((section(".comment.x"), used)) int a = 2;\n',
    )
    for path in (old, new):
        data = path.read_bytes().replace(b".comment.x\0", b".debug_abc\0")
        path.write_bytes(data)
    assert verdict(compare(old, new)) is Verdict.REVIEW


def test_bytes_that_no_header_names_count(tmp_path):
    old = program(tmp_path).read_bytes()
    assert verdict(compare(old + b"#!payload 1", old + b"#!payload 2")) is Verdict.REVIEW
    assert ("elf-code", "REVIEW", "1 sections differ: (unnamed bytes)") in told(
        compare(old, old + b"appended")
    )


CHANGES = {
    "an export removed": (
        {}, {"source": LIBRARY.replace("int one(", "static int one(")}, ("export-removed", "INCOMPATIBLE", "one")),
    "an export added": (
        {}, {"source": LIBRARY + "int three(void) { return 3; }\n"}, ("export-added", "COMPATIBLE", "three")),
    "data that grew": (
        {}, {"source": LIBRARY.replace("table[4]", "table[8]")}, ("export-changed", "INCOMPATIBLE", "table")),
    "a function that became data": (
        {}, {"source": LIBRARY.replace("int two(const char *text) {", "int two[9]; int three(char *text) {")},
        ("export-changed", "INCOMPATIBLE", "two")),
    "an export that became weak": (
        {}, {"source": LIBRARY.replace("int one(", "__attribute__((weak)) int one(")},
        ("export-changed", "COMPATIBLE", "one")),
    "an export that became protected": (
        {}, {"source": LIBRARY.replace("int one(", '__attribute__((visibility("protected"))) int one(')},
        ("export-changed", "REVIEW", "one")),
    "another soname": (
        {}, {"options": ("-Wl,-soname,libsample.so.2",)}, ("elf-soname", "INCOMPATIBLE", "SONAME")),
    "a library needed": (
        {}, {"options": ("-Wl,--no-as-needed", "-lm")}, ("elf-needed", "INCOMPATIBLE", "libm.so.6")),
    "libraries in another order": (
        {"options": ("-Wl,--no-as-needed", "-lm", "-lresolv")}, {"options": ("-Wl,--no-as-needed", "-lresolv", "-lm")},
        ("elf-needed", "REVIEW", "order")),
    "an rpath": (
        {}, {"options": ("-Wl,--disable-new-dtags,-rpath,/opt/x",)}, ("elf-rpath", "REVIEW", "RPATH")),
    "a runpath": (
        {}, {"options": ("-Wl,--enable-new-dtags,-rpath,/opt/x",)}, ("elf-rpath", "REVIEW", "RPATH (DT_RUNPATH)")),
    "an rpath that became a runpath": (
        {"options": ("-Wl,--disable-new-dtags,-rpath,/o",)}, {"options": ("-Wl,--enable-new-dtags,-rpath,/o",)},
        ("elf-rpath", "REVIEW", "RPATH")),
    "lazy binding": (
        {"options": ("-Wl,-z,relro,-z,now",)}, {"options": ("-Wl,-z,relro,-z,lazy",)},
        ("elf-hardening", "REVIEW", "bindnow")),
    "no read-only relocations": (
        {"options": ("-Wl,-z,relro",)}, {"options": ("-Wl,-z,norelro",)}, ("elf-hardening", "REVIEW", "relro")),
    "an executable stack": (
        {}, {"options": ("-Wl,-z,execstack",)}, ("elf-hardening", "REVIEW", "nx")),
    "no stack protector": (
        {"options": ("-fstack-protector-all",)}, {"options": ("-fno-stack-protector",)},
        ("elf-hardening", "REVIEW", "canary")),
    "no checked libc calls": (
        {"options": ("-D_FORTIFY_SOURCE=2",)}, {"options": ("-U_FORTIFY_SOURCE", "-fno-builtin")},
        ("elf-hardening", "REVIEW", "fortify")),
    "a stack protector gained": (
        {"options": ("-fno-stack-protector",)}, {"options": ("-fstack-protector-all",)},
        ("elf-hardening", "COMPATIBLE", "canary")),
    "no CET": (
        {"options": ("-nostdlib", "-fcf-protection=full", "-Wl,-z,ibt,-z,shstk")},
        {"options": ("-nostdlib", "-fcf-protection=none")}, ("elf-hardening", "REVIEW", "ibt shstk")),
    "a newer processor": (
        {}, {"options": ("-nostdlib", "-Wl,-z,x86-64-v3")}, ("elf-header", "INCOMPATIBLE", "x86 ISA needed")),
    "a writable code segment": (
        {"options": ("-nostdlib", "-Wl,-z,norelro")}, {"options": ("-nostdlib", "-Wl,-z,norelro,-N")}, ("elf-hardening", "REVIEW", "rwx")),
    "code that does something else": (
        {}, {"source": LIBRARY.replace("x + table", "x - table")}, ("elf-code", "REVIEW", "1 sections differ: .text")),
    "an unversioned symbol needed": (
        {}, {"source": LIBRARY + "int elsewhere(void); int (*hook)(void) = elsewhere;\n"},
        ("elf-import", "REVIEW", "elsewhere")),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_one_change_to_a_library_is_found_and_named(name, tmp_path):
    before, after, wanted = CHANGES[name]
    old, new = (library(tmp_path / side, *words.get("options", ()), source=words.get("source", LIBRARY))
                for side, words in (("old", before), ("new", after)))  # fmt: skip
    assert wanted in told(compare(old, new))


def test_a_newer_symbol_version_needed_is_for_review(tmp_path):
    plain = program(tmp_path / "old", "-O0")
    newer = program(tmp_path / "new", "-O0", source=PROGRAM.replace(
        "return 0", "extern int getentropy(void *, unsigned long); return getentropy(0, 0)"))  # fmt: skip
    assert ("elf-import", "REVIEW", "libc.so.6(GLIBC_2.25)") in told(
        compare(plain, newer, "/usr/bin/program")
    )


def test_versions_defined_and_the_default_of_a_symbol_are_the_interface(tmp_path):
    (tmp_path / "one.map").write_text("V1 { global: one; two; local: *; };\n")
    (tmp_path / "two.map").write_text("V1 { global: one; local: *; };\nV2 { global: two; } V1;\n")
    old = library(tmp_path / "old", f"-Wl,--version-script={tmp_path / 'one.map'}")
    new = library(tmp_path / "new", f"-Wl,--version-script={tmp_path / 'two.map'}")
    got = told(compare(old, new))
    assert {
        ("elf-version", "COMPATIBLE", "V2"),
        ("export-removed", "INCOMPATIBLE", "two@V1"),
    } <= got
    assert ("elf-version", "INCOMPATIBLE", "V2") in told(compare(new, old))
    source = LIBRARY + '__asm__(".symver old_two,two@V1");\nint old_two(int x) { return x; }\n'
    (tmp_path / "both.map").write_text("V1 { global: one; two; local: *; };\n")
    hidden = library(tmp_path / "hidden", f"-Wl,--version-script={tmp_path / 'both.map'}", source=source.replace(
        "int two(const", "static int was(const"))  # fmt: skip
    assert ("export-changed", "INCOMPATIBLE", "two@V1") in told(compare(old, hidden))


def test_a_program_that_is_no_longer_position_independent_is_found(tmp_path):
    old, new = program(tmp_path / "old", "-pie"), program(tmp_path / "new", "-no-pie")
    got = told(compare(old, new, "/usr/bin/program"))
    assert ("elf-header", "INCOMPATIBLE", "type") in got
    assert any(kind == "elf-hardening" and "pie" in subject for kind, _, subject in got)


def test_another_interpreter_or_entry_point_is_found_where_all_else_is_equal(tmp_path):
    old = program(tmp_path / "old")
    new = program(tmp_path / "new", "-Wl,--dynamic-linker,/lib64/ld-linux-x86-64.so.9")
    assert ("elf-interpreter", "INCOMPATIBLE", "INTERP") in told(compare(old, new))
    data = bytearray(old.read_bytes())
    struct.pack_into("<Q", data, 24, struct.unpack_from("<Q", data, 24)[0] + 4)
    assert ("elf-layout", "REVIEW", "entry point") in told(compare(old, bytes(data)))


def test_another_machine_or_word_size_is_incompatible(tmp_path):
    source = "int one(void) { return 1; }\n"
    wide = compile_c(tmp_path, "-c", source=source, name="wide.o")
    narrow = compile_c(tmp_path, "-c", "-m32", source=source, name="narrow.o")
    got = told(compare(wide, narrow))
    assert {
        ("elf-header", "INCOMPATIBLE", "bits"),
        ("elf-header", "INCOMPATIBLE", "machine"),
    } <= got


def test_section_headers_that_tell_another_story_than_the_loader_are_an_error(tmp_path):
    data = bytearray(library(tmp_path).read_bytes())
    at, size, count = (
        struct.unpack_from("<Q", data, 32)[0],
        56,
        struct.unpack_from("<H", data, 56)[0],
    )
    dynamic = next(
        at + n * size for n in range(count) if struct.unpack_from("<I", data, at + n * size)[0] == 2
    )
    struct.pack_into("<Q", data, dynamic + 8, 64)
    with pytest.raises(elf.ElfError, match="another dynamic section"):
        elf.read(bytes(data))


def test_facts_survive_the_sandboxs_wall(tmp_path):
    for path in (library(tmp_path), program(tmp_path)):
        known = facts(path.read_bytes())
        assert content_from_json(json.loads(json.dumps(content_to_json(known)))) == known
