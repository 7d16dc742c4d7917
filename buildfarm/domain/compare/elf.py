"""ELF files by their interface: what links against the vendor's library links and runs against ours."""

from __future__ import annotations

import re
from collections.abc import Callable

from buildfarm.domain.compare.facts import ElfFacts, ElfSymbol
from buildfarm.domain.compare.kinds import Kind, finding
from buildfarm.domain.verdict import Finding, Verdict

_LINKER_SYMBOLS = frozenset(
    {"_init", "_fini", "_edata", "edata", "_end", "end", "__bss_start", "_start", "__data_start", "data_start",
     "_IO_stdin_used", "_etext", "etext"}
)  # fmt: skip
_WEAK = frozenset({"WEAK", "UNIQUE"})
_MANGLED = re.compile(r"(?P<length>[0-9]+)|S[0-9A-Z]*_|S[tabsiod]|(?P<parameter>T[0-9]*_)|(?P<arguments>I)|[CD][0-9]|.")


def compare_elf(path: str, old: ElfFacts, new: ElfFacts) -> list[Finding]:
    """Findings of two ELF files (or static archives) that are not equal section by section."""

    def note(kind: Kind, verdict: Verdict, rule: str, subject: str, *values: object) -> None:
        before, after = values or ("", "")
        findings.append(finding(kind, verdict, rule, path=path, subject=subject, old=before, new=after))

    findings: list[Finding] = []
    for field in ("archive", "bits", "little_endian", "machine", "flags", "type"):
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            note(Kind.ELF_HEADER, Verdict.INCOMPATIBLE, "elf-header", field, before, after)
    if old.osabi != new.osabi:
        note(Kind.ELF_HEADER, Verdict.COMPATIBLE, "elf-osabi", "osabi", old.osabi, new.osabi)
    if old.soname != new.soname:
        note(Kind.ELF_SONAME, Verdict.INCOMPATIBLE, "elf-soname", "SONAME", old.soname, new.soname)
    if old.interpreter != new.interpreter:
        note(Kind.ELF_INTERPRETER, Verdict.INCOMPATIBLE, "elf-interpreter", "INTERP", old.interpreter, new.interpreter)
    if old.rpath != new.rpath:
        note(Kind.ELF_RPATH, Verdict.REVIEW, "elf-rpath", "RPATH", " ".join(old.rpath), " ".join(new.rpath))
    _needed(old, new, note)
    _hardening(old, new, note)
    _exports(old, new, note)
    _imports(old, new, note)
    _code(old, new, note)
    if not findings:
        note(Kind.ELF_CODE, Verdict.COMPATIBLE, "elf-layout", "file layout")
    return findings


_Note = Callable[..., None]


def _needed(old: ElfFacts, new: ElfFacts, note: _Note) -> None:
    for name in sorted(set(old.needed) - set(new.needed)):
        note(Kind.ELF_NEEDED, Verdict.INCOMPATIBLE, "elf-needed-removed", name, "NEEDED", "(none)")
    for name in sorted(set(new.needed) - set(old.needed)):
        note(Kind.ELF_NEEDED, Verdict.INCOMPATIBLE, "elf-needed-added", name, "(none)", "NEEDED")
    if set(old.needed) == set(new.needed) and old.needed != new.needed:
        note(Kind.ELF_NEEDED, Verdict.REVIEW, "elf-needed-order", "order", " ".join(old.needed), " ".join(new.needed))


def _hardening(old: ElfFacts, new: ElfFacts, note: _Note) -> None:
    if set(old.hardening) == set(new.hardening):
        return
    weaker = {"textrel"} & set(new.hardening) - set(old.hardening) | set(old.hardening) - set(new.hardening) - {
        "textrel"
    }
    verdict, rule = (Verdict.REVIEW, "elf-hardening-lost") if weaker else (Verdict.COMPATIBLE, "elf-hardening-gained")
    subject = " ".join(sorted(weaker or set(new.hardening) ^ set(old.hardening)))
    note(Kind.ELF_HARDENING, verdict, rule, subject, " ".join(old.hardening), " ".join(new.hardening))


def _exports(old: ElfFacts, new: ElfFacts, note: _Note) -> None:
    before, after = ({(s.name, s.version): s for s in facts.exports} for facts in (old, new))
    for key in sorted(before.keys() - after.keys()):
        symbol = before[key]
        verdict, rule = _removal(symbol)
        note(Kind.EXPORT_REMOVED, verdict, rule, symbol.label, _told(symbol), "(none)")
    for key in sorted(after.keys() - before.keys()):
        note(Kind.EXPORT_ADDED, Verdict.COMPATIBLE, "export-added", after[key].label, "(none)", _told(after[key]))
    for key in sorted(before.keys() & after.keys()):
        _changed(before[key], after[key], note)


def _told(symbol: ElfSymbol) -> str:
    size = f" {symbol.size} bytes" if symbol.size else ""
    return f"{symbol.binding} {symbol.type}{size}"


def _removal(symbol: ElfSymbol) -> tuple[Verdict, str]:
    if symbol.name in _LINKER_SYMBOLS:
        return Verdict.COMPATIBLE, "linker-symbol"
    if symbol.binding in _WEAK and is_template(symbol.name):
        return Verdict.REVIEW, "weak-template"
    return Verdict.INCOMPATIBLE, "export-removed"


def _changed(old: ElfSymbol, new: ElfSymbol, note: _Note) -> None:
    if old.type != new.type or old.size != new.size:
        note(Kind.EXPORT_CHANGED, Verdict.INCOMPATIBLE, "export-changed", old.label, _told(old), _told(new))
    elif old.default and not new.default:
        note(Kind.EXPORT_CHANGED, Verdict.INCOMPATIBLE, "export-no-longer-default", old.label, "@@", "@")
    elif (old.binding, old.default) != (new.binding, new.default):
        note(Kind.EXPORT_CHANGED, Verdict.COMPATIBLE, "export-binding", old.label, _told(old), _told(new))


def _imports(old: ElfFacts, new: ElfFacts, note: _Note) -> None:
    for version in sorted(set(new.needs) - set(old.needs)):
        note(Kind.ELF_IMPORT, Verdict.REVIEW, "symbol-version-needed", version, "(none)", "needed")
    gone = sorted(set(old.needs) - set(new.needs))
    if gone:
        note(Kind.ELF_IMPORT, Verdict.COMPATIBLE, "symbol-version-not-needed", " ".join(gone))
    before, after = set(old.imports), set(new.imports)
    if before != after:
        rule = "imports-differ"
        lost, gained = " ".join(sorted(before - after)), " ".join(sorted(after - before))
        note(Kind.ELF_IMPORT, Verdict.COMPATIBLE, rule, "undefined symbols", lost, gained)


def _code(old: ElfFacts, new: ElfFacts, note: _Note) -> None:
    before, after = dict(old.sections), dict(new.sections)
    differing = [name for name in dict.fromkeys((*before, *after)) if before.get(name) != after.get(name)]
    if differing:
        shown = " ".join(differing)
        note(Kind.ELF_CODE, Verdict.COMPATIBLE, "sections-differ", f"{len(differing)} sections differ: {shown}")


def is_template(symbol: str) -> bool:
    """Whether a mangled C++ name has template arguments (Itanium C++ ABI, 5.1.5): vague linkage, emitted anywhere.

    >>> is_template("_ZNSt6vectorIiSaIiEE9push_backERKi"), is_template("_ZN4Item3getEv"), is_template("_ZTI3Foo")
    (True, False, False)
    """
    if not symbol.startswith("_Z"):
        return False
    rest = re.sub(r"^_Z(?:T[VTISFJ]|GV)?", "", symbol)
    place = 0
    while place < len(rest):
        match = _MANGLED.match(rest, place)
        if match is None:
            return False
        if match["arguments"] or match["parameter"]:
            return True
        place = match.end() + (int(match["length"]) if match["length"] else 0)
    return False
