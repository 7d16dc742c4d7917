"""Each mutant of a real RPM differs in exactly one thing; the comparison has to see it and to name
it.
"""

from __future__ import annotations

import pytest

from buildfarm.adapters.compare.rpm_facts.sandboxed_reader import SandboxedReader
from buildfarm.domain.compare.kinds import Kind
from buildfarm.domain.compare.policy import ComparePolicy, Mode, suffix_pattern
from buildfarm.domain.core.verdict import Verdict
from buildfarm.services.compare.comparison import compare_sets
from tests.conftest import CHECKOUT
from tests.integration.compare.compare_sample import Recipe, build_all
from tests.integration.compare.mutants import MUTANTS, WHOLE_FILE_EDITS, C, E, R, table

OTHER_WORLD = {"host": "ours.example", "epoch": 1_750_000_000}


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
            (
                "%changelog\n",
                "%changelog\n* Wed Jan 03 2024 Farm <farm@example.org> - 1.0-1.farm.1\n- debranded\n",
            ),
        ),
        **OTHER_WORLD,
    )
    recipes["repacked"] = Recipe(
        macros={"gzip_options": "-1 -n", "_binary_payload": "w2.gzdio"}, **OTHER_WORLD
    )
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
        item
        for item in findings
        if item.kind == kind and item.verdict is verdict and word in item.path + item.subject
    ]
    assert hits, [
        (item.kind, item.verdict.value, item.path, item.subject, item.rule) for item in findings
    ]
    assert report.verdict.badness >= verdict.badness


def test_the_published_table_of_mutants_is_this_one():
    assert (CHECKOUT / "docs" / "mutants.md").read_text() == table(), (
        "python -m tests.integration.compare.mutants > docs/mutants.md"
    )


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
    assert {item.kind for item in findings if item.verdict is Verdict.EXPECTED} == {
        Kind.RELEASE,
        Kind.CHANGELOG,
    }


def test_a_renamed_source_is_expected_and_its_dependencies_follow(built):
    policy = {
        "renames": {"sample": "ours", "sample-data": "ours-data"},
        "debranded": frozenset({"ours"}),
    }
    report, findings = compare(built["base"]["sample"], built["renamed"]["ours"], **policy)
    assert report.verdict is Verdict.EXPECTED, findings
    assert {item.kind for item in findings if item.verdict is Verdict.EXPECTED} == {
        Kind.RENAME, Kind.REQUIRES, Kind.PROVIDES,
    }  # fmt: skip


def test_a_suffix_without_a_rule_is_a_case_for_review(built):
    report, _ = compare(
        built["base"]["sample"], built["suffix"]["sample"], suffix=suffix_pattern(".farm")
    )
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
