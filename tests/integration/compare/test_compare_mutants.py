"""Each mutant of a real RPM differs in exactly one thing; the comparison has to see it and to name it."""

from __future__ import annotations

import pytest
from compare_sample import Recipe, build_all

from buildfarm.adapters.rpm_facts.sandboxed import SandboxedReader
from buildfarm.domain.compare.kinds import Kind
from buildfarm.domain.compare.policy import ComparePolicy, Mode, suffix_pattern
from buildfarm.domain.verdict import Verdict
from buildfarm.services.comparison import compare_sets

OTHER_WORLD = {"host": "ours.example", "epoch": 1_750_000_000}
C, E, I, R = Verdict.COMPATIBLE, Verdict.EQUIVALENT, Verdict.INCOMPATIBLE, Verdict.REVIEW  # noqa: E741

# name: (spec edit, kind, verdict, word that the finding's subject or path holds)
MUTANTS: dict[str, tuple[tuple[str, str], Kind, Verdict, str]] = {
    "link-same-length": (("ln -s libsample.so.1.0", "ln -s libsample.so.1.9"), Kind.FILE_LINK, I, "libsample.so.1"),
    "capability": (("%caps(cap_net_raw=p)", "%caps(cap_net_raw=ep)"), Kind.FILE_CAPABILITIES, I, "/usr/bin/sample"),
    "no-capability": (("%caps(cap_net_raw=p) ", ""), Kind.FILE_CAPABILITIES, I, "/usr/bin/sample"),
    "trigger-body": (("echo trigger body", "echo trigger bodx"), Kind.TRIGGER, I, "watched"),
    "trigger-condition": (("watched >= 2", "watched >= 3"), Kind.TRIGGER, I, "watched >= 3"),
    "file-trigger-body": (("echo file trigger body", "echo file trigger bodx"), Kind.TRIGGER, I, "FILETRIGGER"),
    "transfiletrigger-body": (("echo transaction", "echo transactiox"), Kind.TRIGGER, I, "TRANSFILETRIGGER"),
    "transfiletrigger-priority": (("-P 2000", "-P 3000"), Kind.TRIGGER, I, "priority"),
    "post-interpreter": (("%post\n", "%post -p /bin/bash\n"), Kind.SCRIPTLET, I, "POSTIN"),
    "post-body": (("echo installed", "echo Installed"), Kind.SCRIPTLET, I, "POSTIN"),
    "post-flags": (("%post\n", "%post -q\n"), Kind.SCRIPTLET, I, "POSTIN"),
    "postun-gone": (("%postun -p /sbin/ldconfig\n", ""), Kind.SCRIPTLET, I, "POSTUN"),
    "requires-gone": (("Requires: bash >= 4\n", ""), Kind.REQUIRES, I, "bash"),
    "requires-version": (("bash >= 4", "bash >= 5"), Kind.REQUIRES, I, "bash"),
    "requires-sense": (("Requires(post): core", "Requires(postun): core"), Kind.REQUIRES, R, "coreutils"),
    "requires-added": (("Requires: bash >= 4", "Requires: bash >= 4\nRequires: more"), Kind.REQUIRES, I, "more"),
    "rich": (("(grep or sed)", "(grep and sed)"), Kind.REQUIRES, I, "grep"),
    "rich-order": (("(grep or sed)", "(sed or grep)"), Kind.REQUIRES, E, "of its own"),
    "provides-gone": (("Provides: sample-api = 2\n", ""), Kind.PROVIDES, I, "sample-api"),
    "provides-added": (("sample-api = 2", "sample-api = 2\nProvides: new-api"), Kind.PROVIDES, C, "new-api"),
    "conflicts": (("rival < 3", "rival < 4"), Kind.CONFLICTS, I, "rival"),
    "obsoletes": (("Obsoletes: older < 1\n", ""), Kind.OBSOLETES, I, "older"),
    "recommends": (("weak-one", "weak-two"), Kind.WEAK_DEPENDENCY, R, "weak-two"),
    "order": (("earlier", "earliest"), Kind.ORDER, R, "earliest"),
    "mode": (("%attr(0755,root,root) /usr", "%attr(0754,root,root) /usr"), Kind.FILE_MODE, I, "/usr/bin/sample-run"),
    "setuid": (("%attr(0755,root,root) /usr", "%attr(4755,root,root) /usr"), Kind.FILE_MODE, I, "sample-run"),
    "owner": (("(0755,root,root) /usr", "(0755,daemon,root) /usr"), Kind.FILE_OWNER, I, "sample-run"),
    "group": (("(0755,root,root) /usr", "(0755,root,daemon) /usr"), Kind.FILE_OWNER, I, "sample-run"),
    "config-flag": (("%config(noreplace)", "%config"), Kind.FILE_FLAGS, I, "/etc/sample.conf"),
    "ghost-gone": (("%ghost /var/lib/sample.state\n", ""), Kind.FILE_REMOVED, I, "sample.state"),
    "verify-flags": (("%config(noreplace)", "%verify(not md5) %config(noreplace)"), Kind.FILE_VERIFY, R, "sample.conf"),
    "language": (("\n/usr/share/man", "\n%lang(de) /usr/share/man"), Kind.FILE_LANGUAGE, R, "sample.1.gz"),
    "hard-link-content": (("printf 'data", "printf 'date"), Kind.CONTENT_DATA, R, "hard.txt"),
    "hard-link-broken": (("\nln $d/usr", "\ncp -p $d/usr"), Kind.FILE_HARDLINKS, R, "data.txt"),
    "file-gone": (("printf 'other\\n' > $d/usr/share/sample/other.txt", ":"), Kind.FILE_REMOVED, I, "other.txt"),
    "file-added": (("\nprintf 'other", "\necho > $d/usr/share/sample/n; printf 'other"), Kind.FILE_ADDED, C, "/n"),
    "file-to-link": (
        ("printf 'other\\n' > $d/usr/share/sample/other.txt", "ln -s data.txt $d/usr/share/sample/other.txt"),
        Kind.FILE_TYPE, I, "other.txt",
    ),
    "script-content": (("echo run", "echo ran"), Kind.CONTENT_SCRIPT, I, "/usr/bin/sample-run"),
    "config-content": (("setting = 1", "setting = 2"), Kind.CONTENT_CONFIG, R, "/etc/sample.conf"),
    "data-content": (("printf 'other", "printf 'othex"), Kind.CONTENT_DATA, R, "other.txt"),
    "man-content": ((".TH SAMPLE 1", ".TH SAMPLE 8"), Kind.CONTENT_DOC, C, "sample.1.gz"),
    "doc-content": (("Read me", "Read it"), Kind.CONTENT_DOC, C, "README"),
    "summary": (("Summary: A sample", "Summary: A simple"), Kind.DESCRIPTION, R, "SUMMARY"),
    "licence": (("License: MIT", "License: BSD"), Kind.DESCRIPTION, R, "LICENSE"),
    "epoch": (("Version: 1.0", "Version: 1.0\nEpoch: 1"), Kind.IDENTITY, I, "EPOCH"),
    "prefix": (("Summary: A sample", "Prefix: /usr\nSummary: A sample"), Kind.TAG, R, "PREFIXES"),
    "changelog-rewritten": (("- second", "- Second"), Kind.CHANGELOG, R, "entries"),
    "changelog-longer": (
        ("%changelog\n", "%changelog\n* Wed Jan 03 2024 A <a@example.org> - 1.0-1\n- third\n"),
        Kind.CHANGELOG, C, "top",
    ),
    "export-gone": (("sample_two; ", ""), Kind.EXPORT_REMOVED, I, "sample_two@SAMPLE_1"),
    "export-weak-gone": (("sample_weak; ", ""), Kind.EXPORT_REMOVED, I, "sample_weak@SAMPLE_1"),
    "export-template-gone": (("_Z3addIiET_S0_; ", ""), Kind.EXPORT_REMOVED, R, "_Z3addIiET_S0_@SAMPLE_1"),
    "export-added": (
        ("int sample_two(void)", "int sample_weak2(void) { return 3; }\nint sample_two(void)"),
        Kind.EXPORT_ADDED, C, "sample_weak2",
    ),
    "object-size": (("sample_table[4]", "sample_table[5]"), Kind.EXPORT_CHANGED, I, "sample_table"),
    "symbol-version": (("SAMPLE_1 {", "SAMPLE_2 {"), Kind.EXPORT_REMOVED, I, "sample_one@SAMPLE_1"),
    "soname": (("-soname,libsample.so.1 ", "-soname,libsample.so.2 "), Kind.ELF_SONAME, I, "SONAME"),
    "needed": (("so.1.0 lib.c", "so.1.0 lib.c -Wl,--no-as-needed -lm"), Kind.ELF_NEEDED, I, "libm"),
    "rpath": (("-o sample main.c", "-o sample main.c -Wl,-rpath,/opt/x"), Kind.ELF_RPATH, R, "RPATH"),
    "no-bind-now": (("-z,relro,-z,now", "-z,relro,-z,lazy"), Kind.ELF_HARDENING, R, "bindnow"),
    "exec-stack": (("-z,relro,-z,now", "-z,relro,-z,now,-z,execstack"), Kind.ELF_HARDENING, R, "nx"),
    "no-pie": (("-pie -fPIE", "-no-pie -fno-pie"), Kind.ELF_HEADER, I, "type"),
    "code": (('puts("one")', 'puts("two")'), Kind.ELF_CODE, C, "/usr/bin/sample"),
    "archive-symbol": (
        ("\ngcc -O1 -c -o lib.o", "\nsed -i s/sample_two/sample_duo/ lib.c\ngcc -O1 -c -o lib.o"),
        Kind.EXPORT_REMOVED, I, "sample_two",
    ),
}  # fmt: skip

WHOLE_FILE_EDITS = {"export-added": ((" sample_weak;", " sample_weak; sample_weak2;"),)}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    recipes = {"base": Recipe(), "again": Recipe(**OTHER_WORLD)}
    recipes |= {
        name: Recipe(edits=(edit, *WHOLE_FILE_EDITS.get(name, ())), **OTHER_WORLD)
        for name, (edit, _, _, _) in MUTANTS.items()
    }
    recipes["suffix"] = Recipe(
        macros={"ours": ".farm.1"},
        edits=(
            ("%changelog\n", "%changelog\n* Wed Jan 03 2024 Farm <farm@example.org> - 1.0-1.farm.1\n- debranded\n"),
        ),
        **OTHER_WORLD,
    )
    recipes["repacked"] = Recipe(macros={"gzip_options": "-1 -n", "_binary_payload": "w2.gzdio"}, **OTHER_WORLD)
    recipes["renamed"] = Recipe(edits=(("Name: sample\n", "Name: ours\n"),), **OTHER_WORLD)
    return build_all(recipes, tmp_path_factory.mktemp("built"))


def compare(old, new, **policy):
    report = compare_sets([old], [new], policy=ComparePolicy(**policy), reader=SandboxedReader())
    return report, [item for pair in report.pairs for item in pair.findings]


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught_and_named(built, name):
    _, kind, verdict, word = MUTANTS[name]
    report, findings = compare(built["base"]["sample"], built[name]["sample"])
    hits = [
        item for item in findings if item.kind == kind and item.verdict is verdict and word in item.path + item.subject
    ]
    assert hits, [(item.kind, item.verdict.value, item.path, item.subject, item.rule) for item in findings]
    assert report.verdict.badness >= verdict.badness


def test_a_rebuild_in_another_world_is_equivalent_and_says_why(built):
    report, findings = compare(built["base"]["sample"], built["again"]["sample"])
    assert report.verdict is E, findings
    assert {"build-record", "build-path"} <= {item.rule for item in findings}


def test_the_same_file_is_identical_and_has_no_findings(built):
    report, findings = compare(built["base"]["sample"], built["base"]["sample"])
    assert (report.verdict, findings) == (Verdict.IDENTICAL, [])


def test_another_payload_codec_and_gzip_level_are_equivalent(built):
    report, findings = compare(built["base"]["sample"], built["repacked"]["sample"])
    assert report.verdict is E, findings
    assert any(item.rule.startswith("gzip") for item in findings)
    assert any(item.kind == Kind.PAYLOAD_FORMAT for item in findings)


def test_a_suffix_only_rebuild_is_expected_of_a_debranded_source(built):
    policy = {"suffix": suffix_pattern(".farm"), "debranded": frozenset({"sample"})}
    report, findings = compare(built["base"]["sample"], built["suffix"]["sample"], **policy)
    assert report.verdict is Verdict.EXPECTED, findings
    assert {item.kind for item in findings if item.verdict is Verdict.EXPECTED} == {Kind.RELEASE, Kind.CHANGELOG}


def test_a_renamed_source_is_expected_and_its_dependencies_follow(built):
    policy = {"renames": {"sample": "ours", "sample-data": "ours-data"}, "debranded": frozenset({"ours"})}
    report, findings = compare(built["base"]["sample"], built["renamed"]["ours"], **policy)
    assert report.verdict is Verdict.EXPECTED, findings
    assert {item.kind for item in findings if item.verdict is Verdict.EXPECTED} == {
        Kind.RENAME, Kind.REQUIRES, Kind.PROVIDES,
    }  # fmt: skip


def test_a_suffix_without_a_rule_is_a_case_for_review(built):
    report, _ = compare(built["base"]["sample"], built["suffix"]["sample"], suffix=suffix_pattern(".farm"))
    assert report.verdict is R


def test_in_gate_mode_another_release_is_no_pair(built):
    report, _ = compare(built["base"]["sample"], built["suffix"]["sample"])
    assert report.verdict is Verdict.MISSING
    assert [item.rpm for item in report.extra] == ["sample-1.0-1.el9.farm.1.x86_64.rpm"]


def test_in_named_mode_another_release_is_a_note(built):
    report, findings = compare(built["base"]["sample"], built["suffix"]["sample"], mode=Mode.NAMED)
    assert report.verdict is C, findings
    assert [item.verdict for item in findings if item.kind == Kind.RELEASE] == [E]


def test_the_brand_must_be_the_policys_and_the_vendors_is_a_leak(built):
    policy = {"header_tags": {"VENDOR": "Our Distribution"}}
    _, findings = compare(built["base"]["sample"], built["again"]["sample"], **policy)
    assert [item.rule for item in findings if item.kind == Kind.BRAND] == ["brand-not-policy"]


def test_a_whole_set_with_its_srpm_is_equivalent_to_its_rebuild(built):
    old, new = (list(built[name].values()) for name in ("base", "again"))
    report = compare_sets(old, new, policy=ComparePolicy(), reader=SandboxedReader())
    assert report.verdict is E, [item for pair in report.pairs for item in pair.findings]
    assert report.compatible_rpms == report.vendor_rpms == 3


def test_a_missing_sub_package_is_missing_and_an_empty_side_is_never_success(built):
    reader = SandboxedReader()
    old = [built["base"]["sample"], built["base"]["sample-data"]]
    report = compare_sets(old, old[:1], policy=ComparePolicy(), reader=reader)
    assert report.verdict is Verdict.MISSING
    assert [item.name for item in report.missing] == ["sample-data"]
    assert compare_sets(old, [], policy=ComparePolicy(), reader=reader).verdict is Verdict.MISSING
    uncompared = compare_sets([], old, policy=ComparePolicy(), reader=reader)
    assert uncompared.verdict is Verdict.UNCOMPARED
    assert uncompared.compatible_rpms == 0
    assert compare_sets([], [], policy=ComparePolicy(), reader=reader).verdict is Verdict.UNCOMPARED
