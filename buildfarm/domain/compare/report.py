"""What a comparison answers, its JSON form (schema 1) and its lines for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from buildfarm.domain.compare.kinds import Kind, finding
from buildfarm.domain.verdict import Finding, Verdict
from buildfarm.errors import InputError

SCHEMA = 1
EXIT_COMPATIBLE, EXIT_DIFFERENT, EXIT_ERROR = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PairResult:
    """One vendor RPM against ours. ``old`` is empty where there is nothing to compare with (UNCOMPARED)."""

    old: str
    new: str
    name: str
    source: str
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    old_sha256: str = ""
    new_sha256: str = ""

    def with_findings(self, findings: tuple[Finding, ...], verdict: Verdict) -> PairResult:
        """The same pair, judged anew."""
        return replace(self, findings=findings, verdict=verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpaired:
    """An RPM that stands alone; ``verdict`` is MISSING or EXTRA unless something foresaw or waived it.

    ``kind`` is ``rpm-missing`` or ``rpm-extra`` and stays so.
    """

    kind: str
    rpm: str
    name: str
    source: str
    verdict: Verdict
    rule: str
    sha256: str = ""

    @property
    def finding(self) -> Finding:
        """The same as a finding, for rules and waivers; its path is empty, its subject the RPM's name."""
        kind = Kind(self.kind)
        old, new = (self.rpm, "") if kind is Kind.RPM_MISSING else ("", self.rpm)
        return finding(kind, self.verdict, self.rule, subject=self.name, old=old, new=new)

    def with_finding(self, item: Finding) -> Unpaired:
        """The same RPM, judged anew."""
        return replace(self, verdict=item.verdict, rule=item.rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole comparison, worst verdict on top."""

    verdict: Verdict
    pairs: tuple[PairResult, ...] = ()
    missing: tuple[Unpaired, ...] = ()
    extra: tuple[Unpaired, ...] = ()
    expired_waivers: tuple[str, ...] = ()
    unused_waivers: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """RPMs by verdict, every verdict named; what a waiver lifted is in ``waived`` as well."""
        counted = Counter(verdict.value for verdict in self._verdicts())
        return {verdict.value: counted[verdict.value] for verdict in Verdict} | {"waived": self._waived()}

    def _verdicts(self) -> list[Verdict]:
        """Of every pair, then of what is missing, then of what is extra."""
        return [pair.verdict for pair in self.pairs] + [item.verdict for item in (*self.missing, *self.extra)]

    def _waived(self) -> int:
        pairs = sum(any(item.rule.startswith("waiver:") for item in pair.findings) for pair in self.pairs)
        return pairs + sum(item.rule.startswith("waiver:") for item in (*self.missing, *self.extra))

    @property
    def vendor_rpms(self) -> int:
        """How many RPMs the vendor has: what 100 % is counted over. UNCOMPARED ones are ours without a counterpart."""
        return len(self.pairs) + len(self.missing)

    @property
    def compatible_rpms(self) -> int:
        """How many of them ours can stand in for."""
        return sum(verdict.is_compatible for verdict in self._verdicts()[: self.vendor_rpms])

    @property
    def exit_code(self) -> int:
        """What ``buildfarm compare`` exits with."""
        return exit_code(self.verdict)


def exit_code(verdict: Verdict) -> int:
    """0 up to COMPATIBLE and for UNCOMPARED, 1 from REVIEW to MISSING, 2 for ERROR.

    >>> exit_code(Verdict.EXPECTED), exit_code(Verdict.MISSING), exit_code(Verdict.ERROR), exit_code(Verdict.UNCOMPARED)
    (0, 1, 2, 0)
    """
    if verdict is Verdict.ERROR:
        return EXIT_ERROR
    return EXIT_COMPATIBLE if verdict.is_compatible or verdict is Verdict.UNCOMPARED else EXIT_DIFFERENT


def to_json(report: Report) -> dict[str, Any]:
    """The published JSON form, plain dicts and lists."""
    return {
        "schema": SCHEMA,
        "verdict": report.verdict.value,
        "counts": report.counts(),
        "vendor_rpms": report.vendor_rpms,
        "compatible_rpms": report.compatible_rpms,
        "pairs": [asdict(pair) for pair in report.pairs],
        "missing": [asdict(item) for item in report.missing],
        "extra": [asdict(item) for item in report.extra],
        "waivers": {"expired": list(report.expired_waivers), "unused": list(report.unused_waivers)},
    }


def from_json(form: Mapping[str, Any]) -> Report:
    """The report a JSON form was made of; counts are made anew.

    :raises InputError: another schema, or not that form at all.
    """
    if form.get("schema") != SCHEMA:
        raise InputError(f"comparison report: schema {form.get('schema')!r} is not {SCHEMA}", hint="compare again")
    try:
        return Report(
            verdict=Verdict(form["verdict"]),
            pairs=tuple(
                PairResult(
                    **{
                        **pair,
                        "verdict": Verdict(pair["verdict"]),
                        "findings": tuple(
                            Finding(**{**item, "verdict": Verdict(item["verdict"])}) for item in pair["findings"]
                        ),
                    }
                )
                for pair in form["pairs"]
            ),
            missing=tuple(Unpaired(**{**item, "verdict": Verdict(item["verdict"])}) for item in form["missing"]),
            extra=tuple(Unpaired(**{**item, "verdict": Verdict(item["verdict"])}) for item in form["extra"]),
            expired_waivers=tuple(form["waivers"]["expired"]),
            unused_waivers=tuple(form["waivers"]["unused"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"comparison report: {error!r}", hint="compare again") from error


def describe(item: Finding) -> str:
    """One line for people.

    >>> describe(Finding(kind="file-mode", path="/usr/bin/a", subject="", verdict=Verdict.INCOMPATIBLE,
    ...                  rule="file-mode", old="0755", new="0644"))
    'INCOMPATIBLE file-mode /usr/bin/a: 0755 → 0644 [file-mode]'
    """
    where = " ".join(word for word in (item.path, item.subject) if word)
    change = f"{_line(item.old)} → {_line(item.new)}" if item.old or item.new else ""
    return f"{item.verdict} {item.kind} {': '.join(word for word in (where, change) if word)} [{item.rule}]"


def _line(text: str) -> str:
    """Evidence on one line, control characters (a hostile RPM's escape sequences) made visible."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text) or "(none)"


def lines(report: Report, *, verbose: bool = False) -> Iterator[str]:
    """The report for a terminal, worst first; without ``verbose`` only what is worse than EQUIVALENT is listed."""
    for item in sorted((*report.missing, *report.extra), key=lambda item: -item.verdict.badness):
        yield f"{item.verdict} {_line(item.rpm)} [{item.rule}]"
    for pair in sorted(report.pairs, key=lambda pair: -pair.verdict.badness):
        yield f"{pair.verdict} {_line(pair.old)} ~ {_line(pair.new)}"
        for found in sorted(pair.findings, key=lambda found: -found.verdict.badness):
            if verbose or found.verdict.badness > Verdict.EQUIVALENT.badness:
                yield f"  {describe(found)}"
    share = f"{report.compatible_rpms} of {report.vendor_rpms}"
    yield f"{report.verdict}: {share} of the vendor's RPMs have a compatible one"
