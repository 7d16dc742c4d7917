"""Folding: finding → RPM → SRPM → set, worst wins; waivers are applied here, last, and counted
apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date

from buildfarm.domain.compare.expect import in_force, waived, without_waiver
from buildfarm.domain.compare.policy import Waiver
from buildfarm.domain.compare.report import PairResult, Report, Unpaired
from buildfarm.domain.core.verdict import Finding, Verdict, worst


def fold(findings: Iterable[Finding]) -> Verdict:
    """The verdict of one compared pair; a pair without any finding is bit-equal.

    >>> fold([])
    <Verdict.IDENTICAL: 'IDENTICAL'>
    """
    return worst([Verdict.IDENTICAL, *(item.verdict for item in findings)])


def fold_set(
    pairs: Sequence[PairResult], missing: Sequence[Unpaired], extra: Sequence[Unpaired]
) -> Verdict:
    """The verdict of a set; UNCOMPARED only when nothing at all was compared or is missing."""
    return worst(item.verdict for items in (pairs, missing, extra) for item in items)


def by_source(report: Report) -> dict[str, Verdict]:
    """The verdict of each source in the set, by our name."""
    sources: dict[str, list[Verdict]] = {}
    for items in (report.pairs, report.missing, report.extra):
        for item in items:
            sources.setdefault(item.source, []).append(item.verdict)
    return {source: worst(verdicts) for source, verdicts in sorted(sources.items())}


def refold_pair(
    pair: PairResult, waivers: Sequence[Waiver], *, today: date | None
) -> tuple[PairResult, frozenset[str]]:
    """One pair under these waivers, and the ids of those that lifted something."""
    if not pair.findings:
        return pair, frozenset()
    first = [without_waiver(item) for item in pair.findings]
    result = waived(first, waivers, source=pair.source, rpm=pair.name, today=today)
    return pair.with_findings(result.findings, fold(result.findings)), result.used


def refold(report: Report, waivers: Sequence[Waiver], *, today: date | None) -> Report:
    """The report under these waivers and no others: what former ones lifted is put back first."""
    used: set[str] = set()
    pairs = []
    for pair in report.pairs:
        again, lifted_by = refold_pair(pair, waivers, today=today)
        used |= lifted_by
        pairs.append(again)
    lists = []
    for items in (report.missing, report.extra):
        lifted = []
        for item in items:
            result = waived(
                [without_waiver(item.finding)],
                waivers,
                source=item.source,
                rpm=item.name,
                today=today,
            )
            used |= result.used
            lifted.append(item.with_finding(result.findings[0]))
        lists.append(tuple(lifted))
    missing, extra = lists
    return replace(
        report,
        verdict=fold_set(pairs, missing, extra),
        pairs=tuple(pairs),
        missing=missing,
        extra=extra,
        expired_waivers=tuple(waiver.id for waiver in waivers if not in_force(waiver, today)),
        unused_waivers=tuple(
            waiver.id for waiver in waivers if in_force(waiver, today) and waiver.id not in used
        ),
    )
