"""The third round: code with its addresses masked, and abidiff, on libraries that gcc builds and
RPMs that rpmbuild packs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from buildfarm.adapters.compare.rpm_facts.elf import disassembly
from buildfarm.adapters.compare.rpm_facts.sandboxed_reader import SandboxedReader
from buildfarm.domain.compare.contents.both_sides import judge_abi, request, told_of_code
from buildfarm.domain.compare.facts.content_facts import AbiFacts, BothSides
from buildfarm.domain.compare.facts.facts import RpmFacts
from buildfarm.domain.compare.metadata.files import FilePair
from buildfarm.domain.compare.policy import ComparePolicy
from buildfarm.domain.core.verdict import Verdict
from buildfarm.services.compare.comparison import compare_paths
from tests.integration.compare.elf_sample import LIBRARY, entry, facts, library, program, run

TWO_CALLS = """
int table[9];
static __attribute__((noinline, noclone)) int first(int x) { return x * table[0]; }
static __attribute__((noinline, noclone)) int second(int x) { return x - table[8]; }
int one(int x) { return first(x) + second(x + 1); }
int two(const char *text) { return second(text[0]); }
"""
MOVED = ("-Wl,--section-start=.text=0x8000",)


def told(old: Path, new: Path) -> tuple[str, str]:
    before, after = (disassembly.code(path.read_bytes()) for path in (old, new))
    return told_of_code(BothSides(old_code=before, new_code=after))


@pytest.mark.parametrize(
    "options", [("-shared", "-fPIC"), ("-no-pie", "-fno-pie", "-nostdlib", "-Wl,--entry=one")]
)
def test_code_that_only_moved_is_told_from_code_that_changed(tmp_path, options):
    moved = MOVED if "-shared" in options else ("-Wl,-Ttext-segment=0x900000",)
    old = program(tmp_path / "old", *options, source=TWO_CALLS)
    elsewhere = program(tmp_path / "moved", *options, *moved, source=TWO_CALLS)
    assert old.read_bytes() != elsewhere.read_bytes()
    rule, words = told(old, elsewhere)
    assert (rule, words.startswith("all ")) == ("code-moved", True)
    changed = program(
        tmp_path / "new", *options, *moved, source=TWO_CALLS.replace("x - table[8]", "x + table[8]")
    )
    rule, words = told(old, changed)
    assert rule == "code-differs"
    assert "second" in words
    assert "first" not in words


def test_calls_that_were_swapped_are_no_move(tmp_path):
    old = library(tmp_path / "old", source=TWO_CALLS)
    new = library(tmp_path / "new", *MOVED, source=TWO_CALLS.replace(
        "first(x) + second(x + 1)", "second(x) + first(x + 1)"))  # fmt: skip
    assert told(old, new)[0] == "code-differs"


def test_imported_functions_are_known_by_name_and_not_by_their_place(tmp_path):
    old = library(tmp_path / "old")
    new = library(
        tmp_path / "new",
        *MOVED,
        source=LIBRARY.replace("return printf(", "return puts(copy), printf("),
    )
    assert told(old, library(tmp_path / "same", *MOVED))[0] == "code-moved"
    assert "two" in told(old, new)[1]
    swapped = "int other(const char *a) { return puts(a) + remove(a); }\n"
    before = library(tmp_path / "b", source=LIBRARY + swapped)
    after = library(
        tmp_path / "a",
        *MOVED,
        source=LIBRARY + swapped.replace("puts(a) + remove(a)", "remove(a) + puts(a)"),
    )
    assert told(before, after)[0] == "code-differs"


def test_only_what_may_have_moved_is_disassembled(tmp_path):
    def wanted(old, new):
        sides = (
            {"/usr/lib64/libsample.so": facts(old.read_bytes())},
            {"/usr/lib64/libsample.so": facts(new.read_bytes())},
        )
        pair = FilePair(old=entry("/usr/lib64/libsample.so"), new=entry("/usr/lib64/libsample.so"))
        rpms = RpmFacts(file="a.rpm"), RpmFacts(file="b.rpm")
        return request([pair], rpms, ("", ""), *sides)

    old = library(tmp_path / "old")
    assert wanted(old, library(tmp_path / "moved", *MOVED)).code == (
        ("/usr/lib64/libsample.so",) * 2,
    )
    assert (
        wanted(old, library(tmp_path / "more", source=LIBRARY + "int three(void) { return 3; }\n"))
        is None
    )


def test_every_machine_but_x86_is_left_alone():
    assert disassembly.code(_elf_of_machine(183)) is None


def _elf_of_machine(machine: int) -> bytes:
    data = bytearray(Path("/bin/true").resolve().read_bytes())
    data[18:20] = machine.to_bytes(2, "little")
    return bytes(data)


SPEC = """
Name: shape
Version: 1.0
Release: 1
Summary: A library with a structure
License: MIT
%global debug_package %{{nil}}
%description
.
%package debuginfo
Summary: Debugging data
%description debuginfo
.
%build
cat > shape.c <<'EOF'
struct shape {{ {members} }};
int area(struct shape *s) {{ return s->width * s->height; }}
{more}
EOF
gcc -g -O1 -shared -fPIC -Wl,--build-id=sha1 -Wl,-soname,libshape.so.1 -o libshape.so.1 shape.c
%install
d=%{{buildroot}}
mkdir -p $d/usr/lib64
cp libshape.so.1 whole
id=$(readelf -n whole | sed -n 's/.*Build ID: //p')
objcopy --only-keep-debug whole debug
strip -g whole
cp whole $d/usr/lib64/libshape.so.1
p=$d/usr/lib/debug/.build-id/$(echo $id | cut -c1-2)
mkdir -p $p
cp debug $p/$(echo $id | cut -c3-).debug
%files
/usr/lib64/libshape.so.1
%files debuginfo
/usr/lib/debug
"""
NARROW, WIDE = "int width; int height;", "long width; int height;"


def rpms(folder: Path, members: str, more: str = "") -> Path:
    """The library's RPM; its debuginfo lies beside it."""
    folder.mkdir()
    spec = folder / "shape.spec"
    spec.write_text(SPEC.format(members=members, more=more))
    run(
        "rpmbuild", "-bb", "--define", f"_topdir {folder}", "--define", f"_rpmdir {folder}",
        "--define", "_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm", "--define", "__os_install_post %{nil}",
        spec,
    )  # fmt: skip
    return next(folder.glob("shape-1.0-1.*.rpm"))


needs_abidiff = pytest.mark.skipif(
    shutil.which("abidiff") is None, reason="no abidiff on this machine (abigail-tools)"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    top = tmp_path_factory.mktemp("shape")
    return {
        "old": rpms(top / "old", NARROW),
        "wide": rpms(top / "wide", WIDE),
        "private": rpms(
            top / "private",
            NARROW,
            "static int hidden(void) { return 1; } int (*keep)(void) = hidden;",
        ),
    }


def found(old: Path, new: Path, **policy):
    report = compare_paths(old, new, ComparePolicy(**policy), reader=SandboxedReader())
    return {
        (item.kind, item.verdict, item.rule): item
        for pair in report.pairs
        for item in pair.findings
    }


@needs_abidiff
def test_a_structure_that_changed_behind_equal_symbols_is_found_by_abidiff(built):
    item = found(built["old"], built["wide"]).get(("abi", Verdict.REVIEW, "abi-changed"))
    assert item is not None
    assert item.path == "/usr/lib64/libshape.so.1"
    assert "type of 'int width' changed" in item.diff
    assert not any(
        kind == "abi" for kind, _, _ in found(built["old"], built["wide"], both_sides=False)
    )


@needs_abidiff
def test_what_is_no_interface_gives_no_finding(built):
    assert not any(kind.startswith("abi") for kind, _, _ in found(built["old"], built["private"]))


@needs_abidiff
def test_without_debuginfo_of_both_sides_nothing_is_said_of_the_abi(built, tmp_path):
    alone = shutil.copy(built["wide"], tmp_path)
    assert not any(kind.startswith("abi") for kind, _, _ in found(built["old"], Path(alone)))


@needs_abidiff
def test_damaged_debuginfo_is_an_error_of_that_check_and_hides_nothing(built, tmp_path):
    for file in built["wide"].parent.glob("shape-*.rpm"):
        shutil.copy(file, tmp_path)
    debuginfo = next(tmp_path.glob("shape-debuginfo-*.rpm"))
    debuginfo.write_bytes(debuginfo.read_bytes()[:-400])
    got = found(built["old"], tmp_path / built["wide"].name)
    assert ("abi-check", Verdict.ERROR, "abi-check") in got
    assert any(kind == "elf-code" for kind, _, _ in got)


@needs_abidiff
def test_a_folder_finds_the_debuginfo_among_its_rpms(built, tmp_path):
    done = subprocess.run(
        [Path(sys.executable).with_name("buildfarm"), "compare", "--json", "--state", tmp_path, built["old"].parent,
         built["wide"].parent], capture_output=True, text=True, check=False,
    )  # fmt: skip
    pairs = {pair["name"]: pair for pair in json.loads(done.stdout)["pairs"]}
    assert ("abi", "REVIEW") in {
        (item["kind"], item["verdict"]) for item in pairs["shape"]["findings"]
    }
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (0, "", None),
        (4, "", ("abi", Verdict.REVIEW)),
        (12, "", ("abi", Verdict.INCOMPATIBLE)),
        (1, "cannot read", ("abi-check", Verdict.ERROR)),
        (2, "usage", ("abi-check", Verdict.ERROR)),
        (5, "", ("abi-check", Verdict.ERROR)),
        (16, "", ("abi-check", Verdict.ERROR)),
        (None, "abidiff crashed (-6)", ("abi-check", Verdict.ERROR)),
    ],
)
def test_exit_codes_of_abidiff_and_a_crash_are_judged_by_its_manual(status, error, expected):
    got = judge_abi(
        "/usr/lib64/x.so", AbiFacts(status=status, error=error, report="Functions changes summary")
    )
    assert [(item.kind, item.verdict) for item in got] == ([expected] if expected else [])


@pytest.mark.skipif(
    "BUILDFARM_CORPUS" not in os.environ,
    reason="BUILDFARM_CORPUS does not name the folder of real RPMs",
)
@needs_abidiff
def test_a_real_pair_with_its_debuginfo_beside_it():
    folder = Path(os.environ["BUILDFARM_CORPUS"]) / "rpms" / "pairs"
    got = found(folder / "isl-0.16.1-6.x86_64.rpm", folder / "isl-0.16.1-7.x86_64.rpm")
    assert not any(
        kind.startswith("abi") for kind, _, _ in got
    )  # one function added; abidiff has nothing against it
    assert ("export-added", Verdict.COMPATIBLE, "export-added") in got
