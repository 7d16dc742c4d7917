"""Comparing two sets of RPMs: read the headers, let the domain pair and judge, read what differs,
judge again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Protocol

from buildfarm.domain.compare.contents import both_sides
from buildfarm.domain.compare.contents.both_sides import debuginfo_of
from buildfarm.domain.compare.contents.code import with_causes
from buildfarm.domain.compare.expect import expected
from buildfarm.domain.compare.facts.content_facts import (
    BothSides,
    ContentFacts,
    ContentRequest,
    PairRequest,
)
from buildfarm.domain.compare.facts.facts import RpmFacts
from buildfarm.domain.compare.fold import fold, fold_set, refold
from buildfarm.domain.compare.kinds import Kind
from buildfarm.domain.compare.metadata.header import source_name
from buildfarm.domain.compare.pairing import Pairing, pair
from buildfarm.domain.compare.policy import ComparePolicy, Mode
from buildfarm.domain.compare.report import PairResult, Report, Unpaired
from buildfarm.domain.compare.rpm import HeaderComparison, compare_rpm_headers, conclude, damage
from buildfarm.domain.core.verdict import Verdict
from buildfarm.errors import InputError, NotFound
from buildfarm.rpm_folders import rpms_below


class FactsReader(Protocol):
    """Reads RPM files; the implementation is
    :class:`buildfarm.adapters.compare.rpm_facts.sandboxed_reader.SandboxedReader`.
    """

    def headers(self, files: Sequence[Path]) -> list[RpmFacts]:
        """Facts of each file, in that order; damage is in ``error``."""

    def contents(self, requests: Sequence[ContentRequest]) -> list[Mapping[str, ContentFacts]]:
        """Content facts by path of each request, in that order."""

    def both_sides(self, requests: Sequence[PairRequest]) -> list[Mapping[str, BothSides]]:
        """Return what takes both files, by the new side's path of each request, in that order."""


def compare_sets(
    old: Sequence[Path], new: Sequence[Path], *, policy: ComparePolicy, reader: FactsReader
) -> Report:
    """Compare the vendor's RPMs with ours: three rounds of reading at most, whatever the number of
    files.

    Without a vendor's side nothing is compared: UNCOMPARED. Without ours, every one of the vendor's
    is MISSING.

    :raises InfraError: the reader itself does not work (a damaged file is a finding instead).
    """
    facts = reader.headers([*old, *new])
    vendors, ours = facts[: len(old)], facts[len(old) :]
    if not vendors:
        return _uncompared(ours)
    pairing = pair(vendors, ours, policy)
    old_sources, new_sources = by_source(vendors), by_source(ours)
    results = compare_pairs(
        pairing.pairs,
        old_sources=old_sources,
        new_sources=new_sources,
        debug=[
            (_debuginfo(one, old_sources), _debuginfo(two, new_sources))
            for one, two in pairing.pairs
        ],
        policy=policy,
        reader=reader,
    )
    report = report_of(results, pairing, policy)
    return refold(report, policy.waivers, today=policy.today) if policy.waivers else report


def compare_pairs(
    pairs: Sequence[tuple[RpmFacts, RpmFacts]],
    *,
    old_sources: Mapping[str, Sequence[RpmFacts]],
    new_sources: Mapping[str, Sequence[RpmFacts]],
    debug: Sequence[tuple[str, str]],
    policy: ComparePolicy,
    reader: FactsReader,
) -> list[PairResult]:
    """The results of pairs, in order, waivers not applied; ``*_sources`` are all RPMs of each
    source (names and EVRs count).

    :param debug: the debuginfo RPMs of each pair's sides, as paths; empty where there is none.
    """
    compared = [
        compare_rpm_headers(
            one,
            two,
            policy,
            old_set=old_sources.get(source_name(one), ()),
            new_set=new_sources.get(source_name(two), ()),
        )
        for one, two in pairs
    ]
    contents = _read_contents(compared, reader)
    both = _read_both_sides(compared, contents, debug, reader) if policy.both_sides else repeat({})
    return [
        _result(*found, policy) for found in zip(compared, contents, both, strict=policy.both_sides)
    ]


def files_of(old: Path, new: Path) -> tuple[list[Path], list[Path]]:
    """The RPMs that two paths name: two files, or every ``*.rpm`` below two folders.

    SRPMs in folders are left out unless both sides hold nothing else.

    :raises NotFound: a path does not exist.
    :raises InputError: a file against a folder, or a folder without RPMs on the vendor's side.
    """
    for path in (old, new):
        if not path.exists():
            raise NotFound(
                f"{path}: no such file or folder", hint="give two RPM files or two folders"
            )
    if old.is_dir() != new.is_dir():
        raise InputError(
            f"{old} and {new}: one is a folder, the other a file", hint="give two of a kind"
        )
    if not old.is_dir():
        return [old], [new]
    vendors, ours = rpms_below(old), rpms_below(new)
    if not vendors:
        raise InputError(f"{old}: no RPM files in it", hint="the first path is the vendor's side")
    if not all(is_srpm(file) for file in (*vendors, *ours)):
        vendors, ours = ([file for file in files if not is_srpm(file)] for files in (vendors, ours))
    return vendors, ours


def compare_paths(old: Path, new: Path, policy: ComparePolicy, *, reader: FactsReader) -> Report:
    """Compare two files, or two folders at once (:mod:`buildfarm.services.compare.large_comparison`
    is for large ones).

    Two files named by hand are compared in named mode, whatever the policy says, so that another
    Release is a note.

    :raises InputError: as :func:`files_of`.
    """
    vendors, ours = files_of(old, new)
    if not old.is_dir():
        policy = replace(policy, mode=Mode.NAMED)
    return compare_sets(vendors, ours, policy=policy, reader=reader)


def _debuginfo(facts: RpmFacts, sources: Mapping[str, Sequence[RpmFacts]]) -> str:
    """The debuginfo RPM of an RPM: one of its set, else the file of that name beside it; empty
    where there is none.
    """
    found = debuginfo_of(facts, sources.get(source_name(facts), ()))
    if found is not None:
        return found.file
    beside = Path(facts.file).with_name(
        Path(f"{facts.name}-debuginfo-{facts.version}-{facts.release}.{facts.arch}.rpm").name
    )
    return str(beside) if beside.is_file() else ""


def is_srpm(file: Path) -> bool:
    """Return whether the file's name is an SRPM's."""
    return file.name.endswith((".src.rpm", ".nosrc.rpm"))


def _uncompared(ours: Sequence[RpmFacts]) -> Report:
    """Ours alone: nothing to compare with, but a damaged file is an ERROR all the same."""
    pairs = []
    for facts in ours:
        findings = [damage("ours", facts)] if facts.error else []
        pairs.append(
            PairResult(
                old="",
                new=facts.basename,
                name=facts.name,
                source=source_name(facts),
                verdict=fold(findings) if findings else Verdict.UNCOMPARED,
                findings=tuple(findings),
                new_sha256=facts.sha256,
            )
        )
    return Report(verdict=fold_set(pairs, (), ()), pairs=tuple(pairs))


def by_source(side: Sequence[RpmFacts]) -> dict[str, list[RpmFacts]]:
    """The RPMs of a side by the source they were built from; damaged ones belong to none."""
    sources: defaultdict[str, list[RpmFacts]] = defaultdict(list)
    for facts in side:
        if not facts.error:
            sources[source_name(facts)].append(facts)
    return dict(sources)


def _read_contents(
    compared: Sequence[HeaderComparison], reader: FactsReader
) -> list[tuple[Mapping[str, ContentFacts], Mapping[str, ContentFacts]]]:
    """Both sides' content facts of each pair, in one round of reading."""
    requests = [request for comparison in compared for request in comparison.requests()]
    answers = iter(reader.contents(requests) if requests else [])
    return [
        (next(answers), next(answers)) if comparison.differing else ({}, {})
        for comparison in compared
    ]


def _read_both_sides(
    compared: Sequence[HeaderComparison],
    contents: Sequence[tuple[Mapping[str, ContentFacts], Mapping[str, ContentFacts]]],
    debug: Sequence[tuple[str, str]],
    reader: FactsReader,
) -> list[Mapping[str, BothSides]]:
    """Return what takes both files, of each pair by the new side's path, in one round of reading."""
    wanted = [
        both_sides.request(comparison.differing, (comparison.old, comparison.new), named, *content)
        for comparison, content, named in zip(compared, contents, debug, strict=True)
    ]
    requests = [request for request in wanted if request is not None]
    answers = iter(reader.both_sides(requests) if requests else [])
    return [{} if request is None else next(answers) for request in wanted]


def _result(
    comparison: HeaderComparison,
    content: tuple[Mapping[str, ContentFacts], Mapping[str, ContentFacts]],
    both: Mapping[str, BothSides],
    policy: ComparePolicy,
) -> PairResult:
    source = comparison.source
    concluded = with_causes(conclude(comparison, *content, both), policy.causes)
    findings = expected(concluded, policy.expectations.get(source, ()), source=source)
    return PairResult(
        old=comparison.old.basename,
        new=comparison.new.basename,
        name=comparison.new.name or comparison.old.name,
        source=source,
        verdict=fold(findings),
        findings=tuple(findings),
        old_sha256=comparison.old.sha256,
        new_sha256=comparison.new.sha256,
    )


def report_of(results: Sequence[PairResult], pairing: Pairing, policy: ComparePolicy) -> Report:
    """Results and what stands alone as one report, waivers not applied."""
    missing = tuple(_unpaired(facts, Kind.RPM_MISSING, policy) for facts in pairing.missing)
    extra = tuple(_unpaired(facts, Kind.RPM_EXTRA, policy) for facts in pairing.extra)
    return Report(
        verdict=fold_set(results, missing, extra),
        pairs=tuple(results),
        missing=missing,
        extra=extra,
    )


def _unpaired(facts: RpmFacts, kind: Kind, policy: ComparePolicy) -> Unpaired:
    """One that stands alone: damage stays damage, a debugging RPM that only we have is harmless."""
    source = source_name(facts)
    verdict, rule = (Verdict.MISSING if kind is Kind.RPM_MISSING else Verdict.EXTRA), kind.value
    if facts.error:
        verdict, rule = Verdict.ERROR, f"integrity: {facts.error}"
    elif kind is Kind.RPM_EXTRA and facts.is_debug:
        verdict, rule = Verdict.COMPATIBLE, "debug-rpm"
    item = Unpaired(
        kind=kind.value,
        rpm=facts.basename,
        name=facts.name,
        source=source,
        verdict=verdict,
        rule=rule,
        sha256=facts.sha256,
    )
    ours = policy.renamed(source) if kind is Kind.RPM_MISSING else source
    return item.with_finding(
        expected([item.finding], policy.expectations.get(ours, ()), source=ours)[0]
    )
