"""Static archives: what a program links from them, and each member by the checks of an object file."""

from __future__ import annotations

from collections.abc import Callable

from buildfarm.domain.compare.contents.elf_symbols import compare_symbols
from buildfarm.domain.compare.contents.notes import Notes
from buildfarm.domain.compare.facts.elf_facts import ElfFacts
from buildfarm.domain.compare.kinds import Kind
from buildfarm.domain.core.verdict import Verdict


def compare_archive(
    old: ElfFacts,
    new: ElfFacts,
    notes: Notes,
    compare_object: Callable[[ElfFacts, ElfFacts, Notes], None],
) -> None:
    """Compare two archives: the union of their symbols is the interface, whichever member holds
    one.
    """
    compare_symbols(old, new, notes)
    if old.indexed and not new.indexed:
        notes.add(
            Kind.ARCHIVE_MEMBER,
            Verdict.INCOMPATIBLE,
            "archive-index-lost",
            "symbol index",
            "present",
            "(none)",
        )
    elif new.indexed and not old.indexed:
        notes.add(
            Kind.ARCHIVE_MEMBER,
            Verdict.COMPATIBLE,
            "archive-index",
            "symbol index",
            "(none)",
            "present",
        )
    before, after = dict(old.members), dict(new.members)
    plain_before, plain_after = dict(old.sections), dict(new.sections)
    _frame(old, new, notes)
    for name in sorted(before.keys() ^ after.keys()):
        # ld takes an archive for its symbols; a member without any is taken by nobody
        words = ("member", "(none)") if name in before else ("(none)", "member")
        notes.add(Kind.ARCHIVE_MEMBER, Verdict.COMPATIBLE, "archive-member", name, *words)
    for name in [name for name in before if name in after]:
        one, two = before[name], after[name]
        if one is not None and two is not None:
            if one != two:
                compare_object(one, two, notes.inside(name))
        elif (one is None) != (two is None):
            notes.add(
                Kind.ARCHIVE_MEMBER,
                Verdict.INCOMPATIBLE,
                "archive-member-kind",
                name,
                *map(_kind, (one, two)),
            )
        elif plain_before.get(name) != plain_after.get(name):
            notes.add(Kind.ARCHIVE_MEMBER, Verdict.REVIEW, "archive-member-data", name)
    if list(before) != list(after) and set(before) == set(after):
        rule = "archive-order"  # kept by the reader only where two members define the same symbol
        notes.add(
            Kind.ARCHIVE_MEMBER,
            Verdict.REVIEW,
            rule,
            "member order",
            " ".join(before),
            " ".join(after),
        )


def _frame(old: ElfFacts, new: ElfFacts, notes: Notes) -> None:
    """Compare an index that says nothing true, and names of no member: bytes that no member has."""
    members = {*dict(old.members), *dict(new.members)}
    before, after = dict(old.sections), dict(new.sections)
    for name in sorted((before.keys() | after.keys()) - members):
        if old.indexed == new.indexed and before.get(name) != after.get(name):
            notes.add(Kind.ARCHIVE_MEMBER, Verdict.REVIEW, "archive-frame", name)


def _kind(facts: ElfFacts | None) -> str:
    return "data" if facts is None else "ELF"
