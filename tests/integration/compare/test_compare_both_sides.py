"""The third round: which files it is asked about, and abidiff on RPMs that rpmbuild packs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from buildfarm.adapters.compare.rpm_facts.sandboxed_reader import SandboxedReader
from buildfarm.domain.compare.contents.both_sides import judge_abi, request
from buildfarm.domain.compare.facts.content_facts import AbiFacts
from buildfarm.domain.compare.facts.facts import RpmFacts
from buildfarm.domain.compare.metadata.files import FilePair
from buildfarm.domain.compare.policy import ComparePolicy
from buildfarm.domain.core.verdict import Verdict
from buildfarm.services.compare.comparison import compare_paths
from tests.integration.compare.elf_sample import entry, facts, library, run


def test_only_what_loads_otherwise_is_asked_about(tmp_path):
    def wanted(old, new):
        path = "/usr/lib64/libsample.so"
        sides = {path: facts(old.read_bytes())}, {path: facts(new.read_bytes())}
        pair = FilePair(old=entry(path), new=entry(path))
        return request([pair], (RpmFacts(file="a.rpm"), RpmFacts(file="b.rpm")), ("", ""), *sides)

    old = library(tmp_path / "old")
    stripped = library(tmp_path / "stripped", "-s")
    assert wanted(old, stripped) is None
    moved = library(tmp_path / "moved", "-Wl,--section-start=.text=0x8000")
    assert wanted(old, moved).code == (("/usr/lib64/libsample.so",) * 2,)


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
