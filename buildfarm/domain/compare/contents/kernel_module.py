"""Kernel modules: does ours load into the vendor's kernel, and do the vendor's modules load beside
ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from buildfarm.domain.compare.contents.notes import Notes
from buildfarm.domain.compare.facts.elf_facts import ModuleFacts
from buildfarm.domain.compare.kinds import Kind
from buildfarm.domain.core.verdict import Finding, Verdict

_ALIASES = frozenset(
    {"alias", "softdep", "firmware", "parm", "parmtype", "import_ns", "license", "depends", "name"}
)
_NOTHING = "(none)"


def compare_module(old: ModuleFacts | None, new: ModuleFacts | None, notes: Notes) -> None:
    """Compare what modprobe and the kernel's loader look at."""
    if old is None or new is None:
        words = ("module", "object file") if new is None else ("object file", "module")
        notes.add(Kind.MODULE_INFO, Verdict.INCOMPATIBLE, "no-module", "kernel module", *words)
        return
    _vermagic(old.vermagic, new.vermagic, notes)
    _signature(old.signature, new.signature, notes)
    if old.srcversion != new.srcversion:
        rule = "module-srcversion"  # a checksum of the sources, which debranding changes
        notes.add(
            Kind.MODULE_INFO, Verdict.COMPATIBLE, rule, "srcversion", old.srcversion, new.srcversion
        )
    _info(old, new, notes)
    compare_symvers(old.exports, new.exports, notes)
    _needs(dict(old.needs), dict(new.needs), notes)


def vermagic_parts(vermagic: str) -> tuple[str, tuple[str, ...]]:
    """The kernel's release, and the words that say how it was configured.

    >>> vermagic_parts("5.14.0-427.13.1.el9.x86_64 SMP preempt mod_unload modversions ")
    ('5.14.0-427.13.1.el9.x86_64', ('SMP', 'preempt', 'mod_unload', 'modversions'))
    """
    release, _, words = vermagic.partition(" ")
    return release, tuple(words.split())


def _vermagic(old: str, new: str, notes: Notes) -> None:
    (before, old_words), (after, new_words) = vermagic_parts(old), vermagic_parts(new)
    if old_words != new_words:
        shown = " ".join(old_words), " ".join(new_words)
        notes.add(
            Kind.MODULE_VERMAGIC, Verdict.INCOMPATIBLE, "module-vermagic", "configuration", *shown
        )
    if before == after:
        return
    # with modversions the loader skips the release (kernel/module: same_magic); a rebuild's own
    # suffix is in it
    same = re.split(r"[-.]", before)[:3] == re.split(r"[-.]", after)[:3]
    verdict = Verdict.COMPATIBLE if same and "modversions" in new_words else Verdict.REVIEW
    notes.add(Kind.MODULE_VERMAGIC, verdict, "module-release", "kernel release", before, after)


def _signature(old: str, new: str, notes: Notes) -> None:
    if old == new:
        return
    verdict, rule = (
        (Verdict.REVIEW, "module-signature-lost")
        if old and not new
        else (Verdict.COMPATIBLE, "module-signed")
    )
    notes.add(Kind.MODULE_SIGNATURE, verdict, rule, "signature", old or _NOTHING, new or _NOTHING)


def _info(old: ModuleFacts, new: ModuleFacts, notes: Notes) -> None:
    for key in dict.fromkeys(key for key, _ in (*old.info, *new.info)):
        before, after = (
            [value for name, value in facts.info if name == key] for facts in (old, new)
        )
        lost, gained = _without(before, after), _without(after, before)
        if not lost and not gained:
            continue  # their order says nothing
        counts = key in _ALIASES or key.startswith("parm")
        if lost and counts:
            verdict, rule = Verdict.INCOMPATIBLE, "module-info-lost"
        elif counts:
            verdict, rule = (
                (Verdict.REVIEW, "module-depends")
                if key == "depends"
                else (Verdict.COMPATIBLE, "module-info")
            )
        else:
            verdict, rule = Verdict.COMPATIBLE, "module-info"
        notes.add(
            Kind.MODULE_INFO,
            verdict,
            rule,
            key,
            " ".join(lost) or _NOTHING,
            " ".join(gained) or _NOTHING,
        )


def _without(values: Iterable[str], others: Iterable[str]) -> list[str]:
    known = set(others)
    return sorted(value for value in set(values) if value not in known)


def compare_symvers(
    old: tuple[tuple[str, str], ...], new: tuple[tuple[str, str], ...], notes: Notes
) -> None:
    """Exported symbols with their CRCs: of a module, or of a whole kernel's ``symvers``.

    A module built against the vendor's kernel carries the vendor's CRC of each symbol it uses, and
    is refused by a kernel with another one.
    """
    before, after = dict(old), dict(new)
    for name in sorted(before.keys() - after.keys()):
        notes.add(
            Kind.EXPORT_REMOVED,
            Verdict.INCOMPATIBLE,
            "module-export-removed",
            name,
            before[name],
            _NOTHING,
        )
    for name in sorted(after.keys() - before.keys()):
        notes.add(
            Kind.EXPORT_ADDED,
            Verdict.COMPATIBLE,
            "module-export-added",
            name,
            _NOTHING,
            after[name],
        )
    for name in sorted(before.keys() & after.keys()):
        if before[name] != after[name]:
            notes.add(
                Kind.MODULE_CRC,
                Verdict.INCOMPATIBLE,
                "module-export-crc",
                name,
                before[name],
                after[name],
            )


def compare_kernel_symbols(
    path: str, old: tuple[tuple[str, str], ...], new: tuple[tuple[str, str], ...]
) -> list[Finding]:
    """Findings of two ``symvers`` files that are not equal: the kernel's ABI towards modules built
    elsewhere.
    """
    notes = Notes(path)
    compare_symvers(old, new, notes)
    if not notes.findings:
        notes.add(
            Kind.MODULE_CRC,
            Verdict.COMPATIBLE,
            "symvers-frame",
            "modules, namespaces or licences of exports",
        )
    return notes.findings


def _needs(old: dict[str, str], new: dict[str, str], notes: Notes) -> None:
    for name in sorted(new.keys() - old.keys()):
        notes.add(
            Kind.ELF_IMPORT, Verdict.REVIEW, "module-symbol-needed", name, _NOTHING, new[name]
        )
    gone = sorted(old.keys() - new.keys())
    if gone:
        notes.add(Kind.ELF_IMPORT, Verdict.COMPATIBLE, "module-symbol-not-needed", " ".join(gone))
    for name in sorted(new.keys() & old.keys()):
        if old[name] != new[name]:
            notes.add(
                Kind.MODULE_CRC,
                Verdict.INCOMPATIBLE,
                "module-needed-crc",
                name,
                old[name],
                new[name],
            )
