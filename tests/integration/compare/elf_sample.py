"""Small programs, libraries, modules and archives, built by gcc and binutils, one change each."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

from buildfarm.adapters.compare.rpm_facts.normalisers import normal_form
from buildfarm.domain.compare.contents.content import compare_content
from buildfarm.domain.compare.contents.normalise import NO_MASK, Mask
from buildfarm.domain.compare.facts.content_facts import ContentFacts
from buildfarm.domain.compare.facts.facts import FileEntry
from buildfarm.domain.compare.metadata.files import FilePair

LIBRARY = """
#include <stdio.h>
#include <string.h>
int table[4] = {1, 2, 3, 4};
int one(int x) { return x + table[0]; }
int two(const char *text) { char copy[32]; strcpy(copy, text); return printf("%s %d\\n", copy, one(1)); }
"""
PROGRAM = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
MODULE = r"""
#define SECTION(name) __attribute__((section(name), used))
SECTION(".modinfo") static const char license[] = "license=GPL";
SECTION(".modinfo") static const char vermagic[] = "vermagic=5.14.0-1.el9.x86_64 SMP preempt mod_unload modversions ";
SECTION(".modinfo") static const char source[] = "srcversion=0123456789ABCDEF";
SECTION(".modinfo") static const char alias[] = "alias=pci:v00008086d*";
SECTION(".gnu.linkonce.this_module") char this_module[64];
SECTION("__versions") static const struct { unsigned long crc; char name[56]; } versions[] = {
    {0x11112222, "module_layout"}, {0x33334444, "_printk"} };
int offered(void) { return 7; }
SECTION("__ksymtab") void *ksym __asm__("__ksymtab_offered") = offered;
__asm__(".globl __crc_offered\n.set __crc_offered, 0xcafe0001\n");
"""


def run(*words: object, text: str = "") -> None:
    done = subprocess.run(
        [str(word) for word in words],
        input=text.encode(),
        capture_output=True,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr.decode()


def compile_c(
    folder: Path, *options: str, source: str = LIBRARY, name: str = "libsample.so"
) -> Path:
    """Compile and link with gcc; the same words give the same bytes."""
    output = folder / name
    output.parent.mkdir(parents=True, exist_ok=True)
    run("gcc", "-O2", "-xc", "-", "-o", output, *options, text=source)
    return output


def library(folder: Path, *options: str, source: str = LIBRARY) -> Path:
    return compile_c(
        folder, "-shared", "-fPIC", "-Wl,-soname,libsample.so.1", *options, source=source
    )


def program(folder: Path, *options: str, source: str = PROGRAM) -> Path:
    return compile_c(folder, *options, source=source, name="program")


def module(folder: Path, source: str = MODULE) -> Path:
    return compile_c(folder, "-c", source=source, name="sample.ko")


def archive(folder: Path, members: dict[str, str], *, options: str = "rcs") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in members.items():
        compile_c(folder, "-c", source=source, name=name)
    run("ar", options, folder / "libsample.a", *(folder / name for name in members))
    return folder / "libsample.a"


def facts(data: bytes, path: str = "/usr/lib64/libsample.so", mask: Mask = NO_MASK) -> ContentFacts:
    form = normal_form.reduce(data, path, mask)
    return ContentFacts(
        path=path, size=len(data), sha256=str(hash(data)), nature=form.nature, normal=form.digest,
        normalisers=tuple(form.fired), text=form.text, elf=form.elf, classes=form.classes, symvers=form.symvers,
        pe=form.pe, members=tuple(form.members), active=form.active,
    )  # fmt: skip


@functools.cache
def entry(path: str) -> FileEntry:
    return FileEntry(
        path=path, mode=0o100755, user="root", group="root", flags=0, verify=0, caps="", target="", device=0, colour=2,
        langs="", digest="x", size=1,
    )  # fmt: skip


def compare(old: bytes | Path, new: bytes | Path, path: str = "/usr/lib64/libsample.so"):
    """What the comparison says of two files' content."""
    before, after = (item.read_bytes() if isinstance(item, Path) else item for item in (old, new))
    pair = FilePair(old=entry(path), new=entry(path))
    return compare_content(pair, facts(before, path), facts(after, path), is_source=False)


def told(findings) -> set[tuple[str, str, str]]:
    """(kind, verdict, subject) of each."""
    return {(item.kind, item.verdict.value, item.subject) for item in findings}
