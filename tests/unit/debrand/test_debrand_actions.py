"""Each action of a rule, applied to a tree in memory: exactly what it says, or an error that shows
where to look.
"""

import hashlib
from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from buildfarm.domain.debrand.apply import (
    MARK,
    Applied,
    RuleDoesNotFit,
    Tree,
    apply,
    debranded_by,
    spec_path,
)
from buildfarm.domain.debrand.rule import Action, Changelog, Release, Replace, Rule, SourceFile
from buildfarm.errors import InputError

SPEC = b"""\
Name:           shell
Version:        1.2
Release:        3%{?dist}
Summary:        The shell of ACME
Source0:        https://acme.example/shell-1.2.tar.gz
Source1:        motd.txt
Source:         os-name
Source7:        logo.png
License:        MIT

%description
ACME's own shell. See https://bugs.acme.example/

%install
install -D %{SOURCE1} %{buildroot}/etc/motd

%files
/etc/motd

%changelog
* Mon Apr 29 2024 J\xfcrgen <j@acme.example> - 1.2-3
- Latin-1 stands here: \xe9\xff
"""
DIGEST = "ab" * 32


def tree(spec: bytes = SPEC) -> Tree:
    return {
        "SPECS/shell.spec": spec,
        "SOURCES/shell-1.2.tar.gz": b"\x1f\x8b\x00\xff",
        "SOURCES/motd.txt": b"Welcome to ACME\nacme\n",
        "SOURCES/os-name": b"ACME",
        "SOURCES/logo.png": b"\x89PNG",
    }


def rule(*actions: Action, digest: str = DIGEST) -> Rule:
    return Rule(
        source="shell", why="it names the vendor", date=date(2026, 5, 4), actions=actions, digest=digest,
        file="shell.yaml",
    )  # fmt: skip


def run(*actions: Action, spec: bytes = SPEC) -> Applied:
    return apply(rule(*actions), tree(spec), evr="1.2-3.el9.reef.1")


def spec_of(applied: Applied) -> bytes:
    """The spec without the mark in its first line."""
    mark, _, rest = applied.tree["SPECS/shell.spec"].partition(b"\n")
    assert mark == (MARK + DIGEST).encode()
    return rest


def changed_lines(old: bytes, new: bytes) -> list[tuple[bytes, bytes]]:
    return [
        pair for pair in zip(old.split(b"\n"), new.split(b"\n"), strict=True) if pair[0] != pair[1]
    ]


def refused(*actions: Action, spec: bytes = SPEC) -> str:
    with pytest.raises(RuleDoesNotFit) as caught:
        run(*actions, spec=spec)
    assert str(caught.value).startswith("shell.yaml: action 1: ")
    return str(caught.value)


def test_the_suffix_goes_to_the_end_of_the_release_and_nothing_else_changes():
    done = run(Release(suffix=".reef.1"))
    assert changed_lines(SPEC, spec_of(done)) == [
        (b"Release:        3%{?dist}", b"Release:        3%{?dist}.reef.1")
    ]
    assert {path: data for path, data in done.tree.items() if path != "SPECS/shell.spec"} == {
        path: data for path, data in tree().items() if path != "SPECS/shell.spec"
    }


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        (b"release:1", b"release:1.reef.1"),
        (b"Release: %{rel}%{?dist}  ", b"Release: %{rel}%{?dist}.reef.1  "),
        (b"RELEASE\t:\t4", b"RELEASE\t:\t4.reef.1"),
    ],
)
def test_a_release_line_is_found_however_it_is_written(line: bytes, becomes: bytes):
    spec = SPEC.replace(b"Release:        3%{?dist}", line)
    assert changed_lines(spec, spec_of(run(Release(suffix=".reef.1"), spec=spec))) == [
        (line, becomes)
    ]


@pytest.mark.parametrize(
    ("macro", "becomes"),
    [
        (b"%autorelease", b"%{autorelease}.reef.1"),
        (b"%{autorelease}", b"%{autorelease}.reef.1"),
        (b"%autorelease -b 4", b"%{autorelease -b 4}.reef.1"),
    ],
)
def test_autorelease_gets_the_suffix_behind_its_braces_or_stays(macro: bytes, becomes: bytes):
    spec = SPEC.replace(b"3%{?dist}", macro)
    assert spec_of(run(Release(suffix=".reef.1"), spec=spec)) == spec.replace(macro, becomes)
    assert spec_of(run(Release(suffix=".reef.1", autorelease="keep"), spec=spec)) == spec


def test_a_spec_that_defines_autorelease_gets_the_suffix_in_the_macro():
    body = b"%define autorelease(e:s:pb:n) %{?-p:0.}%{lua:\n    print(7);\n}%{?-e:.%{-e*}}%{?-s:.%{-s*}}%{!?-n:%{?dist}}\n"
    spec = body + SPEC.replace(b"3%{?dist}", b"%autorelease")
    assert spec_of(run(Release(suffix=".reef.1"), spec=spec)) == spec.replace(
        b"%{!?-n:%{?dist}}", b"%{!?-n:%{?dist}}.reef.1"
    )


@pytest.mark.parametrize("macro", [b"%autochangelog", b"%{autochangelog}", b"%{?autochangelog}"])
def test_an_entry_stands_above_autochangelog_or_is_left_out(macro: bytes):
    spec = SPEC[: SPEC.index(b"* Mon")] + macro + b"\n"
    done = spec_of(run(Changelog(author="R <r@reef>", lines=("x",)), spec=spec))
    assert done == spec.replace(
        macro, b"* Mon May 04 2026 R <r@reef> - 1.2-3.el9.reef.1\n- x\n\n" + macro
    )
    assert (
        spec_of(run(Changelog(author="R <r@reef>", lines=("x",), autochangelog="keep"), spec=spec))
        == spec
    )


def test_a_spec_without_release_or_changelog_says_what_it_lacks():
    assert "no Release line" in refused(Release(suffix=".r"), spec=b"Name: x\n")
    assert "no %changelog section" in refused(
        Changelog(author="R", lines=("x",)), spec=b"Name: x\n"
    )


def test_the_changelog_entry_is_the_topmost_with_the_rules_date_and_the_evr():
    done = spec_of(
        run(Changelog(author="Reef <builds@reef.example>", lines=("Debrand: motd", "and more")))
    )
    before, after = done.split(b"%changelog\n")
    assert before == SPEC.split(b"%changelog\n")[0]
    entry = (
        b"* Mon May 04 2026 Reef <builds@reef.example> - 1.2-3.el9.reef.1\n- Debrand: motd\n- and more\n\n"
    )  # fmt: skip
    assert after == entry + SPEC.split(b"%changelog\n")[1]


def test_a_literal_text_is_no_regular_expression():
    done = run(
        Replace(where="spec", find="https://bugs.acme.example/", new="https://bugs.reef.example/")
    )
    assert b"https://bugs.reef.example/" in spec_of(done)
    message = refused(Replace(where="spec", find="https://bugs?acme.example/", new="x"))
    assert "found 0 times" in message


def test_a_regular_expression_sees_lines_and_its_groups():
    done = run(
        Replace(where="spec", find=r"^(Summary:\s+).*$", new=r"\1The shell of Reef", regex=True)
    )
    assert changed_lines(SPEC, spec_of(done)) == [
        (b"Summary:        The shell of ACME", b"Summary:        The shell of Reef")
    ]


def test_a_replacement_in_sources_counts_over_all_files_the_glob_names():
    done = run(Replace(where="*", find="ACME", new="Reef", count=2))
    assert (done.tree["SOURCES/motd.txt"], done.tree["SOURCES/os-name"]) == (
        b"Welcome to Reef\nacme\n",
        b"Reef",
    )
    assert done.steps[0].files == (("SOURCES/motd.txt", 1), ("SOURCES/os-name", 1))
    assert spec_of(done) == SPEC


@pytest.mark.parametrize(
    ("find", "count", "regex", "found", "near"),
    [
        ("The shell of Acme", 1, False, 0, "Summary:        The shell of ACME"),
        ("ACME", 1, False, 2, "none is similar"),
        ("ACME", 3, False, 2, "none is similar"),
        ("^Summary:        The shel of ACM$", 1, True, 0, "Summary:        The shell of ACME"),
    ],
)
def test_another_number_of_places_names_file_action_and_the_nearest_line(
    find: str, count: int, regex: bool, found: int, near: str
):
    message = refused(Replace(where="spec", find=find, new="x", regex=regex, count=count))
    assert f"was found {found} times in SPECS/shell.spec, expected were {count}" in message
    assert f"nearest lines: {near}" in message


@pytest.mark.parametrize("find", ["\n\n\n\n", "   \t   "])
def test_a_text_of_white_space_that_is_not_there_is_an_error_like_any_other(find: str):
    assert "was found 0 times" in refused(Replace(where="spec", find=find, new="x"))


@pytest.mark.parametrize(("find", "new"), [("(", "x"), ("ACME", r"\2"), ("ACME", r"\g<vendor>")])
def test_a_broken_regular_expression_is_the_rules_fault_and_says_so(find: str, new: str):
    assert repr(find) in refused(Replace(where="spec", find=find, new=new, regex=True, count=2))


def test_an_action_that_fails_is_the_one_that_is_named_and_the_given_tree_stays_as_it_was():
    given_tree = tree()
    with pytest.raises(RuleDoesNotFit, match=r"^shell\.yaml: action 2: "):
        apply(
            rule(Release(suffix=".r"), Replace(where="spec", find="nowhere", new="")),
            given_tree,
            evr="1-1",
        )
    assert given_tree == tree()


def test_a_glob_that_matches_no_source_lists_what_there_is():
    message = refused(Replace(where="*.conf", find="a", new="b"))
    assert "no source matches '*.conf'" in message
    assert "motd.txt" in message


def test_a_source_is_replaced_under_its_name():
    done = run(SourceFile(op="replace", name="logo.png", content=b"ours"))
    assert done.tree["SOURCES/logo.png"] == b"ours"
    assert spec_of(done) == SPEC
    old, new = (hashlib.sha256(t["SPECS/shell.spec"]).hexdigest() for t in (tree(), done.tree))
    assert done.sources[-1] == ("SPECS/shell.spec", old, new)
    assert done.sources[0] == (
        "SOURCES/logo.png", hashlib.sha256(b"\x89PNG").hexdigest(), hashlib.sha256(b"ours").hexdigest()
    )  # fmt: skip


def test_a_replaced_source_can_get_another_name_and_its_line_follows():
    done = run(SourceFile(op="replace", name="motd.txt", content=b"Reef", rename="reef-motd.txt"))
    assert changed_lines(SPEC, spec_of(done)) == [
        (b"Source1:        motd.txt", b"Source1:        reef-motd.txt")
    ]
    assert done.tree["SOURCES/reef-motd.txt"] == b"Reef"
    assert "SOURCES/motd.txt" not in done.tree


def test_a_renamed_source_does_not_overwrite_another_one():
    message = refused(SourceFile(op="replace", name="motd.txt", content=b"Reef", rename="logo.png"))
    assert "logo.png is there already" in message


def test_a_source_whose_line_is_a_url_is_found_by_its_file_name():
    done = run(
        SourceFile(op="replace", name="shell-1.2.tar.gz", content=b"x", rename="clean.tar.gz")
    )
    assert b"Source0:        clean.tar.gz\n" in spec_of(done)


def test_an_added_source_gets_the_next_number_after_the_highest():
    done = run(SourceFile(op="add", name="extra.txt", content=b"more"))
    assert b"Source7:        logo.png\nSource8:        extra.txt\n" in spec_of(done)
    assert done.tree["SOURCES/extra.txt"] == b"more"


def test_a_source_that_is_there_already_is_not_added():
    assert "use op: replace" in refused(SourceFile(op="add", name="motd.txt", content=b""))


@pytest.mark.parametrize("op", ["replace", "delete"])
def test_a_source_that_is_not_there_is_named_with_those_that_are(op: str):
    message = refused(SourceFile(op=op, name="gone.txt"))
    assert "no source gone.txt" in message
    assert "logo.png, motd.txt, os-name" in message


def test_a_deleted_source_leaves_with_its_line():
    done = run(SourceFile(op="delete", name="logo.png"))
    assert "SOURCES/logo.png" not in done.tree
    assert spec_of(done) == SPEC.replace(b"Source7:        logo.png\n", b"")


@pytest.mark.parametrize(
    "use", [b"%{SOURCE1}", b"%SOURCE1", b"%{S:1}", b"%{?SOURCE1}", b"%{SOURCE1:x}"]
)
def test_a_source_that_is_still_used_is_not_deleted(use: bytes):
    message = refused(
        SourceFile(op="delete", name="motd.txt"), spec=SPEC.replace(b"%{SOURCE1}", use)
    )
    assert "source motd.txt is still used as" in message


def test_a_source_of_a_longer_number_is_not_the_one_in_use():
    spec = SPEC.replace(b"%{SOURCE1}", b"%{SOURCE12}")
    assert "SOURCES/motd.txt" not in run(SourceFile(op="delete", name="motd.txt"), spec=spec).tree


def test_a_source_without_number_counts_on_from_the_one_before():
    spec = SPEC.replace(b"%{SOURCE1}", b"%{SOURCE2}")
    assert "os-name is still used as %{SOURCE2" in refused(
        SourceFile(op="delete", name="os-name"), spec=spec
    )


def test_deleting_and_replacing_what_used_it_goes_together():
    done = run(
        Replace(where="spec", find="install -D %{SOURCE1} %{buildroot}/etc/motd\n", new=""),
        SourceFile(op="delete", name="motd.txt"),
    )
    assert b"motd.txt" not in spec_of(done)


def test_a_tree_that_carries_the_digest_is_recognised():
    done = run(Release(suffix=".reef.1"))
    assert debranded_by(done.tree) == DIGEST
    assert debranded_by(tree()) == ""
    assert debranded_by(tree(b"")) == ""
    assert debranded_by(tree(b"# \xff\n")) == ""


def test_the_diff_shows_each_changed_line_of_the_spec():
    diff = run(Release(suffix=".reef.1")).diff
    assert "-Release:        3%{?dist}\n+Release:        3%{?dist}.reef.1\n" in diff
    assert diff.startswith("--- vendor/SPECS/shell.spec\n+++ ours/SPECS/shell.spec\n")


@pytest.mark.parametrize("specs", [(), ("SPECS/a.spec", "SPECS/b.spec")])
def test_an_srpm_with_no_spec_or_two_is_refused(specs: tuple[str, ...]):
    with pytest.raises(InputError, match=f"{len(specs)} spec files"):
        spec_path(dict.fromkeys(specs, b""))


def test_a_rule_says_its_suffix_and_its_targets():
    assert rule(Release(suffix=".a"), Release(suffix=".1")).suffix == ".a.1"
    assert rule().applies_to("any")


raw = st.binary(max_size=300)


@given(before=raw, after=raw, source=raw)
def test_bytes_that_no_action_names_stay_as_they_are_whatever_they_are(
    before: bytes, after: bytes, source: bytes
):
    middle = b"\nQQQ-vendor-QQQ\n"
    assume(b"QQQ-vendor" not in before + after + source)
    given_tree = {"SPECS/x.spec": before + middle + after, "SOURCES/blob": source + middle + source}
    actions = [Replace(where=where, find="QQQ-vendor-QQQ", new="ours") for where in ("spec", "*")]
    done = apply(rule(*actions), given_tree, evr="1-1").tree
    assert done["SPECS/x.spec"] == f"{MARK}{DIGEST}\n".encode() + before + b"\nours\n" + after
    assert done["SOURCES/blob"] == source + b"\nours\n" + source


@given(before=raw, after=raw)
def test_the_same_input_gives_the_same_bytes(before: bytes, after: bytes):
    spec = before + b"\nRelease: 1\nSource0: a\n" + after
    actions = (
        Replace(where="spec", find=r"Source0(:\s)a$", new=r"Source0\1b", regex=True),
        Release(suffix=".r"),
    )

    def once() -> Applied | str:
        try:
            return apply(rule(*actions), {"SPECS/x.spec": spec, "SOURCES/a": after}, evr="1-1")
        except RuleDoesNotFit as error:  # the random bytes held a Source line of their own
            return str(error)

    assert once() == once()


@given(st.binary(max_size=60).filter(lambda line: b"\n" not in line))
def test_a_release_suffix_changes_no_other_line(line: bytes):
    spec = b"Name: x\n" + line + b"\nRelease: 7\n" + line + b"\n"
    assume(not line.lower().lstrip(b"\r\x0b\x0c\x1c\x1d\x1e\x85 ").startswith(b"release"))
    done = apply(rule(Release(suffix=".r")), {"SPECS/x.spec": spec}, evr="1-1").tree["SPECS/x.spec"]
    assert done == f"{MARK}{DIGEST}\n".encode() + spec.replace(
        b"\nRelease: 7\n", b"\nRelease: 7.r\n"
    )
