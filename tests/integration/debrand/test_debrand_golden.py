"""Rules of other distributions, on the specs they were written for: the result is theirs, byte for
byte.
"""

from __future__ import annotations

import os
import re
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from buildfarm.adapters.debrand.outside import SandboxedOutside
from buildfarm.adapters.debrand.rule_files import load_rule
from buildfarm.adapters.debrand.rule_imports import Imported, autopatch, convert, srpmproc
from buildfarm.adapters.intake import dist_git
from buildfarm.domain.debrand.apply import apply
from buildfarm.domain.debrand.rule import Rule
from buildfarm.domain.debrand.tree import RuleDoesNotFit, Tree, decode, spec_path

pytestmark = pytest.mark.corpus

AUTOPATCH = [
    "abrt", "anaconda-a10s", "anaconda-a9", "anaconda-user-help-a9", "bluez", "cloud-init-a8", "clufter", "dnf-a10s", "fwupd-a8",
    "fwupd-efi-a10s", "gcc-a9", "gnome-initial-setup-auto", "gnome-settings-daemon", "gnome-shell", "golang-a10s", "gpgme", "grub2-a9",
    "hplip-a8", "initial-setup-a8", "libdnf-a10s", "libdnf-a9", "libreoffice-a8", "libreport-a8", "mesa", "mongo-tools", "pesign",
    "python-nss", "python2", "redhat-release", "rpm", "shim-a9", "syslinux", "virt-top", "virtiofsd",
]  # fmt: skip
UNDONE = ("dnf-el9", "initial-setup-el9", "pcs-el8")
"""Published results whose rule only adds a patch line and an entry: taken out again, the rule has
to put them back.
"""


def corpus_folder() -> Path:
    return Path(os.environ["BUILDFARM_CORPUS"])


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(
        shutil.copytree(
            corpus_folder() / "debrand" / "autopatch" / request.param, tmp_path / request.param
        )
    )


def test_every_case_of_the_corpus_is_in_the_list():
    assert sorted(AUTOPATCH) == sorted(
        path.name for path in (corpus_folder() / "debrand" / "autopatch").iterdir()
    )


def day_of(expected: Path) -> date:
    """The date of the entry on top is an input of the case."""
    found = re.search(r"^%changelog\n\* \w+ (\w+ \d+ \d+)", expected.read_text(), re.MULTILINE)
    return (
        datetime.strptime(found[1], "%b %d %Y").replace(tzinfo=UTC).date()
        if found
        else date(2025, 1, 14)
    )


def complete(imported: Imported, tree: Tree, case: Path) -> None:
    """The cases carry specs; files that a rule only adds or deletes are not in them, and neither is
    .gitignore.
    """
    for action in list(imported.data["actions"]):
        ((kind, body),) = action.items()
        if (
            kind in ("source", "patch")
            and body["op"] == "add"
            and not (file := imported.folder / body["from"]).exists()
        ):
            file.parent.mkdir(exist_ok=True)
            file.write_text(" ")
        listed = {one.name for one in dist_git.listed(tree)}
        if kind == "source" and body["op"] == "delete" and body["name"] not in listed:
            tree.setdefault(body["name"], b" ")
        missing = kind == "lines" and body["in"].startswith(".") and body["in"] not in tree
        if missing:
            imported.data["actions"].remove(action)
            (case / f"{body['in']}.expected").unlink(missing_ok=True)


@pytest.mark.parametrize("case", AUTOPATCH, indirect=True)
@pytest.mark.parametrize("way", ["directly", "converted"])
def test_an_autopatch_rule_gives_its_distributions_result(case: Path, way: str, tmp_path: Path):
    config = next((case / "autopatch").glob("*.yaml"))
    tree = {
        path: content for path, content in dist_git.read(case).items()
        if not path.startswith("autopatch/") and not path.endswith("expected")
    }  # fmt: skip
    imported = autopatch.read(config, source=case.name, day=day_of(case / "expected"))
    complete(imported, tree, case)
    rule = (
        imported.rule() if way == "directly" else load_rule(convert(imported, tmp_path / "rules"))
    )
    got = apply(rule, tree, evr="1-1", outside=SandboxedOutside(tmp_path / "work")).tree
    assert decode(got[spec_path(got)]) == decode((case / "expected").read_bytes())
    for expected in case.rglob("*.expected"):
        name = expected.relative_to(case).as_posix().removesuffix(".expected")
        assert got[name] == expected.read_bytes(), name


def srpmproc_rule(case: Path, way: str, tmp_path: Path, day: date = date(2024, 1, 25)) -> Rule:
    imported = srpmproc.read(next((case / "PATCHES").glob("*.cfg")), source=case.name, day=day)
    return (
        imported.rule() if way == "directly" else load_rule(convert(imported, tmp_path / "rules"))
    )


@pytest.mark.parametrize("way", ["directly", "converted"])
def test_a_srpmproc_rule_gives_the_published_tree(way: str, tmp_path: Path):
    case = corpus_folder() / "debrand" / "srpmproc" / "nginx-el9-golden"
    got = apply(
        srpmproc_rule(case, way, tmp_path),
        dist_git.read(case / "before"),
        evr="1:1.20.1-14.el9_2.1",
    )
    assert got.tree == dist_git.read(case / "after")
    assert {path for path, before, after in got.sources if before != after} == {
        "SOURCES/404.html",
        "SOURCES/50x.html",
    }


@pytest.mark.parametrize("way", ["directly", "converted"])
@pytest.mark.parametrize("name", UNDONE)
def test_a_published_spec_without_its_rules_lines_gets_them_back(
    name: str, way: str, tmp_path: Path
):
    case = tmp_path / name
    shutil.copytree(corpus_folder() / "debrand" / "srpmproc" / name, case)
    published = dist_git.read(case)
    spec = spec_path(published)
    text = decode(published[spec])
    entry = re.search(
        r"^%changelog\n(\* (\w+ \w+ \d+ \d+) [^\n]*\n(?:- [^\n]*\n)+\n)", text, re.MULTILINE
    )
    assert entry
    day = datetime.strptime(entry[2], "%a %b %d %Y").replace(tzinfo=UTC).date()
    before = text.replace(entry[1], "", 1)
    for patch in ("9999-change-bugtracker.diff", "initial-setup-openela-branding.patch"):
        before = re.sub(rf"^Patch\d+: +{re.escape(patch)}\n", "", before, flags=re.MULTILINE)
    if name == "initial-setup-el9":  # srpmproc set a blank line before its first patch
        before = before.replace("%{version}.tar.gz\n\n\n", "%{version}.tar.gz\n\n", 1)
    tree = {**published, spec: before.encode(), "SOURCES/HAM-logo.png": b"theirs"}
    got = apply(srpmproc_rule(case, way, tmp_path, day), tree, evr="")
    assert decode(got.tree[spec]) == text


def test_a_rule_that_finds_nothing_any_more_is_refused_where_srpmproc_says_nothing(tmp_path: Path):
    case = corpus_folder() / "debrand" / "srpmproc" / "plymouth-el8"
    with pytest.raises(RuleDoesNotFit, match="changes nothing in this spec"):
        apply(srpmproc_rule(case, "directly", tmp_path), dist_git.read(case), evr="1-1.el8")
