"""Dependencies of two RPMs as multisets of (name, sense, version)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from buildfarm.domain.compare.contents.normalise import Mask, merged_usr
from buildfarm.domain.compare.facts.elf_facts import MERGED_INTO_LIBC
from buildfarm.domain.compare.facts.facts import Dependency
from buildfarm.domain.compare.kinds import Kind, finding
from buildfarm.domain.compare.metadata.rich import canonical, is_rich
from buildfarm.domain.core.verdict import Finding, Verdict

KIND_OF: Mapping[str, Kind] = {
    "REQUIRE": Kind.REQUIRES,
    "PROVIDE": Kind.PROVIDES,
    "CONFLICT": Kind.CONFLICTS,
    "OBSOLETE": Kind.OBSOLETES,
    "RECOMMEND": Kind.WEAK_DEPENDENCY,
    "SUGGEST": Kind.WEAK_DEPENDENCY,
    "SUPPLEMENT": Kind.WEAK_DEPENDENCY,
    "ENHANCE": Kind.WEAK_DEPENDENCY,
    "ORDER": Kind.ORDER,
}
"""rpm's tag stems (``REQUIRE`` + ``NAME``/``FLAGS``/``VERSION``) and the finding kind of each."""

# rpmds.h
_LESS, _GREATER, _EQUAL = 1 << 1, 1 << 2, 1 << 3
_COMPARE = _LESS | _GREATER | _EQUAL
_FIND_REQUIRES, _FIND_PROVIDES = (
    1 << 14,
    1 << 15,
)  # a generator wrote it, or a person: the same to rpm and dnf
_RPMLIB = 1 << 24
_SENSE_WORDS = {
    1 << 6: "prereq", 1 << 8: "interp", 1 << 9: "pre", 1 << 10: "post", 1 << 11: "preun", 1 << 12: "postun",
    1 << 13: "verify", 1 << 19: "missingok", 1 << 20: "preuntrans", 1 << 21: "postuntrans", 1 << 28: "config",
    1 << 29: "meta", 1 << 5: "posttrans", 1 << 7: "pretrans",
}  # fmt: skip
_SYMBOL_VERSION = re.compile(r"^[^()]+\.so[^()]*\([A-Za-z][\w.+]*\)(?:\(64bit\))?$")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class _Key:
    name: str
    flags: int
    version: str

    def __str__(self) -> str:
        return describe(self.name, self.flags, self.version)


def describe(name: str, flags: int, version: str) -> str:
    """A dependency as a spec writes it, other sense bits in front.

    >>> describe("foo", _EQUAL | 1 << 10, "1-2"), describe("bar", 0, "")
    ('(post) foo = 1-2', 'bar')
    """
    sense = "".join(
        sign for bit, sign in ((_LESS, "<"), (_GREATER, ">"), (_EQUAL, "=")) if flags & bit
    )
    words = [word for bit, word in _SENSE_WORDS.items() if flags & bit]
    prefix = f"({','.join(words)}) " if words else ""
    return f"{prefix}{name} {sense} {version}" if version else f"{prefix}{name}"


def compare_dependencies(
    old: Mapping[str, tuple[Dependency, ...]],
    new: Mapping[str, tuple[Dependency, ...]],
    *,
    old_mask: Mask,
    new_mask: Mask,
    without_suffix: Callable[[str], str] = str,
    renames: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Findings of every dependency kind.

    ``without_suffix`` takes our Release suffix off a version.
    """
    findings: list[Finding] = []
    for stem in KIND_OF:
        ours, vendors = new.get(stem, ()), old.get(stem, ())
        if vendors == ours:
            continue
        left = _Side.read(vendors, old_mask, str, renames or {})
        right = _Side.read(ours, new_mask, without_suffix, {})
        findings += _compare_kind(stem, left, right)
    return findings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One side of one kind: the keys after normalisation, and which normaliser changed which."""

    keys: Counter[_Key]
    raw: frozenset[_Key]
    fired: Mapping[_Key, tuple[str, str]]
    """Normalised key → (as written, normalisers)."""

    @classmethod
    def read(
        cls,
        dependencies: Iterable[Dependency],
        mask: Mask,
        without_suffix: Callable[[str], str],
        renames: Mapping[str, str],
    ) -> _Side:
        keys: Counter[_Key] = Counter()
        fired: dict[_Key, tuple[str, str]] = {}
        raw = set()
        for dependency in dependencies:
            flags = dependency.flags & ~(_FIND_REQUIRES | _FIND_PROVIDES)
            raw.add(_Key(name=dependency.name, flags=flags, version=dependency.version))
            if (
                dependency.name.startswith("rpmlib(")
                or flags & _RPMLIB
                or dependency.name == "debuginfo(build-id)"
            ):
                continue
            key, rules = _normalise(dependency, flags, mask, without_suffix, renames)
            keys[key] += 1
            if rules:
                fired[key] = (describe(dependency.name, flags, dependency.version), "+".join(rules))
        return cls(keys=keys, raw=frozenset(raw), fired=fired)


def rename(name: str, renames: Mapping[str, str]) -> str:
    """A dependency under our name of the RPM it names, with rpm's own decorations of that name.

    >>> [rename(name, {"old": "new"}) for name in ("old", "old(x86-64)", "config(old)", "older", "lib(old)")]
    ['new', 'new(x86-64)', 'config(new)', 'older', 'lib(old)']
    """
    prefix, plain = ("config(", name[7:]) if name.startswith("config(") else ("", name)
    base = re.split(r"[()]", plain, maxsplit=1)[0]
    return f"{prefix}{renames[base]}{plain[len(base) :]}" if base in renames else name


def _normalise(
    dependency: Dependency,
    flags: int,
    mask: Mask,
    without_suffix: Callable[[str], str],
    renames: Mapping[str, str],
) -> tuple[_Key, list[str]]:
    rules = []
    name, version = dependency.name, dependency.version
    renamed = rename(name, renames)
    if renamed != name:
        name, rules = renamed, ["rename"]
    steps: list[tuple[str, Callable[[str], str], Callable[[str], str]]] = [
        ("own-evr", mask.apply, mask.apply),
        ("release-suffix", str, without_suffix),
        ("merged-usr", merged_usr, str),
        ("rich-order", canonical if is_rich(name) else str, str),
    ]
    for rule, change_name, change_version in steps:
        changed = change_name(name), change_version(version)
        if changed != (name, version):
            rules.append(rule)
            name, version = changed
    return _Key(name=name, flags=flags, version=version), rules


def _compare_kind(stem: str, old: _Side, new: _Side) -> list[Finding]:
    kind = KIND_OF[stem]
    removed, added = set(old.keys) - set(new.keys), set(new.keys) - set(old.keys)
    findings = [
        _renamed(kind, old.fired[key])
        for key in sorted(old.keys)
        if "rename" in old.fired.get(key, ("", ""))[1]
    ]
    for before in sorted(removed):
        partner = _partner(before, added)
        if partner is None:
            findings.append(_lost(stem, before))
            continue
        added.discard(partner)
        findings.append(_changed(stem, before, partner))
    findings += [_gained(stem, key) for key in sorted(added)]
    if not removed and not added:
        findings += _notes(kind, old, new)
    return findings


def _notes(kind: Kind, old: _Side, new: _Side) -> list[Finding]:
    """Return what made two different lists equal, one line a normaliser."""
    rules = sorted(
        {
            rules
            for side in (old, new)
            for key, (_, rules) in side.fired.items()
            if "rename" not in rules
        }
    )
    differing = old.raw ^ new.raw
    notes = []
    if any(key.name.startswith("rpmlib(") for key in differing):
        notes.append(finding(kind, Verdict.EQUIVALENT, "rpmlib-ignored", subject="rpmlib()"))
    if any(key.name == "debuginfo(build-id)" for key in differing):
        notes.append(
            finding(kind, Verdict.EQUIVALENT, "build-id-ignored", subject="debuginfo(build-id)")
        )
    for rule in rules:
        before = [
            text
            for text, rules_ in old.fired.values()
            if rules_ == rule and text not in _texts(new)
        ]
        after = [
            text
            for text, rules_ in new.fired.values()
            if rules_ == rule and text not in _texts(old)
        ]
        if before or after:
            old_text, new_text = next(iter(sorted(before)), ""), next(iter(sorted(after)), "")
            subject = f"{max(len(before), len(after))} of its own"
            notes.append(
                finding(kind, Verdict.EQUIVALENT, rule, subject=subject, old=old_text, new=new_text)
            )
    doubled = sorted(key.name for key in old.keys if old.keys[key] != new.keys[key])
    if doubled:
        notes.append(finding(kind, Verdict.EQUIVALENT, "listed-twice", subject=", ".join(doubled)))
    return notes


def _texts(side: _Side) -> frozenset[str]:
    """Every dependency of a side as written."""
    return frozenset(str(key) for key in side.raw)


def _partner(key: _Key, candidates: Iterable[_Key]) -> _Key | None:
    """The dependency on the same name that took this one's place, if there is exactly one."""
    same = [candidate for candidate in candidates if candidate.name == key.name]
    exact = [candidate for candidate in same if (candidate.version, candidate.flags & _COMPARE) == (
        key.version, key.flags & _COMPARE)]  # fmt: skip
    found = exact or same
    return found[0] if len(found) == 1 else None


def _changed(stem: str, old: _Key, new: _Key) -> Finding:
    kind = KIND_OF[stem]
    soft = kind in (Kind.WEAK_DEPENDENCY, Kind.ORDER) or (
        old.version == new.version and old.flags & _COMPARE == new.flags & _COMPARE
    )
    verdict, rule = (
        (Verdict.REVIEW, f"{kind}-sense") if soft else (Verdict.INCOMPATIBLE, f"{kind}-changed")
    )
    return finding(kind, verdict, rule, subject=old.name, old=old, new=new)


def _lost(stem: str, key: _Key) -> Finding:
    """The vendor has it, ours does not."""
    kind = KIND_OF[stem]
    if kind is Kind.REQUIRES and _SYMBOL_VERSION.match(key.name):
        return finding(
            kind, Verdict.COMPATIBLE, "symbol-version-no-longer-required", subject=key.name, old=key
        )
    if _is_soft(kind, key):
        return finding(kind, Verdict.REVIEW, f"{kind}-removed", subject=key.name, old=key)
    if kind is Kind.REQUIRES and key.name.partition("(")[0] in MERGED_INTO_LIBC:
        return finding(kind, Verdict.REVIEW, "requires-in-libc", subject=key.name, old=key)
    return finding(kind, Verdict.INCOMPATIBLE, f"{kind}-removed", subject=key.name, old=key)


def _gained(stem: str, key: _Key) -> Finding:
    """Ours has it, the vendor does not."""
    kind = KIND_OF[stem]
    if kind is Kind.PROVIDES:  # dnf installs for others what provides a name
        generated = _SYMBOL_VERSION.match(key.name) is not None
        verdict = Verdict.COMPATIBLE if generated else Verdict.REVIEW
        return finding(kind, verdict, "provides-added", subject=key.name, new=key)
    if _is_soft(kind, key) or (kind is Kind.REQUIRES and _SYMBOL_VERSION.match(key.name)):
        return finding(kind, Verdict.REVIEW, f"{kind}-added", subject=key.name, new=key)
    return finding(kind, Verdict.INCOMPATIBLE, f"{kind}-added", subject=key.name, new=key)


def _is_soft(kind: Kind, key: _Key) -> bool:
    """Weak and ordering dependencies, and what only the linker's hash style decides: a person looks
    at it.
    """
    return kind in (Kind.WEAK_DEPENDENCY, Kind.ORDER) or key.name.startswith("rtld(")


def _renamed(kind: Kind, fired: tuple[str, str]) -> Finding:
    return finding(kind, Verdict.EXPECTED, "rename", subject=fired[0], old=fired[0])
