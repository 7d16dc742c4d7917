"""Content that differs: what it means by what the file is."""

from __future__ import annotations

import re
from dataclasses import replace

from buildfarm.domain.compare.contents.archive_members import compare_members
from buildfarm.domain.compare.contents.elf import compare_elf
from buildfarm.domain.compare.contents.java import compare_class
from buildfarm.domain.compare.contents.kernel_module import compare_kernel_symbols
from buildfarm.domain.compare.contents.normalise import first_difference, merged_usr, text_diff
from buildfarm.domain.compare.contents.pe import compare_pe
from buildfarm.domain.compare.contents.shell import is_shell, without_comments
from buildfarm.domain.compare.facts.content_facts import NOTHING, BothSides, ContentFacts
from buildfarm.domain.compare.facts.elf_facts import ElfFacts
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
    compiled = compare_compiled(path, old, new, both)
    if compiled or is_source or not (old.members and new.members) or _is_for_people(pair):
        return compiled or [_plain(pair, old, new, is_source=is_source)]
    return compare_members(path, old.members, new.members)


def _is_for_people(pair: FilePair) -> bool:
    """Return whether both sides are documentation that nobody can run."""
    executable = (pair.old.mode | pair.new.mode) & _EXECUTABLE
    return not executable and is_documentation(pair.old) and is_documentation(pair.new)


def compare_compiled(
    path: str, old: ContentFacts, new: ContentFacts, both: BothSides = NOTHING
) -> list[Finding]:
    """Findings of two files of the same compiled sort by their interface; empty where they are of
    none.
    """
    if old.elf is not None and new.elf is not None:
        return compare_elf(path, old.elf, new.elf, both)
    if old.elf is not None:
        return [_no_longer_compiled(path, old.elf, new)]
    if old.pe is not None and new.pe is not None:
        return compare_pe(path, old.pe, new.pe)
    if len(old.classes) == len(new.classes) == 1:
        return compare_class(path, old.classes[0], new.classes[0])
    if old.symvers and new.symvers:
        return compare_kernel_symbols(path, old.symvers, new.symvers)
    return []


def _no_longer_compiled(path: str, old: ElfFacts, new: ContentFacts) -> Finding:
    """The finding of a program, library or archive with something else in its place."""
    kind = Kind.EXPORT_REMOVED if old.exports else Kind.ELF_HEADER
    subject = f"all {len(old.exports)} exports" if old.exports else "the ELF file"
    return finding(
        kind, Verdict.INCOMPATIBLE, "elf-replaced", path=path, subject=subject,
        old="archive" if old.archive else "ELF", new=_told(new),
    )  # fmt: skip


def _plain(pair: FilePair, old: ContentFacts, new: ContentFacts, *, is_source: bool) -> Finding:
    entry = pair.old
    if is_source:
        kind, verdict = Kind.CONTENT_SOURCE, Verdict.REVIEW
    elif _is_for_people(pair) and not new.interpreter:
        scripts = set(new.active) - set(old.active)
        kind = Kind.CONTENT_DOC
        verdict = Verdict.REVIEW if scripts else Verdict.COMPATIBLE
    elif (entry.mode | pair.new.mode) & _EXECUTABLE or _COMMAND.match(entry.path):
        kind, verdict = Kind.CONTENT_SCRIPT, Verdict.INCOMPATIBLE
    elif entry.flags & CONFIG:
        kind, verdict = Kind.CONTENT_CONFIG, Verdict.REVIEW
    else:
        kind, verdict = Kind.CONTENT_DATA, Verdict.REVIEW
    texts = old.text and new.text and old.text != new.text
    rule = kind.value
    if texts and not is_source and (same := _same_commands(pair, old, new)):
        verdict, rule = same
    before, after = first_difference(old.text, new.text) if texts else (_told(old), _told(new))
    nature = old.nature if old.nature == new.nature else f"{old.nature} → {new.nature}"
    diff = text_diff(old.text, new.text) if texts else ""
    return replace(
        finding(kind, verdict, rule, path=pair.new.path, subject=nature, old=before, new=after),
        diff=diff,
    )


def _same_commands(
    pair: FilePair, old: ContentFacts, new: ContentFacts
) -> tuple[Verdict, str] | None:
    """Return verdict and rule of two texts that a program reads alike; ``None`` for all others."""
    head, _, body = old.text.partition("\n")
    other, _, rest = new.text.partition("\n")
    if body == rest and old.interpreter and new.interpreter:
        paths = [merged_usr(side.interpreter) for side in (old, new)]
        marks = head.startswith("#!") and other.startswith("#!")
        return (Verdict.EQUIVALENT, "merged-usr") if marks and paths[0] == paths[1] else None
    library = all(side.path.endswith(".la") for side in (pair.old, pair.new))
    if not library and not (is_shell(old.interpreter) and is_shell(new.interpreter)):
        return None
    runs = without_comments(old.text)
    if runs is None or runs != without_comments(new.text):
        return None
    return Verdict.COMPATIBLE, "comment"


def _told(facts: ContentFacts) -> str:
    return f"{facts.size} bytes, sha256 {facts.sha256[:16]}"
