"""Actions that know a spec's structure: sections, preambles, tags, macros, conditions, patches; and
trees that change as a whole.
"""

import gzip
import io
import re
import tarfile
from collections.abc import Mapping
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildfarm.domain.debrand.apply import Applied, RuleDoesNotFit, apply, counted_on
from buildfarm.domain.debrand.conditions import When
from buildfarm.domain.debrand.rule import (
    Action,
    Bundle,
    Condition,
    GitPatch,
    Lines,
    Macro,
    Package,
    Patch,
    Release,
    Rule,
    SectionEdit,
    Tags,
)  # fmt: skip

SPEC = """\
%global brand acme
%bcond_without branding
%bcond_with docs
Name: shell
Version: 1.2
Release: 3%{?dist}
Summary: A shell
Vendor: ACME
License: MIT
Source0: shell.tar.gz
Patch0: first.patch
%if 0%{?rhel}
Patch7: seventh.patch
%endif

%description
Text.

%package libs
Summary: Libraries
Requires: acme-release

%package -n other
Summary: Other

%prep
%setup -q
%patch0 -p1
%if 0%{?rhel}
%patch7 -p1
%endif

%install
make install

%files
/usr/bin/shell

%files libs
/usr/lib64/libshell.so
/usr/share/acme/logo.png

%changelog
"""


def rule(*actions: Action, **about: object) -> Rule:
    known: dict[str, object] = {
        "why": "w",
        "date": date(2026, 5, 4),
        "digest": "ab",
        "file": "shell.yaml",
        "mark": False,
        **about,
    }
    return Rule(source="shell", actions=actions, **known)  # type: ignore[arg-type]


def run(*actions: Action, spec: str = SPEC, more: Mapping[str, bytes] | None = None) -> Applied:
    tree = {
        "SPECS/shell.spec": spec.encode(),
        "SOURCES/first.patch": b"1",
        "SOURCES/seventh.patch": b"7",
        **(more or {}),
    }
    return apply(rule(*actions), tree, evr="1.2-3")


def lines_of(*actions: Action, spec: str = SPEC) -> tuple[list[str], list[str]]:
    """``(lines gone, lines new)``."""
    diff = run(*actions, spec=spec).diff.splitlines()[2:]
    return [line[1:] for line in diff if line.startswith("-")], [
        line[1:] for line in diff if line.startswith("+")
    ]


def refused(*actions: Action, spec: str = SPEC) -> str:
    with pytest.raises(RuleDoesNotFit) as caught:
        run(*actions, spec=spec)
    return str(caught.value)


def test_lines_are_inserted_at_the_start_and_the_end_of_the_section_that_is_named():
    end = (
        run(SectionEdit(section="%install", insert="rm -f logo")).tree["SPECS/shell.spec"].decode()
    )
    assert "make install\nrm -f logo\n\n%files\n" in end
    start = (
        run(SectionEdit(section="%files", of="libs", at="start", insert="%dir /x"))
        .tree["SPECS/shell.spec"]
        .decode()
    )
    assert "%files libs\n%dir /x\n/usr/lib64" in start
    preamble = (
        run(SectionEdit(section="preamble", of="libs", insert="Provides: x"))
        .tree["SPECS/shell.spec"]
        .decode()
    )
    assert "Requires: acme-release\nProvides: x\n\n%package -n other" in preamble


def test_what_is_deleted_from_a_section_is_deleted_there_and_counted():
    gone, new = lines_of(
        SectionEdit(section="%files", of="libs", delete="/usr/share/acme/logo.png\n")
    )
    assert (gone, new) == (["/usr/share/acme/logo.png"], [])
    said = refused(SectionEdit(section="%files", delete="/usr/share/acme/logo.png\n"))
    assert "was found 0 times in %files, expected were 1" in said


def test_a_section_that_is_not_there_is_named_with_the_nearest():
    assert "the spec has no %post of libs" in refused(
        SectionEdit(section="%post", of="libs", insert="x")
    )
    assert "%files libs" in refused(SectionEdit(section="%files", of="libx", insert="x"))


def test_a_whole_section_can_go_and_the_preamble_cannot():
    assert lines_of(SectionEdit(section="%package", of="other", remove=True))[0] == [
        "%package -n other",
        "Summary: Other",
        "",
    ]
    assert "cannot be without its preamble" in refused(SectionEdit(section="preamble", remove=True))


def test_tags_get_our_values_in_place_new_ones_stand_with_the_others_and_dropped_ones_go():
    gone, new = lines_of(Tags(values={"Vendor": "Reef", "BugURL": "https://bugs.reef.example/"}))
    assert (gone, new) == (
        ["Vendor: ACME"],
        ["Vendor: Reef", "BugURL:  https://bugs.reef.example/"],
    ), "in line with License:"
    assert lines_of(Tags(drop=("Requires",), of="libs"))[0] == ["Requires: acme-release"]
    assert "has no Packager" in refused(Tags(drop=("Packager",)))


def test_macros_and_build_conditions_get_another_value_where_they_are_set():
    assert lines_of(Macro(name="brand", value="reef")) == (
        ["%global brand acme"],
        ["%global brand reef"],
    )
    assert lines_of(Macro(name="branding", value="with", bcond=True)) == (
        ["%bcond_without branding"],
        ["%bcond_with branding"],
    )
    assert "macro brant is set 0 times" in refused(Macro(name="brant", value="x"))


def test_lines_get_a_condition_around_them():
    assert lines_of(Condition(lines="Requires: acme-release", condition="0%{?acme}")) == (
        [],
        ["%if 0%{?acme}", "%endif"],
    )
    assert "stand 0 times" in refused(Condition(lines="Requires: nothing", condition="1"))


def patch(op: str = "add", **about: object) -> Patch:
    return Patch(
        op=op, name="ours.patch" if op == "add" else "first.patch", content=b"ours", **about
    )  # type: ignore[arg-type]


APPLIED = {
    "numbered": (SPEC, "Patch8: ours.patch", "%patch8 -p1"),
    "-P with a blank": (re.sub(r"%patch(\d)", r"%patch -P \1", SPEC), "Patch8: ours.patch", "%patch -P 8 -p1"),
    "-P without": (re.sub(r"%patch(\d)", r"%patch -P\1", SPEC), "Patch8: ours.patch", "%patch -P8 -p1"),
    "no patch yet": (
        re.sub(r"(?m)^(%if 0%\{\?rhel\}\n)?(Patch\d|%patch\d)[^\n]*\n(%endif\n)?", "", SPEC), "Patch0:  ours.patch", "%patch -P 0 -p1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("spec", APPLIED)
def test_a_patch_is_declared_with_the_next_number_and_applied_as_the_others_are(spec: str):
    text, declared, applied = APPLIED[spec]
    gone, new = lines_of(patch(), spec=text)
    assert (gone, new) == ([], [declared, applied])
    done = run(patch(), spec=text).tree["SPECS/shell.spec"].decode()
    for line in (declared, applied):
        before = done[: done.index(line)]
        assert before.count("%if ") == before.count("%endif"), "outside of every condition"


def test_autosetup_applies_a_patch_by_itself_and_its_level_has_to_be_the_rules():
    auto = re.sub(r"(?s)%setup -q\n.*?\n\n%install", "%autosetup -p1\n\n%install", SPEC)
    assert lines_of(patch(), spec=auto) == ([], ["Patch8: ours.patch"])
    assert "applies all patches with -p1, the rule wants -p0" in refused(patch(strip=0), spec=auto)


def test_a_deleted_patch_leaves_with_its_line_and_with_what_applies_it():
    assert lines_of(patch("delete"))[0] == ["Patch0: first.patch", "%patch0 -p1"]
    assert "SOURCES/first.patch" not in run(patch("delete")).tree


def test_a_number_that_is_taken_and_a_name_that_is_there_are_refused():
    assert "number 7 is taken" in refused(patch(number=7))
    assert "is there already" in refused(Patch(op="add", name="first.patch", content=b""))


def test_whole_lines_are_replaced_whatever_their_indentation_and_the_changelog_is_left_alone():
    spec = SPEC + "* Mon May 04 2026 A <a@b> - 1\n- make install\n"
    action = Lines(where="spec", find="make install", new="make install\nrm x")
    assert lines_of(action, spec=spec) == ([], ["rm x"])


DIFF = b"--- a/motd\n+++ b/motd\n@@ -1,2 +1,2 @@\n-ACME\n+Reef\n shell\n"


def test_a_diff_of_the_tree_is_applied_exactly_or_not_at_all():
    done = run(GitPatch(name="x.diff", content=DIFF), more={"SOURCES/motd": b"ACME\nshell\n"})
    assert done.tree["SOURCES/motd"] == b"Reef\nshell\n"
    with pytest.raises(RuleDoesNotFit, match=r"x\.diff: SOURCES/motd"):
        run(GitPatch(name="x.diff", content=DIFF), more={"SOURCES/motd": b"acme\nshell\n"})
    away = DIFF.replace(b"a/motd", b"a/../../etc/motd").replace(b"b/motd", b"b/../../etc/motd")
    with pytest.raises(RuleDoesNotFit, match="leaves the source tree"):
        run(GitPatch(name="x.diff", content=away))


def test_our_own_package_takes_over_and_knows_the_vendors_version():
    ours = {"reef-release.spec": b"Name: reef-release\n", "os-release": b"NAME=Reef\n"}
    done = run(Package(files=ours))
    assert sorted(done.tree) == ["SOURCES/os-release", "SPECS/reef-release.spec"]
    assert done.tree["SPECS/reef-release.spec"].startswith(
        b"%global vendor_version 1.2\n%global vendor_release 3\nName: "
    )


def test_a_bundle_of_files_is_the_same_bytes_every_time():
    action = Bundle(name="art.tar.gz", files=(("logo.txt", b"reef"), ("first.patch", None)))
    first, again = (run(action).tree["SOURCES/art.tar.gz"] for _ in range(2))
    assert first == again
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(first))) as box:
        assert [(m.name, m.mtime) for m in box] == [
            ("logo.txt", 1777896000),
            ("first.patch", 1777896000),
        ]


def test_a_suffix_counts_on_past_those_that_are_taken():
    counted = rule(Release(suffix=".reef.1", auto_increment=True))
    assert counted_on(counted, ["3.el9.reef.1", "3.el9.reef.2"], "3.el9").suffix == ".reef.3"
    assert counted_on(counted, ["2.el9.reef.8"], "3.el9").suffix == ".reef.1"
    assert (
        counted_on(rule(Release(suffix=".reef.1")), ["3.el9.reef.1"], "3.el9").suffix == ".reef.1"
    )


@pytest.mark.parametrize(
    ("when", "branch", "evr", "holds"),
    [
        (When(branches=("el8",)), "el9", "1-1", False), (When(branches=("el8", "el9")), "el9", "1-1", True),
        (When(evr=">= 2, < 3"), "", "2.9-1", True), (When(evr=">= 2, < 3"), "", "3-1", False), (When(evr="< 1:1"), "", "9-1", True),
        (When(evr="= 2.4-1.el9"), "", "2.4-1.el9", True), (When(evr="= 2.4"), "", "2.4-7", True),
        (When(evr="< 1.0"), "", "1.0~rc1-1", True),
    ],
)  # fmt: skip
def test_a_rule_applies_to_its_branches_and_versions(
    when: When, branch: str, evr: str, holds: bool
):
    assert rule(when=when).applies_to("", branch=branch, evr=evr) is holds


ANY_ACTION = st.sampled_from(
    [
        SectionEdit(section="%install", insert="x"), Tags(values={"Vendor": "Reef"}), Macro(name="brand", value="reef"),
        Condition(lines="Summary: Other", condition="1"), patch(), patch("delete"), Release(suffix=".reef.1"),
        Lines(where="spec", find="License: MIT", new="License: BSD"),
    ]
)  # fmt: skip


@given(
    st.lists(ANY_ACTION, min_size=1, max_size=3, unique_by=lambda action: type(action).__name__),
    st.binary(max_size=40),
)
def test_applying_twice_is_applying_once_and_bytes_nobody_names_survive(
    actions: list[Action], noise: bytes
):
    noise = noise.replace(b"\n", b"").replace(b"%", b"")
    marked = rule(*actions, mark=True, digest="cd" * 32)
    tree = {
        "SPECS/shell.spec": SPEC.encode() + b"# " + noise + b"\n",
        "SOURCES/first.patch": noise,
        "SOURCES/x": noise,
    }
    once = apply(marked, tree, evr="1.2-3")
    twice = apply(marked, once.tree, evr="1.2-3")
    assert (twice.tree, twice.steps, bool(twice.already)) == (once.tree, (), True)
    assert once.tree["SPECS/shell.spec"].endswith(b"# " + noise + b"\n")
    assert once.tree["SOURCES/x"] == noise
    assert apply(marked, tree, evr="1.2-3").tree == once.tree
