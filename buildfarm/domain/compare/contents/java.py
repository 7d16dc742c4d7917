"""Java classes: does a program compiled against the vendor's class link and run with ours.

What counts is the JVM specification's: bytecode version (4.1), names and descriptors of what is
public or protected (13.4 of the language specification, binary compatibility). A body that differs
is no interface.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from buildfarm.domain.compare.contents.notes import Notes
from buildfarm.domain.compare.kinds import Kind
from buildfarm.domain.core.verdict import Finding, Verdict

PUBLIC, PRIVATE, PROTECTED, STATIC, FINAL, INTERFACE, ABSTRACT = 1, 2, 4, 8, 0x10, 0x200, 0x400
_WORDS = {
    PUBLIC: "public",
    PROTECTED: "protected",
    STATIC: "static",
    FINAL: "final",
    ABSTRACT: "abstract",
}
_NOTHING = "(none)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMember:
    """A field or method that others can name; ``constant`` is what the compiler copies into its
    users.
    """

    name: str
    descriptor: str
    access: int
    constant: str = ""

    @property
    def label(self) -> str:
        """Name and descriptor, as javap -s writes them."""
        return f"{self.name}{'' if self.descriptor.startswith('(') else ':'}{self.descriptor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFacts:
    """One ``.class`` file. ``version`` is (major, minor); ``digest`` is over the whole file."""

    name: str
    version: tuple[int, int]
    access: int
    parent: str
    interfaces: tuple[str, ...]
    members: tuple[ClassMember, ...]
    digest: str


def compare_class(path: str, old: ClassFacts, new: ClassFacts) -> list[Finding]:
    """Findings of two class files that are not equal byte by byte."""
    notes = Notes(path)
    _class(old, new, notes)
    return notes.findings


def compare_classes(
    path: str, old: Sequence[ClassFacts], new: Sequence[ClassFacts]
) -> list[Finding]:
    """Findings of two sets of classes: those of a jar, whatever their order."""
    notes = Notes(path)
    before, after = {item.name: item for item in old}, {item.name: item for item in new}
    for name in sorted(before.keys() - after.keys()):
        public = before[name].access & PUBLIC
        verdict, rule = (
            (Verdict.INCOMPATIBLE, "class-removed")
            if public
            else (Verdict.REVIEW, "class-removed-inner")
        )
        notes.add(Kind.CLASS_REMOVED, verdict, rule, name, _access(before[name].access), _NOTHING)
    for name in sorted(after.keys() - before.keys()):
        notes.add(
            Kind.CLASS_ADDED,
            Verdict.REVIEW,
            "class-added",
            name,
            _NOTHING,
            _access(after[name].access),
        )
    for name in sorted(before.keys() & after.keys()):
        if before[name].digest != after[name].digest:
            _class(before[name], after[name], notes)
    return notes.findings


def _access(access: int) -> str:
    return " ".join(word for bit, word in _WORDS.items() if access & bit) or "package-private"


def _class(old: ClassFacts, new: ClassFacts, notes: Notes) -> None:
    start = len(notes.findings)
    if old.version != new.version:
        newer = new.version > old.version
        verdict, rule = (
            (Verdict.INCOMPATIBLE, "bytecode-newer")
            if newer
            else (Verdict.COMPATIBLE, "bytecode-older")
        )
        shown = [".".join(str(part) for part in facts.version) for facts in (old, new)]
        notes.add(Kind.CLASS_VERSION, verdict, rule, new.name, *shown)
    for word, before, after in (
        ("name", old.name, new.name),
        ("superclass", old.parent, new.parent),
        ("interfaces", " ".join(old.interfaces), " ".join(new.interfaces)),
    ):
        if before != after:
            notes.add(
                Kind.CLASS_CHANGED,
                Verdict.INCOMPATIBLE,
                "class-frame",
                f"{new.name} {word}",
                before,
                after,
            )
    if old.access != new.access:
        verdict = Verdict.INCOMPATIBLE if _narrower(old.access, new.access) else Verdict.COMPATIBLE
        notes.add(
            Kind.CLASS_CHANGED,
            verdict,
            "class-access",
            new.name,
            _access(old.access),
            _access(new.access),
        )
    _members(old, new, notes)
    # Beside a change that is harmless by itself every method may differ.
    if all(item.verdict.badness < Verdict.REVIEW.badness for item in notes.findings[start:]):
        notes.add(
            Kind.CLASS_CODE,
            Verdict.REVIEW,  # no record in a class file tells why
            "class-code",
            new.name,
            old.digest[:16],
            new.digest[:16],
        )


def _narrower(old: int, new: int) -> bool:
    """Return whether something that was allowed no longer is: seen by fewer, static or not, final,
    or abstract now.
    """
    lost = (old & PUBLIC and not new & PUBLIC) or (
        old & PROTECTED and not new & (PUBLIC | PROTECTED)
    )
    return bool(lost or (old ^ new) & (STATIC | INTERFACE) or new & ~old & (FINAL | ABSTRACT))


def _members(old: ClassFacts, new: ClassFacts, notes: Notes) -> None:
    before, after = ({item.label: item for item in facts.members} for facts in (old, new))
    for label in sorted(before.keys() - after.keys()):
        shown = _access(before[label].access), _NOTHING
        notes.add(
            Kind.CLASS_CHANGED,
            Verdict.INCOMPATIBLE,
            "member-removed",
            f"{new.name}.{label}",
            *shown,
        )
    for label in sorted(after.keys() - before.keys()):
        item = after[label]
        # whoever implements the interface or extends the class lacks it
        demanded = item.access & ABSTRACT
        verdict, rule = (
            (Verdict.REVIEW, "abstract-member-added")
            if demanded
            else (Verdict.COMPATIBLE, "member-added")
        )
        notes.add(
            Kind.CLASS_CHANGED, verdict, rule, f"{new.name}.{label}", _NOTHING, _access(item.access)
        )
    for label in sorted(before.keys() & after.keys()):
        one, two = before[label], after[label]
        if one.access != two.access:
            verdict = (
                Verdict.INCOMPATIBLE if _narrower(one.access, two.access) else Verdict.COMPATIBLE
            )
            shown = _access(one.access), _access(two.access)
            notes.add(Kind.CLASS_CHANGED, verdict, "member-access", f"{new.name}.{label}", *shown)
        if one.constant != two.constant:
            shown = one.constant or _NOTHING, two.constant or _NOTHING
            notes.add(Kind.CLASS_CHANGED, Verdict.REVIEW, "constant", f"{new.name}.{label}", *shown)
