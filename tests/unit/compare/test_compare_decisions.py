"""Pairing, expectations, waivers, folding and the rules that need no RPM file."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from dataclasses import replace
from datetime import date

import pytest

import buildfarm.domain.compare as package
from buildfarm.domain.compare.contents.normalise import NO_MASK, own_masks
from buildfarm.domain.compare.expect import expected, waived
from buildfarm.domain.compare.facts.facts import ChangelogEntry, Dependency, RpmFacts
from buildfarm.domain.compare.fold import by_source, refold
from buildfarm.domain.compare.kinds import NAMED_ONLY, NEVER_EXPECTED, Kind, finding
from buildfarm.domain.compare.metadata.changelog import compare_changelogs
from buildfarm.domain.compare.metadata.dependencies import compare_dependencies
from buildfarm.domain.compare.pairing import pair
from buildfarm.domain.compare.policy import ComparePolicy, Expectation, Mode, Waiver, suffix_pattern
from buildfarm.domain.compare.report import PairResult, Report, Unpaired, from_json, to_json
from buildfarm.domain.core.verdict import Verdict
from buildfarm.errors import InputError
from buildfarm.presentation.report_text import describe, lines

MODULES = [
    module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]
TODAY = date(2026, 5, 1)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_hold(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def facts(name="a", version="1", release="1.el9", arch="x86_64", source="", **more):
    source_rpm = f"{source or name}-{version}-{release}.src.rpm"
    file = f"/r/{name}-{version}-{release}.{arch}.rpm"
    return RpmFacts(
        file=file,
        name=name,
        version=version,
        release=release,
        arch=arch,
        source_rpm=source_rpm,
        **more,
    )


def names(pairing):
    return [(one.nevra, two.nevra) for one, two in pairing.pairs]


class TestPairing:
    def test_the_suffix_is_taken_off_and_dist_tags_side_by_side_stay_apart(self):
        policy = ComparePolicy(suffix=suffix_pattern(".farm"))
        old = [facts(), facts(release="1.el9_4.3")]
        new = [facts(release="1.el9_4.3.farm.2"), facts()]
        got = pair(old, new, policy)
        assert names(got) == [
            ("a-1-1.el9.x86_64", "a-1-1.el9.x86_64"),
            ("a-1-1.el9_4.3.x86_64", "a-1-1.el9_4.3.farm.2.x86_64"),
        ]
        assert not got.missing
        assert not got.extra

    def test_a_renamed_rpm_keeps_its_partner(self):
        policy = ComparePolicy(renames={"vendor-release": "our-release"})
        assert len(pair([facts("vendor-release")], [facts("our-release")], policy).pairs) == 1

    def test_module_builds_pair_across_their_build_numbers(self):
        old, new = facts(release="3.module+el9.3.0+1+aa"), facts(release="3.module+el9.3.0+77+bb")
        assert len(pair([old], [new], ComparePolicy()).pairs) == 1

    def test_arches_never_pair(self):
        got = pair([facts()], [facts(arch="i686"), facts("b")], ComparePolicy())
        assert (len(got.pairs), len(got.missing), len(got.extra)) == (0, 1, 2)

    def test_a_damaged_file_pairs_by_its_name(self):
        broken = RpmFacts(file="/x/a-1-1.el9.x86_64.rpm", error="cut off")
        assert len(pair([facts()], [broken], ComparePolicy()).pairs) == 1

    def test_named_folders_pair_equal_evrs_first_then_the_newest(self):
        policy = ComparePolicy(mode=Mode.NAMED)
        old = [facts(version="1"), facts(version="2")]
        new = [facts(version="1"), facts(version="10"), facts(version="9")]
        got = pair(old, new, policy)
        assert [(one.version, two.version) for one, two in got.pairs] == [("1", "1"), ("2", "10")]
        assert [item.version for item in got.extra] == ["9"]


def dependency(name, flags=0, version=""):
    return Dependency(name=name, flags=flags, version=version)


def compare_requires(old, new, **options):
    masks = {"old_mask": NO_MASK, "new_mask": NO_MASK, **options}
    return compare_dependencies({"REQUIRE": tuple(old)}, {"REQUIRE": tuple(new)}, **masks)


class TestDependencies:
    def test_own_evr_and_a_siblings_are_masked_and_said_so(self):
        old, new = facts(epoch=2), facts(epoch=2, release="1.el9.farm.1")
        masks = own_masks(old, new, old_set=[old], new_set=[new])
        got = compare_requires(
            [dependency("a-libs", 8, "2:1-1.el9")], [dependency("a-libs", 8, "2:1-1.el9.farm.1")],
            old_mask=masks[0], new_mask=masks[1],
        )  # fmt: skip
        assert [(item.verdict, item.rule) for item in got] == [(Verdict.EQUIVALENT, "own-evr")]

    def test_our_suffix_on_another_sources_version_is_taken_off(self):
        policy = ComparePolicy(suffix=suffix_pattern(".farm"))
        got = compare_requires(
            [dependency("b", 8, "3-1.el9")],
            [dependency("b", 8, "3-1.el9.farm.1")],
            without_suffix=policy.without_suffix,
        )
        assert [(item.verdict, item.rule) for item in got] == [
            (Verdict.EQUIVALENT, "release-suffix")
        ]

    def test_merged_usr_and_rpmlib_are_notes(self):
        old, new = (
            [dependency("/bin/sh"), dependency("rpmlib(X)", 1 << 24)],
            [dependency("/usr/bin/sh")],
        )
        assert {item.rule for item in compare_requires(old, new)} == {
            "merged-usr",
            "rpmlib-ignored",
        }

    def test_a_soname_is_interface_and_a_new_symbol_version_is_for_review(self):
        got = compare_requires(
            [dependency("libm.so.6()(64bit)")], [dependency("libc.so.6(GLIBC_2.38)(64bit)")]
        )
        assert {item.subject: item.verdict for item in got} == {
            "libm.so.6()(64bit)": Verdict.INCOMPATIBLE, "libc.so.6(GLIBC_2.38)(64bit)": Verdict.REVIEW,
        }  # fmt: skip

    def test_a_generators_dependency_equals_a_persons(self):
        assert not [
            i
            for i in compare_requires([dependency("x", 1 << 14)], [dependency("x")])
            if i.verdict.badness > 1
        ]


def entry(text, time=1):
    return ChangelogEntry(time=time, name="P", text=text)


class TestChangelog:
    def test_the_vendors_list_must_be_a_suffix_of_ours(self):
        old = [entry("b"), entry("a")]
        for new, debranded, wanted in (
            (old, True, []),
            ([entry("c"), *old], True, [Verdict.EXPECTED]),
            ([entry("c"), *old], False, [Verdict.COMPATIBLE]),
            ([entry("b")], False, [Verdict.COMPATIBLE]),
            ([entry("a")], False, [Verdict.REVIEW]),
            ([], False, [Verdict.REVIEW]),
            ([entry("c"), entry("b"), entry("x")], True, [Verdict.REVIEW]),
        ):
            assert [
                item.verdict for item in compare_changelogs(old, new, debranded=debranded)
            ] == wanted


def waiver(**changes):
    return replace(
        Waiver(
            id="W1",
            owner="sig",
            reason="known",
            expires=TODAY,
            kind="export-removed",
            subject="gone@*",
        ),
        **changes,
    )


REMOVED = finding(
    Kind.EXPORT_REMOVED,
    Verdict.INCOMPATIBLE,
    "export-removed",
    path="/usr/lib64/l.so",
    subject="gone@V1",
)


class TestExpectations:
    @pytest.mark.parametrize("kind", sorted(Kind))
    def test_a_wildcard_covers_a_kind_only_if_it_need_not_be_named(self, kind):
        item = finding(kind, Verdict.INCOMPATIBLE, "x", path="/a")
        got = expected([item], [Expectation(kind="*", path="/**")], source="s")[0]
        assert (got.verdict is Verdict.EXPECTED) == (kind not in NAMED_ONLY | NEVER_EXPECTED)

    @pytest.mark.parametrize("kind", sorted(Kind))
    def test_naming_it_covers_every_difference_and_never_an_error(self, kind):
        line = [Expectation(kind=kind.value, path="/a")]
        got = expected([finding(kind, Verdict.REVIEW, "x", path="/a")], line, source="s")[0]
        assert (got.rule == "expect:s") == (kind not in NEVER_EXPECTED)
        error = finding(kind, Verdict.ERROR, "x", path="/a")
        assert expected([error], line, source="s") == [error]

    def test_a_waiver_counts_to_the_end_of_its_last_day(self):
        def verdict(today):
            return (
                waived([REMOVED], [waiver()], source="s", rpm="r", today=today).findings[0].verdict
            )

        assert verdict(TODAY) is Verdict.EXPECTED
        assert verdict(date(2026, 5, 2)) is Verdict.INCOMPATIBLE
        assert verdict(None) is Verdict.INCOMPATIBLE

    @pytest.mark.parametrize(
        "item",
        [
            finding(Kind.FILE_MODE, Verdict.INCOMPATIBLE, "x", path="/a", old="0755", new="4755"),
            finding(Kind.FILE_CAPABILITIES, Verdict.INCOMPATIBLE, "x", path="/a"),
            finding(Kind.CONTENT_DATA, Verdict.REVIEW, "x", path="/usr/share/polkit-1/rules.d/a"),
        ],
    )
    def test_privileges_need_the_security_authority(self, item):
        plain = waiver(kind=item.kind, subject="*")
        assert not waived([item], [plain], source="s", rpm="r", today=TODAY).used
        assert waived(
            [item], [replace(plain, authority="security")], source="s", rpm="r", today=TODAY
        ).used


def result(*findings, verdict=Verdict.INCOMPATIBLE):
    return PairResult(
        old="o.rpm", new="n.rpm", name="r", source="s", verdict=verdict, findings=findings
    )


class TestReport:
    def test_a_waiver_re_folds_what_is_stored_and_is_counted_apart(self):
        report = Report(verdict=Verdict.INCOMPATIBLE, pairs=(result(REMOVED),))
        stored = from_json(to_json(report))
        again = refold(
            stored,
            [waiver(), waiver(id="W2"), waiver(id="W3", expires=date(2020, 1, 1))],
            today=TODAY,
        )
        assert again.verdict is Verdict.EXPECTED
        assert again.counts()["waived"] == 1
        assert (again.expired_waivers, again.unused_waivers) == (("W3",), ("W2",))
        assert report.counts()["INCOMPATIBLE"] == 1

    def test_a_missing_rpm_can_only_be_waived_by_name(self):
        missing = Unpaired(
            kind="rpm-missing",
            rpm="m.rpm",
            name="m",
            source="s",
            verdict=Verdict.MISSING,
            rule="rpm-missing",
        )
        report = Report(verdict=Verdict.MISSING, missing=(missing,))
        assert (
            refold(report, [waiver(kind="*", subject="*")], today=TODAY).verdict is Verdict.MISSING
        )
        assert (
            refold(report, [waiver(kind="rpm-missing", subject="m")], today=TODAY).verdict
            is Verdict.EXPECTED
        )

    def test_the_worst_decides_for_a_source_and_for_the_set(self):
        other = replace(result(verdict=Verdict.IDENTICAL), source="t")
        report = Report(verdict=Verdict.INCOMPATIBLE, pairs=(result(REMOVED), other))
        assert by_source(report) == {"s": Verdict.INCOMPATIBLE, "t": Verdict.IDENTICAL}
        assert (report.vendor_rpms, report.compatible_rpms, report.exit_code) == (2, 1, 1)

    def test_another_schema_is_refused(self):
        with pytest.raises(InputError):
            from_json({"schema": 99})
        with pytest.raises(InputError):
            from_json({"schema": 1})

    def test_lines_name_the_symbol_and_no_terminal_escape_gets_through(self):
        hostile = replace(REMOVED, old="\x1b[2J")
        text = "\n".join(lines(Report(verdict=Verdict.INCOMPATIBLE, pairs=(result(hostile),))))
        assert "gone@V1" in text
        assert "\x1b" not in text
        assert "\\x1b" in describe(hostile)
