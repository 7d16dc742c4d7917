"""ELF files by their interface: what links against the vendor's library links and runs against
ours.
"""

from __future__ import annotations

from buildfarm.domain.compare.contents.both_sides import judge_abi
from buildfarm.domain.compare.contents.code import judge_sections
from buildfarm.domain.compare.contents.elf_symbols import compare_symbols
from buildfarm.domain.compare.contents.kernel_module import compare_module
from buildfarm.domain.compare.contents.notes import Notes
from buildfarm.domain.compare.contents.static_archive import compare_archive
from buildfarm.domain.compare.facts.content_facts import NOTHING, BothSides
from buildfarm.domain.compare.facts.elf_facts import BAD, MERGED_INTO_LIBC, ElfFacts
from buildfarm.domain.compare.kinds import Kind
from buildfarm.domain.core.verdict import CodeCause, Finding, Verdict

_NO_KERNEL = (0, 0, 0)


def compare_elf(
    path: str, old: ElfFacts, new: ElfFacts, both: BothSides = NOTHING
) -> list[Finding]:
    """Findings of two ELF files (or static archives) that are not equal section by section.

    :param both: the third round's answer, where one was asked.
    """
    notes = Notes(path)
    if old.archive and new.archive:
        compare_archive(old, new, notes, compare_object)
    elif old.archive != new.archive:
        notes.add(
            Kind.ELF_HEADER, Verdict.INCOMPATIBLE, "elf-header", "archive", old.archive, new.archive
        )
    else:
        compare_object(old, new, notes, both)
        if old.module is not None or new.module is not None:
            compare_module(old.module, new.module, notes)
        else:
            compare_symbols(old, new, notes)
    if not notes.findings:
        notes.add(Kind.ELF_LAYOUT, Verdict.COMPATIBLE, "elf-layout", "file layout")
    return [*notes.findings, *judge_abi(path, both.abi)]


def compare_object(old: ElfFacts, new: ElfFacts, notes: Notes, both: BothSides = NOTHING) -> None:
    """Everything about one ELF file but its symbols."""
    _header(old, new, notes)
    _dynamic(old, new, notes)
    _hardening(old, new, notes)
    _content(old, new, notes, both)


def _header(old: ElfFacts, new: ElfFacts, notes: Notes) -> None:
    for field in ("bits", "little_endian", "machine", "flags", "type"):
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            notes.add(Kind.ELF_HEADER, Verdict.INCOMPATIBLE, "elf-header", field, before, after)
    if old.osabi != new.osabi:
        notes.add(Kind.ELF_HEADER, Verdict.COMPATIBLE, "elf-osabi", "osabi", old.osabi, new.osabi)
    if old.isa != new.isa:
        more = (
            new.isa & ~old.isa & ~1
        )  # bit 0 is the baseline, which every processor of the class has
        verdict, rule = (
            (Verdict.INCOMPATIBLE, "elf-isa-raised") if more else (Verdict.COMPATIBLE, "elf-isa")
        )
        notes.add(
            Kind.ELF_HEADER, verdict, rule, "x86 ISA needed", f"{old.isa:#x}", f"{new.isa:#x}"
        )
    if old.kernel != new.kernel:
        raised = (new.kernel or _NO_KERNEL) > (old.kernel or _NO_KERNEL)
        verdict, rule = (
            (Verdict.REVIEW, "elf-kernel-raised") if raised else (Verdict.COMPATIBLE, "elf-kernel")
        )
        notes.add(
            Kind.ELF_HEADER,
            verdict,
            rule,
            "oldest kernel",
            _dotted(old.kernel),
            _dotted(new.kernel),
        )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version) or "(none)"


def _dynamic(old: ElfFacts, new: ElfFacts, notes: Notes) -> None:
    if old.soname != new.soname:
        notes.add(
            Kind.ELF_SONAME, Verdict.INCOMPATIBLE, "elf-soname", "SONAME", old.soname, new.soname
        )
    if old.interpreter != new.interpreter:
        notes.add(
            Kind.ELF_INTERPRETER,
            Verdict.INCOMPATIBLE,
            "elf-interpreter",
            "INTERP",
            old.interpreter,
            new.interpreter,
        )
    for word, before, after in (
        ("RPATH", old.rpath, new.rpath),
        ("RPATH (DT_RUNPATH)", old.runpath, new.runpath),
    ):
        if before != after:
            notes.add(
                Kind.ELF_RPATH, Verdict.REVIEW, "elf-rpath", word, " ".join(before), " ".join(after)
            )
    for name in sorted(set(old.needed) - set(new.needed)):
        merged = name in MERGED_INTO_LIBC and "libc.so.6" in new.needed
        verdict, rule = (
            (Verdict.REVIEW, "elf-needed-in-libc")
            if merged
            else (Verdict.INCOMPATIBLE, "elf-needed-removed")
        )
        notes.add(Kind.ELF_NEEDED, verdict, rule, name, "NEEDED", "(none)")
    for name in sorted(set(new.needed) - set(old.needed)):
        notes.add(
            Kind.ELF_NEEDED, Verdict.INCOMPATIBLE, "elf-needed-added", name, "(none)", "NEEDED"
        )
    if old.loads != new.loads:
        shown = "; ".join(old.loads), "; ".join(new.loads)
        notes.add(
            Kind.ELF_NEEDED, Verdict.INCOMPATIBLE, "elf-loads", "loaded beside NEEDED", *shown
        )
    if set(old.needed) == set(new.needed) and old.needed != new.needed:
        shown = " ".join(old.needed), " ".join(new.needed)
        notes.add(Kind.ELF_NEEDED, Verdict.REVIEW, "elf-needed-order", "order", *shown)


def _hardening(old: ElfFacts, new: ElfFacts, notes: Notes) -> None:
    before, after = set(old.hardening), set(new.hardening)
    if before == after:
        return
    weaker = {word for word in before - after if word not in BAD} | {
        word for word in after - before if word in BAD
    }
    verdict, rule = (
        (Verdict.REVIEW, "elf-hardening-lost")
        if weaker
        else (Verdict.COMPATIBLE, "elf-hardening-gained")
    )
    subject = " ".join(sorted(weaker or after ^ before))
    notes.add(
        Kind.ELF_HARDENING, verdict, rule, subject, " ".join(old.hardening), " ".join(new.hardening)
    )


def _content(old: ElfFacts, new: ElfFacts, notes: Notes, both: BothSides) -> None:
    """What a program holds beside its interface; of equal sections even the frame around them must
    be explained.
    """
    differing = judge_sections(old, new, notes, both.code)
    if not differing and old.entry != new.entry:
        notes.add(Kind.ELF_LAYOUT, Verdict.REVIEW, "elf-entry", "entry point", old.entry, new.entry)
    if old.segments != new.segments:
        lost, gained = set(old.segments) - set(new.segments), set(new.segments) - set(old.segments)
        shown = "; ".join(sorted(lost)), "; ".join(sorted(gained))
        hidden = any("!" in segment for segment in gained)  # other bytes than its section has
        verdict = Verdict.REVIEW if hidden else Verdict.COMPATIBLE
        notes.add(Kind.ELF_LAYOUT, verdict, "elf-segments", "program headers", *shown)
    elif old.layout != new.layout and not differing:
        proved = both.code is not None and both.code.cause is CodeCause.PLACEMENT
        verdict = Verdict.COMPATIBLE if proved or not old.segments else Verdict.REVIEW
        notes.add(Kind.ELF_LAYOUT, verdict, "elf-layout", "addresses", old.layout, new.layout)
