"""What a finding says to people, how a report survives waivers, and what the key of a result
depends on.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import jsonschema
import pytest

from buildfarm.domain.compare.advice import NEXT_STEPS, kinds_table, next_step
from buildfarm.domain.compare.batch import batches, identity
from buildfarm.domain.compare.facts.facts import Dependency, FileEntry, RpmFacts
from buildfarm.domain.compare.fold import refold
from buildfarm.domain.compare.kinds import Kind, finding
from buildfarm.domain.compare.pairing import Pairing
from buildfarm.domain.compare.policy import ComparePolicy, Expectation, Waiver
from buildfarm.domain.compare.report import (
    SCHEMA_FILE,
    PairResult,
    Report,
    Unpaired,
    from_json,
    to_json,
)
from buildfarm.domain.core.verdict import Verdict
from buildfarm.presentation.finding_words import plain_words
from buildfarm.presentation.junit import to_junit
from buildfarm.presentation.report_text import lines, pair_lines

DAY = date(2026, 5, 1)
SCHEMA = json.loads(SCHEMA_FILE.read_text())


def test_every_kind_has_a_next_step_and_a_line_in_the_published_table():
    assert set(NEXT_STEPS) == set(Kind)
    assert [line.split("\t")[0] for line in kinds_table()] == ["kind", *Kind]


@pytest.mark.parametrize("kind", sorted(Kind))
@pytest.mark.parametrize("verdict", list(Verdict))
def test_what_is_not_acceptable_says_what_to_do_and_nothing_else_does(kind, verdict):
    item = finding(kind, verdict, "x", path="/a", subject="s", old="1", new="2")
    assert bool(next_step(item)) == (
        verdict.badness > Verdict.COMPATIBLE.badness and verdict is not Verdict.UNCOMPARED
    )
    assert plain_words(
        {"kind": kind.value, "path": "/a", "subject": "s", "old": "1", "new": "2", "rule": "x"}
    )


def waiver(**changed):
    return Waiver(
        **{"id": "W1", "owner": "o", "reason": "r", "expires": DAY, "kind": "requires", **changed}
    )


def pair(*found, verdict=Verdict.INCOMPATIBLE, name="r"):
    return PairResult(
        old="o.rpm",
        new="n.rpm",
        name=name,
        source="s",
        verdict=verdict,
        findings=found,
        old_sha256="a" * 64,
        new_sha256="b" * 64,
    )


NEEDS = finding(Kind.REQUIRES, Verdict.INCOMPATIBLE, "requires-added", subject="x", new="x")
NOTE = finding(Kind.SIGNATURE, Verdict.EQUIVALENT, "signature-ignored")
LOST = Unpaired(
    kind="rpm-missing",
    rpm="m.rpm",
    name="m",
    source="s",
    verdict=Verdict.MISSING,
    rule="rpm-missing",
)


def test_a_report_under_waivers_is_folded_back_exactly_when_they_end():
    first = Report(verdict=Verdict.MISSING, pairs=(pair(NEEDS, NOTE),), missing=(LOST,))
    both = (waiver(), waiver(id="W2", kind="rpm-missing"))
    stored = from_json(to_json(refold(first, both, today=DAY)))
    jsonschema.validate(to_json(stored), SCHEMA)
    assert stored.verdict is Verdict.EXPECTED
    assert (stored.compatible_rpms, stored.waived_rpms, stored.vendor_rpms) == (0, 2, 2)
    one = refold(stored, both[:1], today=DAY)
    assert (one.verdict, one.waived_rpms) == (Verdict.MISSING, 1)
    assert refold(stored, (), today=DAY) == first
    assert refold(stored, both, today=date(2026, 5, 2)).pairs == first.pairs


def test_a_waiver_lifts_nothing_that_it_does_not_name_in_the_same_rpm():
    other = replace(NEEDS, subject="y")
    again = refold(
        Report(verdict=Verdict.INCOMPATIBLE, pairs=(pair(NEEDS, other),)),
        [waiver(subject="x")],
        today=DAY,
    )
    assert [item.verdict for item in again.pairs[0].findings] == [
        Verdict.EXPECTED,
        Verdict.INCOMPATIBLE,
    ]
    assert (again.verdict, again.waived_rpms, again.compatible_rpms) == (Verdict.INCOMPATIBLE, 0, 0)


def test_a_compatible_pair_among_many_has_nothing_to_say():
    many = Report(
        verdict=Verdict.INCOMPATIBLE,
        pairs=(pair(NEEDS, name="a"), pair(NOTE, verdict=Verdict.EQUIVALENT)),
    )
    said = list(lines(many))
    assert sum(line.startswith(("  ", "EQUIVALENT ")) for line in said) == 1
    assert list(pair_lines(many.pairs[1])) == []
    assert len(list(pair_lines(many.pairs[1], verbose=True))) == 2


def test_junit_can_hold_what_a_hostile_rpm_says():
    hostile = replace(NEEDS, subject="\x00\x1b]]>&<\ud800")
    text = to_junit(Report(verdict=Verdict.INCOMPATIBLE, pairs=(pair(hostile, name="\x07"),)))
    assert text.encode("utf-8").count(b"<testcase ") == 1
    assert "\x1b" not in text
    assert "]]&gt;&amp;&lt;" in text


def test_a_policys_digest_is_over_what_findings_depend_on():
    policy = ComparePolicy(
        header_tags={"VENDOR": "us", "URL": "u"}, debranded=frozenset({"b", "a"})
    )
    same = ComparePolicy(
        header_tags={"URL": "u", "VENDOR": "us"},
        debranded=frozenset({"a", "b"}),
        waivers=(waiver(),),
        today=DAY,
    )
    assert policy.digest == same.digest
    others = [
        replace(policy, suffix="x"),
        replace(policy, expectations={"a": (Expectation(kind="tag"),)}),
        ComparePolicy(),
    ]
    assert len({policy.digest, *(other.digest for other in others)}) == 4


def facts(name, release="1.el9", sha256="a" * 64):
    return RpmFacts(
        file=f"/x/{name}.rpm", sha256=sha256, name=name, version="1", release=release, arch="noarch",
        source_rpm=f"s-1-{release}.src.rpm", dependencies={"REQUIRE": (Dependency(name="x", flags=0, version=""),)},
        files=(FileEntry(path="/a", mode=0, user="", group="", flags=0, verify=0, caps="", target="", device=0, colour=0,
                         langs="", digest="", size=0),), tags={"URL": "u"},
    )  # fmt: skip


def keys(old, new, *, salt="1", siblings=()):
    found = batches(
        Pairing(pairs=((old, new),)),
        old_sources={"s": [old, *siblings]},
        new_sources={"s": [new]},
        salt=salt,
    )
    return [key for batch in found for key in batch.keys]


def test_the_key_of_a_result_depends_on_both_files_their_siblings_policy_and_tool():
    old, new = facts("a"), facts("a", release="2.el9", sha256="b" * 64)
    found = [
        keys(old, new), keys(old, replace(new, sha256="c" * 64)), keys(replace(old, sha256="c" * 64), new),
        keys(old, new, salt="2"), keys(old, new, siblings=[facts("b", release="7.el9")]), keys(old, replace(new, file="/x/b.rpm")),
    ]  # fmt: skip
    assert len({key for some in found for key in some}) == len(found)
    assert keys(old, new) == keys(identity(old), identity(new))


def test_pieces_are_bounded_and_leave_out_what_is_done():
    pairs = tuple((facts(f"a{number}"), facts(f"a{number}")) for number in range(100))
    found = list(batches(Pairing(pairs=pairs), old_sources={}, new_sources={}, salt=""))
    assert [len(batch.pairs) for batch in found] == [25, 25, 25, 25]
    assert (
        len(next(batches(Pairing(pairs=pairs * 3), old_sources={}, new_sources={}, salt="")).pairs)
        == 32
    )
    assert (
        len(
            next(
                batches(Pairing(pairs=pairs), old_sources={}, new_sources={}, salt="", jobs=8)
            ).pairs
        )
        == 4
    )
    left = found[0].left(frozenset(found[0].keys[:20]))
    assert left is not None
    assert left.pairs == found[0].pairs[20:]
    assert found[0].left(frozenset(found[0].keys)) is None
