"""Kernel modules and static archives with one change each."""

from __future__ import annotations

import gzip
import struct

import pytest

from buildfarm.adapters.compare.rpm_facts.elf import elf, kernel_module
from buildfarm.domain.compare.contents.normalise import Mask
from tests.integration.compare.elf_sample import (
    MODULE,
    archive,
    compare,
    compile_c,
    facts,
    module,
    run,
    told,
)

ONE, TWO = "int one(void) { return 1; }\n", "int one(void); int two(void) { return one() + 1; }\n"
BOTH = {"one.o": ONE, "two.o": TWO}


def signed(data: bytes, signature: bytes = b"s" * 256) -> bytes:
    """A module with a signature of PKCS#7 behind it, as scripts/sign-file writes it."""
    return (
        data
        + signature
        + struct.pack(">8BI", 0, 0, 2, 0, 0, 0, 0, 0, len(signature))
        + b"~Module signature appended~\n"
    )


def changed(tmp_path, old, new):
    assert MODULE.count(old) == 1
    path = "/lib/modules/k/sample.ko"
    return told(
        compare(module(tmp_path / "old"), module(tmp_path / "new", MODULE.replace(old, new)), path)
    )


def test_modules_that_differ_in_their_signature_only_are_equivalent_and_say_so(tmp_path):
    plain = module(tmp_path).read_bytes()
    got = compare(signed(plain), signed(plain, b"another" * 40), "/lib/modules/k/sample.ko")
    assert [(item.verdict.value, item.rule) for item in got] == [
        ("EQUIVALENT", "elf-sections+module-signature")
    ]
    assert told(compare(signed(plain), plain)) == {("module-signature", "REVIEW", "signature")}
    assert told(compare(plain, signed(plain))) == {("module-signature", "COMPATIBLE", "signature")}


def test_a_signature_whose_sizes_do_not_fit_is_an_error(tmp_path):
    data = module(tmp_path).read_bytes()
    trailer = (
        struct.pack(">8BI", 0, 0, 2, 0, 0, 0, 0, 0, len(data) * 2)
        + b"~Module signature appended~\n"
    )
    with pytest.raises(elf.ElfError, match="larger than the module"):
        elf.read(data + trailer)


MODULE_CHANGES = {
    "the exported crc": ("0xcafe0001", "0xcafe0002", ("module-crc", "INCOMPATIBLE", "offered")),
    "a needed crc": ("0x33334444", "0x33334445", ("module-crc", "INCOMPATIBLE", "_printk")),
    "a needed symbol": ("_printk", "_printk2", ("elf-import", "REVIEW", "_printk2")),
    "an export": ("__ksymtab_offered", "__ksymtab_renamed", ("export-removed", "INCOMPATIBLE", "offered")),
    "an alias": ("v00008086d*", "v00008087d*", ("module-info", "INCOMPATIBLE", "alias")),
    "the licence": ("license=GPL", "license=XYZ", ("module-info", "INCOMPATIBLE", "license")),
    "srcversion": ("0123456789ABCDEF", "F123456789ABCDEF", ("module-info", "COMPATIBLE", "srcversion")),
    "the configuration": ("SMP preempt", "SMP", ("module-vermagic", "INCOMPATIBLE", "configuration")),
    "the kernel's release": ("5.14.0-1.el9.x86_64", "5.14.0-2.el9.x86_64", ("module-vermagic", "COMPATIBLE", "kernel release")),
    "the kernel's version": ("5.14.0-1.el9.x86_64", "6.1.0-1.el9.x86_64", ("module-vermagic", "REVIEW", "kernel release")),
    "what a function does": ("return 7", "return 8", ("elf-code", "REVIEW", "1 sections differ: .text")),
}  # fmt: skip


@pytest.mark.parametrize("name", MODULE_CHANGES)
def test_one_change_to_a_kernel_module_is_found_and_named(name, tmp_path):
    old, new, wanted = MODULE_CHANGES[name]
    assert wanted in changed(tmp_path, old, new)


def test_vermagic_with_the_rpms_own_release_is_equivalent(tmp_path):
    old = module(tmp_path / "old").read_bytes()
    new = module(
        tmp_path / "new", MODULE.replace("5.14.0-1.el9.x86_64", "5.14.0-1.el9.us.x86_64")
    ).read_bytes()
    masks = Mask(words=(("5.14.0-1.el9", "@EVR@"),)), Mask(words=(("5.14.0-1.el9.us", "@EVR@"),))
    one, two = (facts(data, mask=mask) for data, mask in zip((old, new), masks, strict=True))
    assert one.elf.module.vermagic.startswith("@EVR@.x86_64 SMP")
    assert one.normal == two.normal


def test_crcs_that_lie_in_a_section_are_read_from_there(tmp_path):
    placed = r".pushsection __kcrctab,\"a\"\n__crc_offered: .long 0xcafe0001\n.popsection\n"
    source = MODULE.replace(r".set __crc_offered, 0xcafe0001\n", placed)
    assert facts(module(tmp_path, source).read_bytes()).elf.module.exports == (
        ("offered", "0xcafe0001"),
    )


def test_symvers_are_read_by_symbol():
    text = "0x00000001\tb\tvmlinux\tEXPORT_SYMBOL\t\n0x00000002\ta\tfs/x\tEXPORT_SYMBOL_GPL\tNS\n"
    assert kernel_module.symvers(text) == (("a", "0x00000002"), ("b", "0x00000001"))


def test_a_kernels_symvers_are_compared_symbol_by_symbol():
    old = b"0x00000001\tb\tvmlinux\tEXPORT_SYMBOL\t\n0x00000002\ta\tfs/x\tEXPORT_SYMBOL_GPL\t\n"
    path = "/lib/modules/5.14/symvers.gz"
    for text, wanted in (
        (old.replace(b"0x00000002", b"0x00000003"), ("module-crc", "INCOMPATIBLE", "a")),
        (old.split(b"\n")[0] + b"\n", ("export-removed", "INCOMPATIBLE", "a")),
        (old + b"0x00000009\tc\tvmlinux\tEXPORT_SYMBOL\t\n", ("export-added", "COMPATIBLE", "c")),
    ):
        assert told(compare(gzip.compress(old), gzip.compress(text), path)) == {wanted}


def test_an_archive_whose_times_and_order_differ_is_equivalent(tmp_path):
    old = archive(tmp_path / "old", BOTH, options="rcsU")
    new = archive(tmp_path / "new", dict(reversed(BOTH.items())), options="rcsD")
    assert old.read_bytes() != new.read_bytes()
    got = compare(old, new, "/usr/lib64/libsample.a")
    assert [(item.verdict.value, item.rule) for item in got] == [("EQUIVALENT", "ar-members")]


def test_the_order_counts_where_two_members_define_the_same_symbol(tmp_path):
    twice = {"a.o": ONE, "b.o": ONE.replace("1;", "2;")}
    old, new = (
        archive(tmp_path / "old", twice),
        archive(tmp_path / "new", dict(reversed(twice.items()))),
    )
    assert ("archive-member", "REVIEW", "member order") in told(
        compare(old, new, "/usr/lib64/libsample.a")
    )


ARCHIVE_CHANGES = {
    "a member that is gone with its symbols": ({"one.o": ONE}, "rcs", ("export-removed", "INCOMPATIBLE", "two")),
    "a symbol in another member": (
        {"one.o": ONE, "zwei.o": TWO}, "rcs", ("archive-member", "COMPATIBLE", "two.o")),
    "code of one member": (
        {"one.o": ONE.replace("1", "9"), "two.o": TWO}, "rcs", ("elf-code", "REVIEW", "one.o: 1 sections differ: .text")),
    "no index": (BOTH, "rcS", ("archive-member", "INCOMPATIBLE", "symbol index")),
}  # fmt: skip


@pytest.mark.parametrize("name", ARCHIVE_CHANGES)
def test_one_change_to_an_archive_is_found_and_named(name, tmp_path):
    members, options, wanted = ARCHIVE_CHANGES[name]
    old, new = archive(tmp_path / "old", BOTH), archive(tmp_path / "new", members, options=options)
    assert wanted in told(compare(old, new, "/usr/lib64/libsample.a"))


def test_a_hidden_function_of_an_object_file_is_for_review(tmp_path):
    hidden = ONE + '__attribute__((visibility("hidden"))) int helper(void) { return 2; }\n'
    old, new = (
        archive(tmp_path / "old", {"one.o": hidden}),
        archive(tmp_path / "new", {"one.o": ONE}),
    )
    assert ("export-removed", "REVIEW", "helper") in told(
        compare(old, new, "/usr/lib64/libsample.a")
    )


def test_a_member_that_is_not_elf_is_compared_by_its_bytes(tmp_path):
    for side, text in (("old", "a"), ("new", "b")):
        archive(tmp_path / side, BOTH)
        (tmp_path / side / "note.txt").write_text(text)
        run("ar", "rs", tmp_path / side / "libsample.a", tmp_path / side / "note.txt")
    paths = [tmp_path / side / "libsample.a" for side in ("old", "new")]
    assert told(compare(*paths)) == {("archive-member", "REVIEW", "note.txt")}


def test_an_object_that_asks_for_an_executable_stack_loses_protection(tmp_path):
    old, new = (
        compile_c(tmp_path / side, "-c", *options, source=ONE, name="a.o")
        for side, options in (("old", ()), ("new", ("-Wa,--execstack",)))
    )
    assert ("elf-hardening", "REVIEW", "nx") in told(compare(old, new, "/usr/lib64/a.o"))


def test_bytes_of_an_archive_that_belong_to_no_member_count(tmp_path):
    """An index that says nothing true on both sides, and a name that no member has."""
    data = archive(tmp_path, BOTH).read_bytes()
    at = data.index(b"one\0")
    wrong = [data[:at] + name + data[at + 3 :] for name in (b"aaa", b"bbb")]
    assert ("archive-member", "REVIEW", "symbol index") in told(
        compare(*wrong, "/usr/lib64/libsample.a")
    )
    long_name = f"{'x' * 30}.o"
    named = archive(tmp_path / "long", {long_name: ONE}, options="rcS").read_bytes()
    start = named.index(b"//                ") + 60
    size = int(named[start - 12 : start - 2])
    head = named[: start - 12] + f"{size + 10:<10}".encode() + b"`\n"
    grown = head + named[start : start + size] + b"payload1/\n" + named[start + size :]
    assert ("archive-member", "REVIEW", "name table") in told(
        compare(named, grown, "/usr/lib64/libsample.a")
    )
