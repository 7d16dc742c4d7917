"""Archives whose content differs: each member by the checks of a file of its sort, and by its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from buildfarm.domain.compare.contents.elf import compare_elf
from buildfarm.domain.compare.contents.java import compare_classes
from buildfarm.domain.compare.contents.normalise import first_difference, text_diff
from buildfarm.domain.compare.facts.content_facts import MemberFacts
from buildfarm.domain.compare.kinds import Kind, finding
from buildfarm.domain.core.verdict import Finding, Verdict

_SHOWN = 40


def compare_members(
    path: str, old: Sequence[MemberFacts], new: Sequence[MemberFacts]
) -> list[Finding]:
    """Findings of two archives with different content.

    Classes are compared as what a program links with, libraries as at the top; any other member
    that was added, removed or changed is for review. Where all members are equal, what lies between
    them is not.
    """
    several = _several(old) | _several(new) | _moved(old, new)
    before, after = (
        {item.name: item for item in side if _class_name(item) in several | {""}}
        for side in (old, new)
    )
    findings = compare_classes(
        path,
        [item for member in old for item in member.classes if item.name not in several],
        [item for member in new for item in member.classes if item.name not in several],
    )
    for name in sorted(before.keys() | after.keys()):
        one, two = before.get(name), after.get(name)
        if one is None or two is None:
            findings.append(_one_sided(path, one, two))
        elif one.digest != two.digest:
            findings += _changed(path, one, two)
    findings += _attributes(path, old, new)
    if not findings:
        subject = "members are equal; what is between them, or their order or attributes, is not"
        return [
            finding(Kind.CONTENT_DATA, Verdict.REVIEW, "archive-frame", path=path, subject=subject)
        ]
    if len(findings) > _SHOWN:
        findings.sort(key=lambda item: -item.verdict.badness)
        more = f"{len(findings) - _SHOWN} more differences of members"
        worst = findings[_SHOWN].verdict
        rest = finding(Kind.CONTENT_DATA, worst, "archive-more", path=path, subject=more)
        findings = [*findings[:_SHOWN], rest]
    return findings


def _class_name(member: MemberFacts) -> str:
    return member.classes[0].name if member.classes else ""


def _several(members: Sequence[MemberFacts]) -> set[str]:
    """Return the classes that several members define: in a multi-release jar the JVM's version
    decides, so each member is compared by itself.
    """
    counted = Counter(_class_name(member) for member in members if member.classes)
    return {name for name, count in counted.items() if count > 1}


def _moved(old: Sequence[MemberFacts], new: Sequence[MemberFacts]) -> set[str]:
    """Return the classes that both sides have under another member's name: the JVM looks for a class
    by that.
    """
    before, after = (
        {_class_name(member): member.name for member in side if member.classes}
        for side in (old, new)
    )
    return {name for name in before.keys() & after.keys() if before[name] != after[name]}


def _attributes(path: str, old: Sequence[MemberFacts], new: Sequence[MemberFacts]) -> list[Finding]:
    """Findings of members with other modes, owners, link targets or extended attributes."""
    before, after = ({member.name: member.attributes for member in side} for side in (old, new))
    return [
        finding(
            Kind.CONTENT_DATA, Verdict.REVIEW, "member-attributes", path=path, subject=name,
            old=before[name], new=after[name],
        )
        for name in sorted(before.keys() & after.keys())
        if before[name] != after[name]
    ]  # fmt: skip


def _one_sided(path: str, old: MemberFacts | None, new: MemberFacts | None) -> Finding:
    member = old or new
    assert member is not None
    if old is not None and old.elf is not None and old.elf.exports:
        subject = f"{old.name}: all {len(old.elf.exports)} exports"
        return finding(
            Kind.EXPORT_REMOVED, Verdict.INCOMPATIBLE, "member-removed", path=path, subject=subject
        )
    rule = "member-removed" if old is not None else "member-added"
    told = {"old" if old is not None else "new": f"{member.nature}, {member.digest[:16]}"}
    return finding(Kind.CONTENT_DATA, Verdict.REVIEW, rule, path=path, subject=member.name, **told)


def _changed(path: str, old: MemberFacts, new: MemberFacts) -> list[Finding]:
    if old.elf is not None and new.elf is not None:
        found = compare_elf(path, old.elf, new.elf)
        return [replace(item, subject=f"{new.name}: {item.subject}") for item in found]
    texts = old.text and new.text and old.text != new.text
    before, after = (
        first_difference(old.text, new.text) if texts else (old.digest[:16], new.digest[:16])
    )
    item = finding(
        Kind.CONTENT_DATA, Verdict.REVIEW, "member-differs", path=path, subject=new.name, old=before, new=after
    )  # fmt: skip
    return [replace(item, diff=text_diff(old.text, new.text)) if texts else item]
