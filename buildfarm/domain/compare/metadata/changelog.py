"""The changelog rule: the vendor's list is a suffix of ours."""

from __future__ import annotations

from collections.abc import Sequence

from buildfarm.domain.compare.facts.facts import ChangelogEntry
from buildfarm.domain.compare.kinds import Kind, finding
from buildfarm.domain.core.verdict import Finding, Verdict


def compare_changelogs(
    old: Sequence[ChangelogEntry], new: Sequence[ChangelogEntry], *, debranded: bool
) -> list[Finding]:
    """Extra entries on top are EXPECTED of a debranded source, COMPATIBLE otherwise; a rewritten
    history is REVIEW.

    rpmbuild cuts old entries off by ``%_changelog_trimage``; a list that only ends earlier is
    COMPATIBLE.
    """
    if list(old) == list(new):
        return []
    extra = _extra_on_top(old, new)
    if extra is None:
        return [
            finding(
                Kind.CHANGELOG,
                Verdict.REVIEW,
                "changelog-rewritten",
                subject="entries",
                old=_top(old),
                new=_top(new),
            )
        ]
    findings = []
    if extra:
        verdict = Verdict.EXPECTED if debranded else Verdict.COMPATIBLE
        findings.append(
            finding(
                Kind.CHANGELOG,
                verdict,
                "changelog-suffix",
                subject=f"{extra} more on top",
                old=_top(old),
                new=_top(new),
            )
        )
    if len(old) != len(new) - extra:
        findings.append(
            finding(
                Kind.CHANGELOG,
                Verdict.COMPATIBLE,
                "changelog-trimmed",
                subject="oldest entries",
                old=f"{len(old)} entries",
                new=f"{len(new)} entries",
            )
        )
    return findings


def _extra_on_top(old: Sequence[ChangelogEntry], new: Sequence[ChangelogEntry]) -> int | None:
    """Return how many entries ours has above the vendor's; ``None`` when the rest is another
    history.
    """
    if not old:
        return len(new)
    for extra in range(len(new)):
        if new[extra] == old[0]:
            same = all(one == two for one, two in zip(old, new[extra:], strict=False))
            return extra if same else None
    return None


def _top(entries: Sequence[ChangelogEntry]) -> str:
    return f"{entries[0].name}: {entries[0].text}" if entries else "(empty)"
