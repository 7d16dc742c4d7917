"""Symbols of two ELF files: what ours no longer offers, and what it asks for that the vendor's does
not.
"""

from __future__ import annotations

import re

from buildfarm.domain.compare.contents.notes import Notes
from buildfarm.domain.compare.facts.elf_facts import ElfFacts, ElfSymbol
from buildfarm.domain.compare.kinds import Kind
from buildfarm.domain.core.verdict import Verdict

_LINKER_SYMBOLS = frozenset(
    {"_init", "_fini", "_edata", "edata", "_end", "end", "__bss_start", "_start", "__data_start", "data_start",
     "_IO_stdin_used", "_etext", "etext"}
)  # fmt: skip
_WEAK = frozenset({"WEAK", "UNIQUE"})
_MANGLED = re.compile(
    r"(?P<length>[0-9]+)|S[0-9A-Z]*_|S[tabsiod]|(?P<parameter>T[0-9]*_)|(?P<arguments>I)|[CD][0-9]|."
)


def compare_symbols(old: ElfFacts, new: ElfFacts, notes: Notes) -> None:
    """Exports, imports, and the versions of both."""
    _exports(old, new, notes)
    for version in sorted(set(old.defines) - set(new.defines)):
        notes.add(
            Kind.ELF_VERSION,
            Verdict.INCOMPATIBLE,
            "symbol-version-removed",
            version,
            "defined",
            "(none)",
        )
    for version in sorted(set(new.defines) - set(old.defines)):
        notes.add(
            Kind.ELF_VERSION,
            Verdict.COMPATIBLE,
            "symbol-version-added",
            version,
            "(none)",
            "defined",
        )
    _imports(old, new, notes)


def _exports(old: ElfFacts, new: ElfFacts, notes: Notes) -> None:
    before, after = ({(s.name, s.version): s for s in facts.exports} for facts in (old, new))
    for key in sorted(before.keys() - after.keys()):
        symbol = before[key]
        verdict, rule = _removal(symbol)
        notes.add(Kind.EXPORT_REMOVED, verdict, rule, symbol.label, _told(symbol), "(none)")
    for key in sorted(after.keys() - before.keys()):
        notes.add(
            Kind.EXPORT_ADDED,
            Verdict.COMPATIBLE,
            "export-added",
            after[key].label,
            "(none)",
            _told(after[key]),
        )
    for key in sorted(before.keys() & after.keys()):
        _changed(before[key], after[key], notes)


def _told(symbol: ElfSymbol) -> str:
    size = f" {symbol.size} bytes" if symbol.size else ""
    visibility = f" {symbol.visibility}" if symbol.visibility != "DEFAULT" else ""
    return f"{symbol.binding} {symbol.type}{size}{visibility}"


def _removal(symbol: ElfSymbol) -> tuple[Verdict, str]:
    if symbol.name in _LINKER_SYMBOLS:
        return Verdict.COMPATIBLE, "linker-symbol"
    if symbol.visibility in (
        "HIDDEN",
        "INTERNAL",
    ):  # of an object file: its siblings link it, programs should not
        return Verdict.REVIEW, "hidden-symbol-removed"
    if symbol.binding in _WEAK and is_template(symbol.name):
        return Verdict.REVIEW, "weak-template"
    return Verdict.INCOMPATIBLE, "export-removed"


def _changed(old: ElfSymbol, new: ElfSymbol, notes: Notes) -> None:
    if old.type != new.type or old.size != new.size:
        if old.name not in _LINKER_SYMBOLS:
            notes.add(
                Kind.EXPORT_CHANGED,
                Verdict.INCOMPATIBLE,
                "export-changed",
                old.label,
                _told(old),
                _told(new),
            )
    elif old.default and not new.default:
        notes.add(
            Kind.EXPORT_CHANGED,
            Verdict.INCOMPATIBLE,
            "export-no-longer-default",
            old.label,
            "@@",
            "@",
        )
    elif old.visibility != new.visibility:
        # a protected symbol is neither interposed nor copied into the program (gABI, symbol
        # visibility)
        narrower = new.visibility != "DEFAULT"
        verdict = Verdict.REVIEW if narrower else Verdict.COMPATIBLE
        notes.add(
            Kind.EXPORT_CHANGED, verdict, "export-visibility", old.label, _told(old), _told(new)
        )
    elif (old.binding, old.default) != (new.binding, new.default):
        notes.add(
            Kind.EXPORT_CHANGED,
            Verdict.COMPATIBLE,
            "export-binding",
            old.label,
            _told(old),
            _told(new),
        )


def _imports(old: ElfFacts, new: ElfFacts, notes: Notes) -> None:
    for version in sorted(set(new.needs) - set(old.needs)):
        notes.add(
            Kind.ELF_IMPORT, Verdict.REVIEW, "symbol-version-needed", version, "(none)", "needed"
        )
    gone = sorted(set(old.needs) - set(new.needs))
    if gone:
        notes.add(Kind.ELF_IMPORT, Verdict.COMPATIBLE, "symbol-version-not-needed", " ".join(gone))
    before, after = set(old.imports), set(new.imports)
    known = before | set(old.weak_imports) | {symbol.label for symbol in old.exports}
    # with a version, ld.so checks it at the start and rpm requires it; without, nobody does
    loose = [] if old.archive else sorted(name for name in after - known if "@" not in name)
    if loose:
        notes.add(
            Kind.ELF_IMPORT,
            Verdict.REVIEW,
            "unversioned-symbol-needed",
            " ".join(loose),
            "(none)",
            "undefined",
        )
    lost, gained = sorted(before - after), sorted(after - before - set(loose))
    if lost or gained:
        shown = " ".join(lost), " ".join(gained)
        notes.add(
            Kind.ELF_IMPORT, Verdict.COMPATIBLE, "imports-differ", "undefined symbols", *shown
        )
    weak = set(old.weak_imports) ^ set(new.weak_imports)
    if weak:
        shown = " ".join(old.weak_imports), " ".join(new.weak_imports)
        notes.add(
            Kind.ELF_IMPORT,
            Verdict.COMPATIBLE,
            "weak-imports-differ",
            " ".join(sorted(weak)),
            *shown,
        )


def is_template(symbol: str) -> bool:
    """Return whether a mangled C++ name has template arguments (Itanium C++ ABI, 5.1.5): vague
    linkage, emitted anywhere.

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
        place = match.end() + int((match["length"] or "0")[:9])
    return False
