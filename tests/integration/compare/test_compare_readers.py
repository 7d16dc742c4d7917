"""The readers against other people's: rpm's own query formats, pyelftools."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from buildfarm.adapters.compare.rpm_facts.elf import elf
from buildfarm.adapters.compare.rpm_facts.sandboxed_reader import SandboxedReader, _each
from tests.integration.compare.compare_sample import Recipe, build


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return build(Recipe(), tmp_path_factory.mktemp("readers") / "base")["sample"]


def query(path, form):
    done = subprocess.run(
        ["rpm", "-qp", "--qf", form, str(path)], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_header_facts_are_what_rpm_itself_says(sample):
    facts = SandboxedReader().headers([sample])[0]
    assert query(sample, "%{NAME} %{VERSION} %{RELEASE} %{ARCH} %{SOURCERPM} %{SHA256HEADER}").split()[:5] == [
        facts.name, facts.version, facts.release, facts.arch, facts.source_rpm,
    ]  # fmt: skip
    wanted = query(
        sample,
        "[%{FILENAMES}|%{FILEMODES}|%{FILEUSERNAME}|%{FILECAPS}|%{FILELINKTOS}|%{FILEDIGESTS}\n]",
    )
    assert wanted.splitlines() == [
        f"{item.path}|{item.mode}|{item.user}|{item.caps}|{item.target}|{item.digest}"
        for item in facts.files
    ]
    for stem, name in (
        ("REQUIRE", "REQUIRENAME"),
        ("PROVIDE", "PROVIDENAME"),
        ("CONFLICT", "CONFLICTNAME"),
    ):
        assert query(sample, f"[%{{{name}}}\n]").splitlines() == [
            item.name for item in facts.dependencies[stem]
        ]
    assert query(sample, "%{POSTIN}") == next(
        item.body for item in facts.scriptlets if item.phase == "POSTIN"
    )
    assert query(sample, "[%{TRANSFILETRIGGERSCRIPTS}]") == next(
        item.body for item in facts.triggers if item.family == "TRANSFILETRIGGER"
    )
    linked = {item.path: item.hardlinks for item in facts.files if item.hardlinks}
    assert linked == {
        "/usr/share/sample/data.txt": ("/usr/share/sample/hard.txt",),
        "/usr/share/sample/hard.txt": ("/usr/share/sample/data.txt",),
    }


LIBRARIES = sorted(
    path for pattern in ("libc.so.6", "libstdc++.so.6", "libz.so.1", "libcrypto.so.*", "librpm.so.*")
    for path in Path("/usr/lib/x86_64-linux-gnu").glob(pattern)
)  # fmt: skip


@pytest.mark.parametrize(
    "path", LIBRARIES or [pytest.param(None, marks=pytest.mark.skip(reason="no system libraries"))]
)
def test_elf_facts_are_what_pyelftools_says(path):
    facts = elf.read(path.read_bytes())
    with path.open("rb") as file:
        other = ELFFile(file)
        dynamic = other.get_section_by_name(".dynamic")
        table = other.get_section_by_name(".dynsym")
        assert isinstance(table, SymbolTableSection)
        versions = other.get_section_by_name(".gnu.version")
        visible = [
            (place, symbol.name) for place, symbol in enumerate(table.iter_symbols())
            if symbol["st_shndx"] != "SHN_UNDEF"
            and symbol["st_info"]["bind"] in ("STB_GLOBAL", "STB_WEAK", "STB_LOOS")
            and symbol["st_other"]["visibility"] in ("STV_DEFAULT", "STV_PROTECTED")
            and versions.get_symbol(place)["ndx"] != "VER_NDX_LOCAL"
        ]  # fmt: skip
        assert sorted(symbol.name for symbol in facts.exports) == sorted(
            name for _, name in visible
        )
        assert facts.soname == next(tag.soname for tag in dynamic.iter_tags("DT_SONAME"))
        assert list(facts.needed) == [tag.needed for tag in dynamic.iter_tags("DT_NEEDED")]
        definitions = other.get_section_by_name(".gnu.version_d")
        if definitions is not None:
            names = {next(iter(aux)).name for _, aux in definitions.iter_versions()}
            assert {symbol.version for symbol in facts.exports if symbol.version} <= names


def test_a_malformed_elf_is_refused_whatever_byte_is_wrong():
    good = Path("/usr/bin/true").read_bytes()
    assert elf.read(good).interpreter
    for at in range(4, 4096, 13):
        damaged = bytearray(good[:20000])
        damaged[at] ^= 0xFF
        try:
            elf.read(bytes(damaged))
        except elf.ElfError:
            continue


def test_only_the_file_a_reader_dies_on_is_blamed():
    runs = []

    def run(items):
        runs.append(list(items))
        answers = []
        for item in items:
            if item == "poison":
                return "segmentation fault", answers
            answers.append(item.upper())
        return "", answers

    got = _each(["a", "poison", "b", "c"], run, str, lambda item, why: f"{item}: {why}")
    assert got == ["A", "poison: segmentation fault", "B", "C"]
    assert runs == [["a", "poison", "b", "c"], ["poison"], ["b", "c"]]


def test_a_file_that_only_a_crowded_run_could_not_read_gets_its_facts_alone():
    def run(items):
        return ("time limit reached", ["A"]) if len(items) > 1 else ("", [items[0].upper()])

    assert _each(["a", "b"], run, str, lambda item, why: why) == ["A", "B"]
