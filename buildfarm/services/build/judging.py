"""Judging: applies the waivers in force to a report, lets the gate decide, and stores both
together.

The compare handler judges a fresh report. A waiver that begins, expires or is revoked judges the
stored report again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from buildfarm.domain.build.gate import decide
from buildfarm.domain.build.waiver import WaiverRecord, WaiverUse
from buildfarm.domain.compare.expect import WAIVER
from buildfarm.domain.compare.fold import refold
from buildfarm.domain.compare.policy import Waiver
from buildfarm.domain.compare.report import Report, to_json
from buildfarm.domain.core.build import Build, Gate
from buildfarm.domain.core.records import Comparison, FindingRecord
from buildfarm.domain.core.verdict import Finding
from buildfarm.domain.debrand.brand import is_of_binaries
from buildfarm.domain.intake.drop import VendorRpm
from buildfarm.domain.selfhosting import seeds
from buildfarm.domain.target.target import Target
from buildfarm.ports.store import Transaction
from buildfarm.presentation import finding_words
from buildfarm.presentation.report_text import describe
from buildfarm.services.core import tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A report under the waivers in force, and the gate's decision."""

    report: Report
    gate: Gate
    reason: str


def waivers_of(tx: Transaction, target: str) -> tuple[Waiver, ...]:
    """The waivers that hold for a target on the transaction's day."""
    today = tx.now.date().isoformat()
    records = tx.find(WaiverRecord, ended=None, order_by="created,id")
    return tuple(
        waiver
        for record in records
        if record.expires >= today and (waiver := record.waiver).covers_target(target)
    )


def judge(
    tx: Transaction,
    build: Build,
    target: Target,
    report: Report,
    *,
    brand_hits: Sequence[Mapping[str, object]],
) -> Judgement:
    """Apply the waivers and let the gate decide, on the verdict and on what is left of a brand;
    nothing is written.
    """
    lifted = refold(report, waivers_of(tx, target.name), today=tx.now.date())
    # what matches nothing in one build may be for another: the list of waivers says it, not each
    # build
    lifted = replace(lifted, expired_waivers=(), unused_waivers=())
    brands = [
        f"{hit['rpm']}: {hit['where']}: {hit['context']}"
        for hit in brand_hits
        if is_of_binaries(hit)
    ]
    decision = decide(
        lifted.verdict, policy=target.gate, scratch=build.scratch, brands=brands,
        held_back=seeds.held_back(build.seeded, build.round, build.bootstrap),
        bootstrap=bool(build.bootstrap),
    )  # fmt: skip
    reason = decision.reason
    if (
        reason
        and not build.bootstrap
        and not lifted.verdict.is_compatible
        and (line := worst_line(lifted))
    ):
        reason = f"{reason}; {line}"
    return Judgement(report=lifted, gate=decision.gate, reason=reason)


def write(
    tx: Transaction, build: Build, judged: Judgement, *, brand_hits: tuple[dict[str, object], ...]
) -> Comparison:
    """Store the comparison in force of a build, and where waivers lift something in it."""
    comparison = Comparison(
        id=tasks.new_id(), build=build.id, verdict=judged.report.verdict.value,
        report=to_json(judged.report), brand_hits=brand_hits, created=tx.now,
    )  # fmt: skip
    tx.add(comparison)
    index(tx, build, comparison)
    lifts = Counter(
        item.rule.removeprefix(WAIVER)
        for item in _findings(judged.report)
        if item.rule.startswith(WAIVER)
    )
    known = {use.waiver: use for use in tx.find(WaiverUse, build=build.id)}
    for waiver in lifts.keys() | known.keys():
        if waiver in known:
            tx.update(known[waiver], findings=lifts[waiver])
        else:
            tx.add(
                WaiverUse(
                    id=f"{waiver}/{build.id}", waiver=waiver, build=build.id, findings=lifts[waiver]
                )
            )
    return comparison


def index(tx: Transaction, build: Build, comparison: Comparison) -> None:
    """Let lists, counts and the search see a comparison that came into force without reading its
    report.
    """
    report = comparison.report
    tx.remove(FindingRecord, build=build.id)
    tx.add_all([
        FindingRecord(
            build=build.id, target=build.target, source=build.source, superseded=build.superseded,
            name=found["path"].rpartition("/")[2], **found,
        )
        for found in finding_words.findings_of(report)
    ])  # fmt: skip
    of_binaries = sum(is_of_binaries(hit) for hit in comparison.brand_hits)
    tx.update(
        build, finding=finding_words.worst_line(report), brand_hits=of_binaries,
        source_brand_hits=len(comparison.brand_hits) - of_binaries,
    )  # fmt: skip
    judged = finding_words.judged_of(report)
    for rpm in tx.find(VendorRpm, target=build.target, sourcerpm=build.srpm_filename):
        verdict, waived = judged.get(rpm.sha256) or judged.get(rpm.filename) or ("", False)
        if (rpm.verdict, rpm.waived) != (verdict, waived):
            tx.update(rpm, verdict=verdict, waived=waived)


def _findings(report: Report) -> Iterable[Finding]:
    for pair in report.pairs:
        yield from pair.findings
    for item in (*report.missing, *report.extra):
        yield item.finding


def worst_line(report: Report) -> str:
    """The line a person reads first."""
    for pair in report.pairs:
        for finding in pair.findings:
            if finding.verdict is report.verdict:
                return f"{pair.name}: {describe(finding)}"
    for group in (report.missing, report.extra):
        for one in group:
            return f"{one.name} is {one.verdict}"
    return ""
