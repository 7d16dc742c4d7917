"""The report as JUnit XML (the form of the Ant task that Jenkins and GitLab read): a suite a
source, a test case an RPM.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, indent, tostring  # it only writes here

from buildfarm.domain.compare.advice import next_step
from buildfarm.domain.compare.report import PairResult, Report, Unpaired
from buildfarm.domain.core.verdict import Finding, Verdict
from buildfarm.presentation.report_text import describe, visible

Case = tuple[str, Verdict, tuple[Finding, ...]]


def to_junit(report: Report) -> str:
    """REVIEW to MISSING is a failure, ERROR an error, UNCOMPARED skipped; what a waiver lifted
    passes and says so.
    """
    suites: dict[str, list[Case]] = {}
    for pair in report.pairs:
        suites.setdefault(pair.source, []).append(_of_pair(pair))
    for item in (*report.missing, *report.extra):
        suites.setdefault(item.source, []).append(_of_unpaired(item))
    root = Element(
        "testsuites",
        {
            "name": "buildfarm compare",
            **_counts(case for cases in suites.values() for case in cases),
        },
    )
    for source, cases in sorted(suites.items()):
        suite = SubElement(
            root, "testsuite", {"name": visible(source) or "unknown", **_counts(cases)}
        )
        for name, verdict, findings in cases:
            _write(
                SubElement(
                    suite,
                    "testcase",
                    {"classname": visible(source) or "unknown", "name": name, "time": "0"},
                ),
                verdict,
                findings,
            )
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _of_pair(pair: PairResult) -> Case:
    return visible(pair.new or pair.old), pair.verdict, pair.findings


def _of_unpaired(item: Unpaired) -> Case:
    return visible(item.rpm), item.verdict, (item.finding,)


def _counts(cases: Iterable[Case]) -> dict[str, str]:
    words = [_outcome(verdict) for _, verdict, _ in cases]
    return {
        "tests": str(len(words)),
        "failures": str(words.count("failure")),
        "errors": str(words.count("error")),
        "skipped": str(words.count("skipped")),
        "time": "0",
    }


def _outcome(verdict: Verdict) -> str:
    if verdict is Verdict.UNCOMPARED:
        return "skipped"
    if verdict is Verdict.ERROR:
        return "error"
    return "" if verdict.is_compatible else "failure"


def _write(case: Element, verdict: Verdict, findings: tuple[Finding, ...]) -> None:
    worst_first = sorted(findings, key=lambda item: -item.verdict.badness)
    outcome = _outcome(verdict)
    if outcome == "skipped":
        SubElement(case, outcome, {"message": "nothing to compare with"})
    elif outcome:
        bad = [item for item in worst_first if not item.verdict.is_compatible]
        message = describe(bad[0]) if bad else str(verdict)
        SubElement(case, outcome, {"type": verdict.value, "message": message}).text = "\n".join(
            line for item in bad for line in (describe(item), f"  next: {next_step(item)}")
        )
    said = [
        describe(item)
        for item in worst_first
        if item.verdict.is_compatible and item.verdict is not Verdict.EQUIVALENT
    ]
    if said:
        SubElement(case, "system-out").text = "\n".join(said)
