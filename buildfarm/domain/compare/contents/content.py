"""Content that differs: what it means by what the file is."""

from __future__ import annotations

import re
from dataclasses import replace

from buildfarm.domain.compare.contents.elf import compare_elf
from buildfarm.domain.compare.contents.java import compare_class
from buildfarm.domain.compare.contents.kernel_module import compare_kernel_symbols
from buildfarm.domain.compare.contents.normalise import first_difference, text_diff
from buildfarm.domain.compare.facts.content_facts import NOTHING, BothSides, ContentFacts
from buildfarm.domain.compare.kinds import Kind, finding
from buildfarm.domain.compare.metadata.files import CONFIG, FilePair, is_documentation
from buildfarm.domain.core.verdict import Finding, Verdict

_EXECUTABLE = 0o111
_COMMAND = re.compile(r"^(?:/usr)?/(?:s?bin|libexec)/")


def compare_content(
    pair: FilePair,
    old: ContentFacts | None,
    new: ContentFacts | None,
    *,
    is_source: bool,
    both: BothSides = NOTHING,
) -> list[Finding]:
    """Findings of one pair of files whose digests differ or cannot be compared."""
    path = pair.new.path
    for side, facts in (("vendor's", old), ("ours", new)):
        if facts is None or facts.error:
            why = facts.error if facts is not None else "the reader gave no answer for it"
            subject = f"content of {side}"
            return [
                finding(
                    Kind.UNREADABLE,
                    Verdict.ERROR,
                    "content-unreadable",
                    path=path,
                    subject=subject,
                    new=why,
                )
            ]
    assert old is not None
    assert new is not None
    if old.sha256 == new.sha256:
        return []
    if old.normal == new.normal:
        rule = "+".join(dict.fromkeys((*old.normalisers, *new.normalisers))) or "same-content"
        return [
            finding(
                Kind.CONTENT_NORMALISED, Verdict.EQUIVALENT, rule, path=path, subject="content",
                old=_told(old), new=_told(new),
            )
        ]  # fmt: skip
    return compare_compiled(path, old, new, both) or [_plain(pair, old, new, is_source=is_source)]


def compare_compiled(
    path: str, old: ContentFacts, new: ContentFacts, both: BothSides = NOTHING
) -> list[Finding]:
    """Findings of two files of the same compiled sort by their interface; empty where they are of
    none.
    """
    if old.elf is not None and new.elf is not None:
        return compare_elf(path, old.elf, new.elf, both)
    if len(old.classes) == len(new.classes) == 1:
        return compare_class(path, old.classes[0], new.classes[0])
    if old.symvers and new.symvers:
        return compare_kernel_symbols(path, old.symvers, new.symvers)
    return []


def _plain(pair: FilePair, old: ContentFacts, new: ContentFacts, *, is_source: bool) -> Finding:
    entry = pair.old
    if is_source:
        kind, verdict = Kind.CONTENT_SOURCE, Verdict.REVIEW
    elif is_documentation(entry) and is_documentation(pair.new):
        kind, verdict = Kind.CONTENT_DOC, Verdict.COMPATIBLE
    elif (entry.mode | pair.new.mode) & _EXECUTABLE or _COMMAND.match(entry.path):
        kind, verdict = Kind.CONTENT_SCRIPT, Verdict.INCOMPATIBLE
    elif entry.flags & CONFIG:
        kind, verdict = Kind.CONTENT_CONFIG, Verdict.REVIEW
    else:
        kind, verdict = Kind.CONTENT_DATA, Verdict.REVIEW
    before, after = (
        first_difference(old.text, new.text) if old.text and new.text else (_told(old), _told(new))
    )
    nature = old.nature if old.nature == new.nature else f"{old.nature} → {new.nature}"
    diff = text_diff(old.text, new.text) if old.text and new.text else ""
    return replace(
        finding(
            kind, verdict, kind.value, path=pair.new.path, subject=nature, old=before, new=after
        ),
        diff=diff,
    )


def _told(facts: ContentFacts) -> str:
    return f"{facts.size} bytes, sha256 {facts.sha256[:16]}"
