"""What a rule does outside of the spec: archives put together again, scripts, rpm's view,
dist-git's lists.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from buildfarm.adapters.debrand.outside import SandboxedOutside
from buildfarm.adapters.intake import dist_git
from buildfarm.domain.core.nevra import EVR
from buildfarm.domain.debrand.rule import ANY, ArchiveEdit, Replace, Script
from buildfarm.domain.debrand.tree import RuleDoesNotFit
from buildfarm.errors import InputError

WHEN = 1_700_000_000
FILES = {
    "foo-1/README": b"Welcome to ACME\n", "foo-1/images/logo.png": b"\x89PNG", "foo-1/images/a.png": b"\x89PNG2",
    "foo-1/src/main.c": b"int main;\n",
}  # fmt: skip


@pytest.fixture
def outside(tmp_path: Path) -> SandboxedOutside:
    return SandboxedOutside(tmp_path / "work")


def archive(tmp_path: Path, suffix: str) -> bytes:
    """Made by the programs that people make them with."""
    top = tmp_path / "made"
    for name, content in FILES.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(content)
        os.utime(top / name, (1_600_000_000, 1_600_000_000))
    (top / "foo-1" / "link").symlink_to("README")
    (top / "foo-1" / "src" / "main.c").chmod(0o755)
    target = tmp_path / f"foo-1.{suffix}"
    if suffix == "zip":
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
            for name in FILES:
                made.write(top / name, name)
    else:
        subprocess.run(["tar", "-caf", target, "-C", top, "foo-1"], check=True)
    return target.read_bytes()


def listing(data: bytes, suffix: str) -> dict[str, bytes]:
    if suffix == "zip":
        with zipfile.ZipFile(io.BytesIO(data)) as found:
            return {name: found.read(name) for name in found.namelist()}
    plain = (
        subprocess.run(["zstd", "-dc"], input=data, capture_output=True, check=True).stdout
        if suffix.endswith("zst")
        else data
    )
    with tarfile.open(fileobj=io.BytesIO(plain)) as found:
        return {m.name: found.extractfile(m).read() for m in found if m.isfile()}  # type: ignore[union-attr]


EDIT = ArchiveEdit(
    archive="foo",
    delete=("images/logo.png",),
    replace=(Replace(where="README", find="ACME", new="Reef", count=1),),
)


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.bz2", "tar.xz", "tar.zst", "zip"])
def test_an_archive_is_edited_inside_and_the_rest_of_it_stays(
    outside: SandboxedOutside, tmp_path: Path, suffix: str
):
    before = archive(tmp_path, suffix)
    after, changed = outside.edit_archive(f"foo.{suffix}", before, EDIT, mtime=WHEN)
    wanted = {**FILES, "foo-1/README": b"Welcome to Reef\n"}
    del wanted["foo-1/images/logo.png"]
    assert listing(after, suffix) == wanted
    assert changed == (("foo-1/images/logo.png", 0), ("foo-1/README", 1))
    assert outside.edit_archive(f"foo.{suffix}", before, EDIT, mtime=WHEN)[0] == after
    assert after[:4] == before[:4] or suffix == "tar.gz", "the same kind of archive"


def test_members_keep_what_they_were_and_only_a_changed_one_gets_the_rules_time(
    outside: SandboxedOutside, tmp_path: Path
):
    after, _ = outside.edit_archive("foo.tar.gz", archive(tmp_path, "tar.gz"), EDIT, mtime=WHEN)
    target = tmp_path / "after.tar.gz"
    target.write_bytes(after)
    said = subprocess.run(
        ["tar", "-tvf", target, "--full-time"],
        capture_output=True,
        check=True,
        text=True,
        env={"TZ": "UTC"},
    )
    lines = {line.split()[5]: line for line in said.stdout.splitlines()}
    assert lines["foo-1/link"].startswith("lrwxrwxrwx")
    assert lines["foo-1/src/main.c"].startswith("-rwxr-xr-x")
    assert "2020-09-13" in lines["foo-1/src/main.c"]
    assert "2023-11-14" in lines["foo-1/README"]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            ArchiveEdit(archive="x", delete=("nothing/*",)),
            r"no member matches 'nothing/\*'.*foo-1/README",
        ),
        (
            ArchiveEdit(
                archive="x", replace=(Replace(where="README", find="ACME", new="", count=2),)
            ),
            "found 1 times",
        ),
        (
            ArchiveEdit(archive="x", replace=(Replace(where="*.md", find="a", new="", count=ANY),)),
            "no member matches",
        ),
    ],
)
def test_an_edit_that_does_not_fit_the_archive_is_refused(
    outside: SandboxedOutside, tmp_path: Path, edit: ArchiveEdit, said: str
):
    with pytest.raises(RuleDoesNotFit, match=said):
        outside.edit_archive("foo.tar", archive(tmp_path, "tar"), edit, mtime=WHEN)


def test_what_is_no_archive_is_refused_by_name(outside: SandboxedOutside):
    with pytest.raises(RuleDoesNotFit, match=r"foo\.bin: is no archive that can be edited"):
        outside.edit_archive("foo.bin", b"\x7fELF" * 400, EDIT, mtime=WHEN)


SPEC = b"Name: x\n%global base 2.4\nVersion: %{base}.1\nRelease: 3%{?dist}%{?extra}\nSummary: x\nLicense: x\n%description\n"


def test_rpm_says_what_the_spec_comes_to_without_a_dist_tag(outside: SandboxedOutside):
    assert outside.evaluate({"x.spec": SPEC}, {"extra": ".7"}) == EVR(
        version="2.4.1", release="3.7"
    )


def test_a_spec_that_touches_a_file_while_it_is_parsed_touches_nothing_of_ours(
    outside: SandboxedOutside, tmp_path: Path
):
    mark = tmp_path / "touched"
    outside.evaluate({"x.spec": SPEC + f"%(touch {mark} /usr/touched)\n".encode()}, {})
    assert not mark.exists()
    assert not Path("/usr/touched").exists()


def test_a_spec_that_rpm_cannot_parse_is_refused_with_its_words(outside: SandboxedOutside):
    with pytest.raises(RuleDoesNotFit, match=r"(?s)x\.spec: rpm cannot parse the spec: .*%if"):
        outside.evaluate({"x.spec": SPEC + b"%if 1\n"}, {})


def script(text: str) -> Script:
    return Script(
        name="scripts/do.sh", content=text.encode(), files={"files/new.txt": b"new"}, cwd="tree"
    )


def test_a_script_changes_the_tree_and_nothing_else(outside: SandboxedOutside, tmp_path: Path):
    said = "sed -i s/a/b/ SOURCES/x; rm SOURCES/y; cp SOURCES/x SOURCES/z; ln -s x SOURCES/l; ln -s gone SOURCES/dangling"
    tree = {"SPECS/x.spec": SPEC, "SOURCES/x": b"a", "SOURCES/y": b"y"}
    after = outside.run_script(script(said), tree, epoch=WHEN)
    assert after == {"SPECS/x.spec": SPEC, "SOURCES/x": b"b", "SOURCES/z": b"b", "SOURCES/l": b"b"}
    assert not list((tmp_path / "work").iterdir())


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("echo no; exit 3", "failed: .*no"),
        ("ln -s /etc/passwd SOURCES/p", "which is no plain file of the tree"),
        ("mkfifo SOURCES/f", "which is no plain file of the tree"),
        ("timeout 3 bash -c 'exec 3<>/dev/tcp/127.0.0.1/22'", "failed"),
        ("touch /usr/x", "failed: .*Read-only"),
    ],
)
def test_a_script_that_fails_or_leaves_the_tree_is_refused(
    outside: SandboxedOutside, said: str, why: str
):
    with pytest.raises(RuleDoesNotFit, match=f"(?s){why}"):
        outside.run_script(script(said), {"SPECS/x.spec": SPEC, "SOURCES/x": b"a"}, epoch=WHEN)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (".x.metadata", "{sha1} SOURCES/x.tar.gz"), ("sources", "SHA512 (x.tar.gz) = {sha512}"), ("sources", "{md5}  x.tar.gz"),
    ],
)  # fmt: skip
def test_sources_of_a_dist_git_tree_come_from_the_lookaside_by_their_digest(
    tmp_path: Path, name: str, line: str
):
    content = b"the archive"
    digests = {kind: hashlib.new(kind, content).hexdigest() for kind in ("sha1", "sha512", "md5")}
    (tmp_path / "tree" / "SPECS").mkdir(parents=True)
    (tmp_path / "tree" / "SPECS" / "x.spec").write_bytes(SPEC)
    (tmp_path / "tree" / name).write_text(line.format(**digests) + "\n")
    cache = tmp_path / "cache"
    cache.mkdir()
    tree = dist_git.read(tmp_path / "tree")
    with pytest.raises(InputError, match=r"x\.tar\.gz is not in"):
        dist_git.with_sources(tree, "x", str(cache))
    (cache / "x.tar.gz").write_bytes(content + b"!")
    with pytest.raises(InputError, match=r"x\.tar\.gz: its (sha1|sha512|md5) is .*, the tree says"):
        dist_git.with_sources(tree, "x", str(cache))
    (cache / "x.tar.gz").write_bytes(content)
    assert dist_git.with_sources(tree, "x", str(cache))["SOURCES/x.tar.gz"] == content
