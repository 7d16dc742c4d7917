"""What a comparison answers and its JSON form (schema 1, ``report.schema.json`` beside this file)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from buildfarm.domain.compare.advice import next_step
from buildfarm.domain.compare.expect import WAIVER
from buildfarm.domain.compare.kinds import Kind, finding
from buildfarm.domain.core.verdict import Finding, Verdict
from buildfarm.errors import InputError

SCHEMA = 1
SCHEMA_FILE = Path(__file__).with_name("report.schema.json")
EXIT_COMPATIBLE, EXIT_DIFFERENT, EXIT_ERROR = 0, 1, 3
"""2 is a wrong call of the command, as everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairResult:
    """One vendor RPM against ours.

    ``old`` is empty where there is nothing to compare with (UNCOMPARED).
    """

    old: str
    new: str
    name: str
    source: str
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    old_sha256: str = ""
    new_sha256: str = ""

    @property
    def is_waived(self) -> bool:
        """Return whether a waiver lifted something of it."""
        return any(item.rule.startswith(WAIVER) for item in self.findings)

    def with_findings(self, findings: tuple[Finding, ...], verdict: Verdict) -> PairResult:
        """The same pair, judged anew."""
        return replace(self, findings=findings, verdict=verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpaired:
    """An RPM that stands alone; ``verdict`` is MISSING or EXTRA unless something foresaw or waived
    it.

    ``kind`` is ``rpm-missing`` or ``rpm-extra`` and stays so.
    """

    kind: str
    rpm: str
    name: str
    source: str
    verdict: Verdict
    rule: str
    sha256: str = ""
    was: str = ""

    @property
    def is_waived(self) -> bool:
        """Return whether a waiver lifted it."""
        return self.rule.startswith(WAIVER)

    @property
    def finding(self) -> Finding:
        """The same as a finding, for rules and waivers; its path is empty, its subject the RPM's
        name.
        """
        kind = Kind(self.kind)
        old, new = (self.rpm, "") if kind is Kind.RPM_MISSING else ("", self.rpm)
        return replace(
            finding(kind, self.verdict, self.rule, subject=self.name, old=old, new=new),
            was=self.was,
        )

    def with_finding(self, item: Finding) -> Unpaired:
        """The same RPM, judged anew."""
        return replace(self, verdict=item.verdict, rule=item.rule, was=item.was)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """What only a whole distribution shows: sources by the vendor's binaries and by ours.

    ``missing`` are the vendor's sources of which we have no binary; ``missing_provides`` what one
    of the vendor's RPMs (named) provides and none of ours does, by name; ``worst`` every source
    that is not compatible with the number of its RPMs that are not, worst first.
    """

    old: int
    new: int
    missing: tuple[str, ...] = ()
    missing_provides: tuple[tuple[str, str], ...] = ()
    worst: tuple[tuple[str, Verdict, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The part ``sources`` of the published form."""
        return {
            "old": self.old,
            "new": self.new,
            "missing": list(self.missing),
            "missing_provides": [
                {"provides": name, "rpm": rpm} for name, rpm in self.missing_provides
            ],
            "worst": [
                {"source": name, "verdict": verdict.value, "rpms": rpms}
                for name, verdict, rpms in self.worst
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole comparison, worst verdict on top; ``sources`` only where whole distributions were
    compared.
    """

    verdict: Verdict
    pairs: tuple[PairResult, ...] = ()
    missing: tuple[Unpaired, ...] = ()
    extra: tuple[Unpaired, ...] = ()
    expired_waivers: tuple[str, ...] = ()
    unused_waivers: tuple[str, ...] = ()
    sources: Distribution | None = None

    def counts(self) -> dict[str, int]:
        """RPMs by verdict, every verdict named; what a waiver lifted is in ``waived`` as well."""
        counted = Counter(verdict.value for verdict in self._verdicts())
        return {verdict.value: counted[verdict.value] for verdict in Verdict} | {
            "waived": self.waived_rpms
        }

    def _verdicts(self) -> list[Verdict]:
        """Of every pair, then of what is missing, then of what is extra."""
        return [pair.verdict for pair in self.pairs] + [
            item.verdict for item in (*self.missing, *self.extra)
        ]

    @property
    def vendor_rpms(self) -> int:
        """Return how many RPMs the vendor has: what 100 % is counted over.

        UNCOMPARED ones are ours without a counterpart.
        """
        return len(self.pairs) + len(self.missing)

    @property
    def compatible_rpms(self) -> int:
        """Return how many of them ours can stand in for by itself: what a waiver lifted is not
        among them.
        """
        return sum(_good(item) and not item.is_waived for item in self.pairs) + sum(
            _good(item) and not item.is_waived for item in self.missing
        )

    @property
    def waived_rpms(self) -> int:
        """Return how many of all RPMs are acceptable only because somebody waived something."""
        return sum(_good(item) and item.is_waived for item in self.pairs) + sum(
            _good(item) and item.is_waived for item in (*self.missing, *self.extra)
        )

    @property
    def exit_code(self) -> int:
        """Return what ``buildfarm compare`` exits with."""
        return exit_code(self.verdict)


def _good(item: PairResult | Unpaired) -> bool:
    return item.verdict.is_compatible


def exit_code(verdict: Verdict) -> int:
    """0 up to COMPATIBLE and for UNCOMPARED, 1 from REVIEW to MISSING, 3 for ERROR.

    >>> exit_code(Verdict.EXPECTED), exit_code(Verdict.MISSING), exit_code(Verdict.ERROR), exit_code(Verdict.UNCOMPARED)
    (0, 1, 3, 0)
    """
    if verdict is Verdict.ERROR:
        return EXIT_ERROR
    return (
        EXIT_COMPATIBLE
        if verdict.is_compatible or verdict is Verdict.UNCOMPARED
        else EXIT_DIFFERENT
    )


def to_json(report: Report) -> dict[str, Any]:
    """The published JSON form, plain dicts and lists."""
    sources = {"sources": report.sources.to_json()} if report.sources else {}
    return {
        "schema": SCHEMA,
        "verdict": report.verdict.value,
        "counts": report.counts(),
        "vendor_rpms": report.vendor_rpms,
        "compatible_rpms": report.compatible_rpms,
        "waived_rpms": report.waived_rpms,
        "pairs": [pair_to_json(pair) for pair in report.pairs],
        "missing": [_unpaired_to_json(item) for item in report.missing],
        "extra": [_unpaired_to_json(item) for item in report.extra],
        "waivers": {"expired": list(report.expired_waivers), "unused": list(report.unused_waivers)},
        **sources,
    }


def pair_to_json(pair: PairResult) -> dict[str, Any]:
    """One pair of the form; a finding that is not acceptable carries its ``next_step``."""
    findings = [_with_next_step(asdict(item), item) for item in pair.findings]
    return {
        **{field.name: getattr(pair, field.name) for field in fields(pair)},
        "findings": findings,
    }


def _unpaired_to_json(item: Unpaired) -> dict[str, Any]:
    return _with_next_step(asdict(item), item.finding)


def _with_next_step(form: dict[str, Any], item: Finding) -> dict[str, Any]:
    for name in ("was", "diff"):
        if not form.get(name, True):
            del form[name]
    if step := next_step(item):
        form["next_step"] = step
    return form


def pair_from_json(form: Mapping[str, Any]) -> PairResult:
    """The pair again. :raises KeyError, TypeError, ValueError: it is not that form."""
    findings = tuple(Finding(**_judged(item)) for item in form["findings"])
    return PairResult(**{**_judged(form), "findings": findings})


def _unpaired_from_json(form: Mapping[str, Any]) -> Unpaired:
    return Unpaired(**_judged(form))


def _judged(form: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with the verdict's own type, and without the advice, which follows from them."""
    return {
        **{name: form[name] for name in form if name != "next_step"},
        "verdict": Verdict(form["verdict"]),
    }


def from_json(form: Mapping[str, Any]) -> Report:
    """The report a JSON form was made of; counts are made anew.

    :raises InputError: another schema, or not that form at all.
    """
    if form.get("schema") != SCHEMA:
        raise InputError(
            f"comparison report: schema {form.get('schema')!r} is not {SCHEMA}",
            hint="compare again",
        )
    try:
        return Report(
            verdict=Verdict(form["verdict"]),
            pairs=tuple(pair_from_json(pair) for pair in form["pairs"]),
            missing=tuple(_unpaired_from_json(item) for item in form["missing"]),
            extra=tuple(_unpaired_from_json(item) for item in form["extra"]),
            expired_waivers=tuple(form["waivers"]["expired"]),
            unused_waivers=tuple(form["waivers"]["unused"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"comparison report: {error!r}", hint="compare again") from error
