"""PE files (mingw's programs and libraries, EFI binaries): interface and protection by name."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.domain.compare.contents.notes import Notes
from buildfarm.domain.compare.kinds import Kind
from buildfarm.domain.core.verdict import Finding, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class PeFacts:
    """``imports`` are ``library:function``; ``sbat`` is what shim checks before it starts a file,
    ``digest`` that of the file without stamps and signature.
    """

    machine: int
    subsystem: int
    exports: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    protections: tuple[str, ...] = ()
    is_signed: bool = False
    sbat: str = ""
    digest: str = ""


def compare_pe(path: str, old: PeFacts, new: PeFacts) -> list[Finding]:
    """Findings of two PE files that are not equal but for their stamps and signatures."""
    notes = Notes(path)
    for word, before, after in (
        ("machine", old.machine, new.machine),
        ("subsystem", old.subsystem, new.subsystem),
    ):
        if before != after:
            notes.add(Kind.PE_CODE, Verdict.INCOMPATIBLE, "pe-header", word, before, after)
    for name in sorted(set(old.exports) - set(new.exports)):
        notes.add(Kind.EXPORT_REMOVED, Verdict.INCOMPATIBLE, "export-removed", name, "PE", "(none)")
    for name in sorted(set(new.exports) - set(old.exports)):
        notes.add(Kind.EXPORT_ADDED, Verdict.COMPATIBLE, "export-added", name, "(none)", "PE")
    if old.imports != new.imports:
        lost, gained = set(old.imports) - set(new.imports), set(new.imports) - set(old.imports)
        shown = " ".join(sorted(lost)), " ".join(sorted(gained))
        notes.add(Kind.PE_CODE, Verdict.REVIEW, "pe-imports", "imports", *shown)
    _protection(old, new, notes)
    if old.digest != new.digest:
        why = "code or data differs, and no record tells why"
        notes.add(Kind.PE_CODE, Verdict.REVIEW, "pe-code", why)
    return notes.findings


def _protection(old: PeFacts, new: PeFacts, notes: Notes) -> None:
    lost = [word for word in old.protections if word not in new.protections]
    if lost:
        notes.add(Kind.PE_PROTECTION, Verdict.REVIEW, "pe-protection-lost", " ".join(lost))
    if old.is_signed != new.is_signed:
        verdict, rule = (
            (Verdict.REVIEW, "pe-signature-lost")
            if old.is_signed
            else (Verdict.COMPATIBLE, "pe-signature-gained")
        )
        shown = ["signed" if side.is_signed else "(none)" for side in (old, new)]
        notes.add(Kind.PE_PROTECTION, verdict, rule, "signature", *shown)
    if old.sbat != new.sbat:
        notes.add(Kind.PE_PROTECTION, Verdict.REVIEW, "pe-sbat", ".sbat", old.sbat, new.sbat)
