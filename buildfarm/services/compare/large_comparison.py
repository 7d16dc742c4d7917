"""Comparing thousands of RPMs: all cores, flat memory, results as they come, and a restart goes on
where it was killed.

Identities of both sides are paired first; then batches of the work are read, compared, written to
the journal and forgotten. What the journal holds for the same files, policy and tool is not done
again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from buildfarm.domain.compare.batch import Batch, batches
from buildfarm.domain.compare.facts.facts import RpmFacts
from buildfarm.domain.compare.fold import by_source as verdicts_by_source
from buildfarm.domain.compare.fold import refold, refold_pair
from buildfarm.domain.compare.metadata.header import source_name
from buildfarm.domain.compare.pairing import pair
from buildfarm.domain.compare.policy import ComparePolicy
from buildfarm.domain.compare.report import Distribution, PairResult, Report, Unpaired
from buildfarm.domain.core.verdict import Verdict
from buildfarm.services.compare.comparison import FactsReader, by_source, compare_pairs, report_of


class Side(Protocol):
    """One side of a large comparison: a folder or a repository."""

    @property
    def identities(self) -> Sequence[RpmFacts]:
        """The identity of every RPM, with its SHA-256
        (:func:`buildfarm.domain.compare.batch.identity`).
        """

    @property
    def provides(self) -> Mapping[str, str]:
        """Every name that an RPM of this side provides, with the file name of one that does."""

    def facts(self, identities: Sequence[RpmFacts]) -> AbstractContextManager[list[RpmFacts]]:
        """The whole facts of some of them, in order, and their files at hand until the block ends."""


class Journal(Protocol):
    """Results that are done, by key; safe against a kill at any moment."""

    def keys(self) -> frozenset[str]:
        """Return what is done."""

    def get(self, key: str) -> PairResult:
        """One result. :raises KeyError: it is not done."""

    def put(self, key: str, result: PairResult) -> None:
        """Write a result down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """Called with the number of pairs, and with each result (True: it was in the journal)."""

    total: Callable[[int], None]
    result: Callable[[PairResult, bool], None]


def compare_sides(
    old: Side, new: Side, *, policy: ComparePolicy, journal: Journal, salt: str, jobs: int,
    reader: FactsReader, callbacks: Callbacks,
) -> Report:  # fmt: skip
    """Compare two sides.

    :param salt: digest of the tool; with another one, what the journal holds does not count.
    :param reader: used by ``jobs`` threads at once, one sandbox each.
    :raises InfraError: the reader itself does not work, or an RPM cannot be fetched; what is done
        stays in the journal.
    """
    vendors, ours = old.identities, new.identities
    pairing = pair(vendors, ours, policy)
    old_sources, new_sources = by_source(vendors), by_source(ours)
    done = journal.keys()
    callbacks.total(len(pairing.pairs))

    def compare(batch: Batch) -> list[PairResult]:
        debug = [
            [found for found in side if found is not None]
            for side in zip(*batch.debug, strict=True)
        ]
        vendors, ours = (list(side) for side in zip(*batch.pairs, strict=True))
        with old.facts([*vendors, *debug[0]]) as left, new.facts([*ours, *debug[1]]) as right:
            files = {found.sha256: found.file for found in (*left, *right)}
            return compare_pairs(
                list(zip(left[: len(vendors)], right[: len(ours)], strict=True)), old_sources=old_sources, new_sources=new_sources,
                debug=[(_file(files, one), _file(files, two)) for one, two in batch.debug], policy=policy, reader=reader,
            )  # fmt: skip

    results: list[PairResult] = []
    todo: list[Batch] = []
    for batch in batches(
        pairing,
        old_sources=old_sources,
        new_sources=new_sources,
        salt=f"{salt} {policy.digest}",
        jobs=jobs,
    ):
        for key in batch.keys:
            if key in done:
                results.append(journal.get(key))
                callbacks.result(_lifted(results[-1], policy), True)  # noqa: FBT003  # as Callbacks declares
        if left := batch.left(done):
            todo.append(left)
    for batch, found in _on_all_cores(compare, todo, jobs):
        for key, result in zip(batch.keys, found, strict=True):
            if (
                result.verdict is not Verdict.ERROR
            ):  # what could not be known is tried again next time
                journal.put(key, result)
            results.append(result)
            callbacks.result(_lifted(result, policy), False)  # noqa: FBT003  # as Callbacks declares
    results.sort(key=lambda result: (result.source, result.new))
    report = report_of(results, pairing, policy)
    if policy.waivers:
        report = refold(report, policy.waivers, today=policy.today)
    return replace(report, sources=distribution(report, old=old, new=new, policy=policy))


def _file(files: Mapping[str, str], facts: RpmFacts | None) -> str:
    return files.get(facts.sha256, "") if facts is not None else ""


def _lifted(result: PairResult, policy: ComparePolicy) -> PairResult:
    return refold_pair(result, policy.waivers, today=policy.today)[0]


def distribution(report: Report, *, old: Side, new: Side, policy: ComparePolicy) -> Distribution:
    """The sums by source, over a finished report."""
    vendors = {policy.renamed(source_name(facts)) for facts in old.identities if not facts.error}
    ours = {source_name(facts) for facts in new.identities if not facts.error}
    items: list[PairResult | Unpaired] = [*report.pairs, *report.missing, *report.extra]
    bad = Counter(item.source for item in items if not item.verdict.is_compatible)
    worst = sorted(
        (
            (name, verdict, bad[name])
            for name, verdict in verdicts_by_source(report).items()
            if not verdict.is_compatible
        ),
        key=lambda row: (-row[1].badness, -row[2], row[0]),
    )
    lacking = sorted(
        (name, rpm)
        for name, rpm in old.provides.items()
        if policy.renamed(name) not in new.provides
    )
    return Distribution(
        old=len(vendors), new=len(ours), missing=tuple(sorted(vendors - ours)), missing_provides=tuple(lacking),
        worst=tuple(worst),
    )  # fmt: skip


def _on_all_cores(
    work: Callable[[Batch], list[PairResult]], todo: Sequence[Batch], jobs: int
) -> Iterator[tuple[Batch, list[PairResult]]]:
    """Answers as they come; only a few batches are under way at once, so that nothing piles up."""
    waiting: dict[Future[list[PairResult]], Batch] = {}
    rest = iter(todo)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while True:
                while len(waiting) < jobs + 1 and (batch := next(rest, None)):
                    waiting[pool.submit(work, batch)] = batch
                if not waiting:
                    return
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    yield waiting.pop(future), future.result()
        finally:
            pool.shutdown(cancel_futures=True)
