"""A comparison's lines for people at a terminal and in CI logs: one line a finding, evidence only
when asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from buildfarm.domain.compare.advice import next_step
from buildfarm.domain.compare.report import Distribution, PairResult, Report, Unpaired
from buildfarm.domain.core.verdict import Finding, Verdict

_CUT = 60
_MOST_LISTED = 20


def describe(item: Finding) -> str:
    """One line: verdict, kind, where, what became of it, and the rule that decided.

    >>> describe(Finding(kind="file-mode", path="/usr/bin/a", subject="", verdict=Verdict.INCOMPATIBLE,
    ...                  rule="file-mode", old="0755", new="0644"))
    'INCOMPATIBLE file-mode /usr/bin/a: 0755 → 0644 [file-mode]'
    """
    where = " ".join(visible(word) for word in (item.path, item.subject) if word)
    change = f"{_short(item.old)} → {_short(item.new)}" if item.old or item.new else ""
    return f"{item.verdict} {item.kind} {': '.join(word for word in (where, change) if word)} [{item.rule}]"


def visible(text: str) -> str:
    r"""Text on one line, control characters (a hostile RPM's escape sequences) made visible.

    >>> visible("a\x1b[2J")
    'a\\x1b[2J'
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _short(text: str) -> str:
    shown = visible(text) or "(none)"
    return shown if len(shown) <= _CUT else f"{shown[:_CUT]}…"


def _evidence(item: Finding) -> Iterator[str]:
    """Both sides in full, and what to do."""
    for side, text in (("vendor", item.old), ("ours", item.new)):
        if text:
            for line in text.splitlines() or [text]:
                yield f"      {side}: {visible(line)}"
    for line in item.diff.splitlines():
        yield f"      | {visible(line)}"
    if step := next_step(item):
        yield f"      next: {step}"


def pair_lines(pair: PairResult, *, verbose: bool = False, alone: bool = False) -> Iterator[str]:
    """One pair, worst finding first.

    A pair that is compatible has nothing to say unless it is ``alone`` or all is asked for; what is
    EQUIVALENT or better is said only with ``verbose``.
    """
    if not (verbose or alone or _speaks(pair.verdict)):
        return
    yield f"{pair.verdict} {visible(pair.old) or '(none)'} ~ {visible(pair.new)}"
    for item in sorted(pair.findings, key=lambda item: -item.verdict.badness):
        if verbose or item.verdict.badness > Verdict.EQUIVALENT.badness:
            yield f"  {describe(item)}"
            if verbose:
                yield from _evidence(item)


def unpaired_lines(items: Iterable[Unpaired], *, verbose: bool = False) -> Iterator[str]:
    """Yield what stands alone, worst first."""
    for item in sorted(items, key=lambda item: -item.verdict.badness):
        if verbose or _speaks(item.verdict):
            yield f"{item.verdict} {item.kind} {visible(item.rpm)} [{visible(item.rule)}]"
            if verbose and (step := next_step(item.finding)):
                yield f"      next: {step}"


def _speaks(verdict: Verdict) -> bool:
    return not verdict.is_compatible


def lines(report: Report, *, verbose: bool = False) -> Iterator[str]:
    """The whole report, worst first, with its sums at the end."""
    yield from unpaired_lines((*report.missing, *report.extra), verbose=verbose)
    alone = len(report.pairs) == 1
    for pair in sorted(report.pairs, key=lambda pair: -pair.verdict.badness):
        yield from pair_lines(pair, verbose=verbose, alone=alone)
    yield from summary(report, verbose=verbose)


def summary(report: Report, *, verbose: bool = False) -> Iterator[str]:
    """The sums, what to do about each kind that is not acceptable, and waivers that no longer do
    anything.
    """
    if not verbose:
        for kind, step in sorted(_steps(report).items()):
            yield f"next ({kind}): {step}"
    for waiver in report.expired_waivers:
        yield f"waiver {waiver} has expired and lifts nothing any more: end the difference, or waive it anew"
    for waiver in report.unused_waivers:
        yield f"waiver {waiver} matches nothing any more: take it away"
    found = {name: count for name, count in report.counts().items() if count and name != "waived"}
    if len(report.pairs) + len(report.missing) + len(report.extra) > 1:
        yield "RPMs by verdict: " + ", ".join(f"{count} {name}" for name, count in found.items())
    waived = f", {report.waived_rpms} more only by a waiver" if report.waived_rpms else ""
    share = f"{report.compatible_rpms} of {report.vendor_rpms}"
    yield f"{report.verdict}: {share} of the vendor's RPMs have a compatible one{waived}"


def distribution_lines(found: Distribution, *, verbose: bool = False) -> Iterator[str]:
    """Sources and Provides of whole distributions; without ``verbose`` only the head of long lists."""
    yield f"sources: {found.old} of the vendor's, {found.new} of ours, {len(found.missing)} missing"
    most = None if verbose else _MOST_LISTED
    for name, verdict, rpms in found.worst[:most]:
        yield f"  {verdict} {visible(name)}: {rpms} RPMs"
    if rest := len(found.worst[len(found.worst[:most]) :]):
        yield f"  … {rest} more, none of them worse (--verbose lists all)"
    for source in found.missing[:most]:
        yield f"  missing source {visible(source)}"
    for name, rpm in found.missing_provides[:most]:
        yield f"  missing Provides {visible(name)} (of {visible(rpm)})"
    if rest := len(found.missing_provides[len(found.missing_provides[:most]) :]):
        yield f"  … {rest} more missing Provides (--verbose lists all)"


def _steps(report: Report) -> dict[str, str]:
    items = [item for pair in report.pairs for item in pair.findings]
    items += [item.finding for item in (*report.missing, *report.extra)]
    return {item.kind: step for item in items if (step := next_step(item))}
