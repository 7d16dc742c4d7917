"""One pair of RPMs: first what the headers say, then what the content of the differing files says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from buildfarm.domain.compare.contents.content import compare_content
from buildfarm.domain.compare.contents.normalise import NO_MASK, Mask, own_masks
from buildfarm.domain.compare.facts.content_facts import (
    NOTHING,
    BothSides,
    ContentFacts,
    ContentRequest,
)
from buildfarm.domain.compare.facts.facts import RpmFacts
from buildfarm.domain.compare.kinds import Kind, finding
from buildfarm.domain.compare.metadata.changelog import compare_changelogs
from buildfarm.domain.compare.metadata.dependencies import compare_dependencies
from buildfarm.domain.compare.metadata.files import FilePair, compare_files
from buildfarm.domain.compare.metadata.header import Side, compare_headers, source_name
from buildfarm.domain.compare.metadata.scripts import compare_scriptlets, compare_triggers
from buildfarm.domain.compare.policy import ComparePolicy
from buildfarm.domain.core.verdict import Finding, Verdict

_NEVER_CAPPED = frozenset({Kind.DAMAGED, Kind.UNREADABLE, Kind.IDENTITY, Kind.RELEASE, Kind.BRAND})
_SHORT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderComparison:
    """What the headers of one pair say, and which files have to be opened before a verdict."""

    old: RpmFacts
    new: RpmFacts
    old_mask: Mask = NO_MASK
    new_mask: Mask = NO_MASK
    findings: tuple[Finding, ...] = ()
    differing: tuple[FilePair, ...] = ()

    @property
    def source(self) -> str:
        """The source's name, ours."""
        return source_name(self.new) or source_name(self.old)

    def requests(self) -> tuple[ContentRequest, ...]:
        """Return what to read of each side; empty when nothing differs."""
        if not self.differing:
            return ()
        return (
            ContentRequest(
                file=self.old.file,
                paths=tuple(pair.old.path for pair in self.differing),
                masks=self.old_mask.words,
            ),
            ContentRequest(
                file=self.new.file,
                paths=tuple(pair.new.path for pair in self.differing),
                masks=self.new_mask.words,
            ),
        )


def compare_rpm_headers(
    old: RpmFacts,
    new: RpmFacts,
    policy: ComparePolicy,
    *,
    old_set: Sequence[RpmFacts],
    new_set: Sequence[RpmFacts],
) -> HeaderComparison:
    """Compare everything the headers hold; ``*_set`` are the RPMs of the same source on each side."""
    damaged = [
        damage(side, facts) for side, facts in (("vendor's", old), ("ours", new)) if facts.error
    ]
    if damaged:
        return HeaderComparison(old=old, new=new, findings=tuple(damaged))
    if old.sha256 == new.sha256:
        return HeaderComparison(old=old, new=new)
    if (old.header_digest, old.payload_digest) == (new.header_digest, new.payload_digest):
        return HeaderComparison(
            old=old, new=new, findings=(*_brand_only(old, new, policy), _signature(old, new))
        )
    return _compare(old, new, policy, own_masks(old, new, old_set=old_set, new_set=new_set))


def damage(side: str, facts: RpmFacts) -> Finding:
    """The ERROR of a file that cannot be trusted; what is wrong stands on its side of the evidence."""
    evidence = {"new" if side == "ours" else "old": facts.error}
    return finding(
        Kind.DAMAGED, Verdict.ERROR, "integrity", subject=f"{side}: {facts.basename}", **evidence
    )


def _compare(
    old: RpmFacts, new: RpmFacts, policy: ComparePolicy, masks: tuple[Mask, Mask]
) -> HeaderComparison:
    old_mask, new_mask = masks
    debranded = source_name(new) in policy.debranded
    files = compare_files(
        old.files,
        new.files,
        old_mask=old_mask,
        new_mask=new_mask,
        digests_comparable=old.digest_algorithm == new.digest_algorithm,
        is_source=old.is_source and new.is_source,
    )
    findings = [
        *compare_headers(
            Side(facts=old, mask=old_mask),
            Side(facts=new, mask=new_mask),
            policy=policy,
            debranded=debranded,
        ),
        *compare_dependencies(
            old.dependencies,
            new.dependencies,
            old_mask=old_mask,
            new_mask=new_mask,
            without_suffix=policy.without_suffix,
            renames=policy.renames,
        ),
        *compare_scriptlets(old.scriptlets, new.scriptlets, old_mask=old_mask, new_mask=new_mask),
        *compare_triggers(old.triggers, new.triggers, old_mask=old_mask, new_mask=new_mask),
        *compare_changelogs(old.changelog, new.changelog, debranded=debranded),
        *files.findings,
    ]
    if old.signature != new.signature:
        findings.append(_signature(old, new))
    differing = files.differing
    if old.is_debug and new.is_debug and differing:
        findings.append(_debug_content(differing))
        differing = ()
    if not findings and not differing:
        findings.append(_signature(old, new))
    return HeaderComparison(
        old=old,
        new=new,
        old_mask=old_mask,
        new_mask=new_mask,
        findings=tuple(findings),
        differing=differing,
    )


def _brand_only(old: RpmFacts, new: RpmFacts, policy: ComparePolicy) -> list[Finding]:
    """The brand is judged even where ours is the vendor's file under another signature."""
    sides = Side(facts=old, mask=NO_MASK), Side(facts=new, mask=NO_MASK)
    return compare_headers(*sides, policy=policy, debranded=False)


def _signature(old: RpmFacts, new: RpmFacts) -> Finding:
    return finding(
        Kind.SIGNATURE,
        Verdict.EQUIVALENT,
        "signature-ignored",
        subject="signature header",
        old=old.signature[:_SHORT],
        new=new.signature[:_SHORT],
    )


def _debug_content(differing: Sequence[FilePair]) -> Finding:
    return finding(
        Kind.CONTENT_DEBUG,
        Verdict.COMPATIBLE,
        "debug-rpm",
        path=differing[0].new.path,
        subject=f"{len(differing)} files of debugging data differ",
    )


def conclude(
    comparison: HeaderComparison, old: Mapping[str, ContentFacts], new: Mapping[str, ContentFacts],
    both: Mapping[str, BothSides],
) -> list[Finding]:  # fmt: skip
    """All findings of the pair, with what the differing files' content said (by path of each side;
    ``both``: of ours).
    """
    is_source = comparison.old.is_source and comparison.new.is_source
    findings = list(comparison.findings)
    for pair in comparison.differing:
        findings += compare_content(
            pair, old.get(pair.old.path), new.get(pair.new.path), is_source=is_source,
            both=both.get(pair.new.path, NOTHING),
        )  # fmt: skip
    if not findings and comparison.old.sha256 != comparison.new.sha256:
        findings.append(_signature(comparison.old, comparison.new))
    if comparison.old.is_debug and comparison.new.is_debug:
        return [_capped(item) for item in findings]
    return findings


def _capped(item: Finding) -> Finding:
    """Debugging data has no interface: at worst COMPATIBLE, but damage and another identity stay
    what they are.
    """
    if item.kind in _NEVER_CAPPED or item.verdict.badness <= Verdict.COMPATIBLE.badness:
        return item
    return replace(item, verdict=Verdict.COMPATIBLE, rule=f"debug-rpm ({item.rule})")
