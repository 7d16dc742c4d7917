"""A real SRPM through unpack, apply and pack; rpmbuild makes the new one and rpm says what it is."""

import hashlib
import io
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from buildfarm.adapters.debrand import srpm_tree
from buildfarm.adapters.debrand.rule_files import load_rule
from buildfarm.domain.debrand.apply import Applied, apply, debranded_by
from buildfarm.errors import InputError
from tests.integration.debrand.conftest import Rpmbuild

SPEC = b"""\
%global outside %(touch MARKER)
%global inside %(mkdir -p WORK/files; touch WORK/files/evaluated)
Name: shell
Epoch: 2
Version: 1.2
Release: 3%{?dist}
Summary: The shell of ACME %(touch MARKER)
License: MIT
BuildArch: noarch
Source0: motd.txt
Source1: logo.png
# Latin-1: \xe9
%description
x
%install
install -D %{SOURCE0} %{buildroot}/etc/motd
%files
/etc/motd
%changelog
* Mon Apr 29 2024 ACME <a@acme.example> - 2:1.2-3
- First
"""
RULE = """\
schema: 1
source: shell
why: it names the vendor
date: 2026-05-04
actions:
  - release: {suffix: .reef.1}
  - replace: {in: spec, find: The shell of ACME, with: The shell of Reef}
  - replace: {in: motd.txt, find: ACME, with: Reef, count: 2}
  - source: {op: replace, name: logo.png, rename: reef.png, text: ours}
  - changelog: {author: "Reef <builds@reef.example>", lines: ["Debrand: motd, logo"]}
"""
SOURCES = {"motd.txt": b"ACME \xe9\r\nACME\n", "logo.png": b"\x89PNG\x00"}
Query = Callable[..., str]


@pytest.fixture
def srpm(rpmbuild: Rpmbuild, tmp_path: Path) -> Path:
    """An SRPM whose spec touches files when anybody evaluates it (its maker did: the traces are
    removed).
    """
    spec = SPEC.replace(b"MARKER", str(tmp_path / "evaluated").encode())
    spec = spec.replace(b"WORK", str(tmp_path / "work").encode())
    (made,) = rpmbuild("-bs", "shell", spec, **SOURCES)
    (tmp_path / "evaluated").unlink()
    shutil.rmtree(tmp_path / "work")
    (tmp_path / "vendor.spec").write_bytes(spec)
    return made


@pytest.fixture
def applied(srpm: Path, tmp_path: Path) -> Applied:
    (tmp_path / "shell.yaml").write_text(RULE)
    tree = srpm_tree.unpack(srpm, tmp_path / "work")
    return apply(load_rule(tmp_path / "shell.yaml"), tree, evr="2:1.2-3.el9.reef.1")


def test_unpacking_gives_every_file_byte_for_byte_and_evaluates_nothing(srpm: Path, tmp_path: Path):
    tree = srpm_tree.unpack(srpm, tmp_path / "work")
    assert tree == {
        "SPECS/shell.spec": (tmp_path / "vendor.spec").read_bytes(),
        **{f"SOURCES/{name}": data for name, data in SOURCES.items()},
    }
    assert not (tmp_path / "evaluated").exists()
    assert not (tmp_path / "work").exists()


def test_what_rpmbuild_makes_of_the_debranded_tree_has_the_expected_evr_changelog_and_files(
    applied: Applied, rpmbuild: Rpmbuild, query: Query, tmp_path: Path
):
    top = tmp_path / "ours"
    top.mkdir()
    packed = srpm_tree.pack(applied.tree, mtime=1_777_896_000)
    subprocess.run(["tar", "-x", "-C", top], input=packed, check=True)
    (made,) = rpmbuild.run("-bs", top, top / "SPECS" / "shell.spec")
    assert made.name == "shell-1.2-3.el9.reef.1.src.rpm"
    assert query(made, "--qf=%{epoch}:%{version}-%{release}") == "2:1.2-3.el9.reef.1"
    assert query(made, "--qf=%{summary}") == "The shell of Reef"
    assert query(made, "--list").split() == ["motd.txt", "reef.png", "shell.spec"]
    assert query(
        made, "--qf=[%{changelogtime:day} %{changelogname}\n%{changelogtext}\n]"
    ).splitlines() == [
        "Mon May 04 2026 Reef <builds@reef.example> - 2:1.2-3.el9.reef.1",
        "- Debrand: motd, logo",
        "Mon Apr 29 2024 ACME <a@acme.example> - 2:1.2-3",
        "- First",
    ]
    again = srpm_tree.unpack(made, tmp_path / "again")
    assert again == applied.tree
    assert debranded_by(again) == load_rule(tmp_path / "shell.yaml").digest
    assert (again["SOURCES/motd.txt"], again["SOURCES/reef.png"]) == (
        b"Reef \xe9\r\nReef\n",
        b"ours",
    )


def test_packing_the_same_tree_gives_the_same_bytes_with_the_rules_time_and_nobodys_name(
    applied: Applied,
):
    first = srpm_tree.pack(applied.tree, mtime=1_777_896_000)
    assert first == srpm_tree.pack(dict(reversed(applied.tree.items())), mtime=1_777_896_000)
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        about = {(m.mtime, m.mode, m.uid, m.uname) for m in tar.getmembers()}
    assert about == {(1_777_896_000, 0o644, 0, "")}


def test_the_day_in_the_changelog_is_the_rules_whatever_the_machines_time_zone(applied: Applied):
    assert date(2026, 5, 4).strftime("* %a %b %d %Y ").encode() in applied.tree["SPECS/shell.spec"]


@pytest.mark.parametrize(
    "install",
    [
        "ln -s /etc/passwd %{buildroot}/odd",
        "ln -s shell.spec %{buildroot}/odd.spec",
        "mkfifo %{buildroot}/odd",
        "mkdir %{buildroot}/odd",
        "mkdir %{buildroot}/odd; echo x > %{buildroot}/odd/file",
    ],
)
def test_a_payload_of_anything_but_plain_files_is_refused(
    rpmbuild: Rpmbuild, tmp_path: Path, install: str
):
    """A binary RPM with its files at the root is what an SRPM would be that somebody forged."""
    odd = "/odd.spec" if ".spec" in install.rpartition(" ")[2] else "/odd"
    spec = (
        "Name: odd\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n%description\n%install\n"
        f"mkdir -p %{{buildroot}}\n{install}\n%files\n{odd}\n"
    )
    (made,) = rpmbuild("-bb", "odd", spec.encode())
    with pytest.raises(InputError, match=r"odd.*plain files only"):
        srpm_tree.unpack(made, tmp_path / "work")
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("evil", [b"../evil", b"/../../evil"])
def test_a_payload_that_climbs_out_of_its_folder_writes_nothing(
    rpmbuild: Rpmbuild, tmp_path: Path, evil: bytes
):
    name = b"x" * (len(evil) - 4) + b"evil"
    spec = b"Name: odd\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n%description\n%install\n"
    spec += b"mkdir -p %{buildroot}\necho x > %{buildroot}/" + name + b"\n%files\n/" + name + b"\n"
    (made,) = rpmbuild("-bb", "odd", spec, "_binary_payload w.ufdio")
    forged = tmp_path / "deep" / "er" / "odd.src.rpm"
    forged.parent.mkdir(parents=True)
    forged.write_bytes(made.read_bytes().replace(name, evil))
    before = set(tmp_path.rglob("*"))
    with pytest.raises(InputError):
        srpm_tree.unpack(forged, tmp_path / "deep" / "work")
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("damage", ["truncated", "a text", "empty", "payload"])
def test_a_damaged_srpm_is_refused_by_name(srpm: Path, tmp_path: Path, damage: str):
    data = srpm.read_bytes()
    half = bytearray(data)
    half[-200:-20] = bytes(180)
    bad = tmp_path / "bad.src.rpm"
    bad.write_bytes(
        {"truncated": data[:-100], "a text": b"hello", "empty": b"", "payload": bytes(half)}[damage]
    )
    with pytest.raises(InputError, match=r"^bad\.src\.rpm: its payload cannot be unpacked"):
        srpm_tree.unpack(bad, tmp_path / "work")


def test_a_source_named_with_a_blank_or_a_newline_in_its_line_stays_a_file(
    rpmbuild: Rpmbuild, tmp_path: Path
):
    spec = b"Name: n\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\nSource0: -rf\nSource1: a+b~c^d\n%description\n"
    (made,) = rpmbuild("-bs", "n", spec, **{"-rf": b"1", "a+b~c^d": b"2"})
    tree = srpm_tree.unpack(made, tmp_path / "work")
    assert tree == {"SPECS/n.spec": spec, "SOURCES/-rf": b"1", "SOURCES/a+b~c^d": b"2"}
    with tarfile.open(fileobj=io.BytesIO(srpm_tree.pack(tree, mtime=0))) as tar:
        assert sorted(tar.getnames()) == sorted(tree)


def test_the_vendors_srpm_is_not_touched(srpm: Path, tmp_path: Path):
    before = hashlib.sha256(srpm.read_bytes()).hexdigest()
    srpm_tree.unpack(srpm, tmp_path / "work")
    assert hashlib.sha256(srpm.read_bytes()).hexdigest() == before
    subprocess.run(["rpmkeys", "-K", "--nosignature", srpm], check=True, stdout=subprocess.DEVNULL)
