"""Code and data that differ: with a cause on record it is COMPATIBLE, without one a person looks.

Causes are what both files prove (:class:`CodeCause`), or another toolchain by both sides' own records.
A toolchain explains other instructions, never another interface: texts that only ours has, and
functions that only ours calls, have no such cause. Nothing is inferred from the difference itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from buildfarm.domain.compare.contents.notes import Notes
from buildfarm.domain.compare.facts.content_facts import CodePair
from buildfarm.domain.compare.facts.elf_facts import ElfFacts
from buildfarm.domain.compare.kinds import Kind
from buildfarm.domain.core.verdict import CodeCause, Finding, Verdict

_SHOWN = 6
_PREFIX = re.compile(r"^_*(?:isoc(?:99|23)_|libc_)?")
_SUFFIX = re.compile(r"(?:_chk|_unlocked|_finite|64|_2)?$")
RULES = {
    "code-moved": CodeCause.PLACEMENT,
    "code-build-time": CodeCause.BUILD_TIME,
    "code-toolchain": CodeCause.TOOLCHAIN,
}
"""The rules of findings with a cause."""
_RENAMED = frozenset({"stack_chk_fail", "cxa_finalize", "gmon_start"})


def judge_sections(old: ElfFacts, new: ElfFacts, notes: Notes, pair: CodePair | None) -> list[str]:
    """Judge the sections that differ; return their names."""
    before, after = dict(old.sections), dict(new.sections)
    differing = [
        name for name in dict.fromkeys((*before, *after)) if before.get(name) != after.get(name)
    ]
    debug = {*old.unloaded, *new.unloaded}
    loaded = [name for name in differing if name not in debug]
    if loaded:
        _judge_loaded(old, new, notes, pair, loaded)
    elif differing:
        subject = f"what debuggers read differs: {' '.join(differing)}"
        notes.add(Kind.ELF_DEBUG, Verdict.COMPATIBLE, "elf-debug", subject)
    return differing


def _judge_loaded(
    old: ElfFacts, new: ElfFacts, notes: Notes, pair: CodePair | None, sections: Sequence[str]
) -> None:
    where = f"{len(sections)} sections differ: {' '.join(sections)}"
    cause, words = _cause(old, new, pair)
    if pair is not None and cause and set(sections) <= set(pair.covered):
        notes.add(Kind.ELF_CODE, Verdict.COMPATIBLE, cause, f"{words}; {where}")
        return
    notes.add(
        Kind.ELF_CODE,
        Verdict.REVIEW,
        "code-differs",
        f"{words}; {where}" if words else where,
        diff="" if pair is None else _side_by_side(pair),
    )


def _cause(old: ElfFacts, new: ElfFacts, pair: CodePair | None) -> tuple[str, str]:
    """Return the rule of the cause, empty without one, and words about what differs."""
    if pair is None:  # nobody compared the texts, so no record explains anything
        return "", ""
    if pair.functions and pair.cause is CodeCause.PLACEMENT:
        return "code-moved", "all functions and data are equal, at other addresses"
    if pair.functions and pair.cause is CodeCause.BUILD_TIME:
        return "code-build-time", f"the time of the build: {_some(_names(pair))}"
    made = [
        frozenset((*old.toolchain, *pair.old_toolchain)),
        frozenset((*new.toolchain, *pair.new_toolchain)),
    ]
    changed = f"changed: {_some(_names(pair), pair.changed)}" if pair.changes else ""
    if not all(made) or made[0] == made[1]:
        return "", changed
    unexplained = _beyond_toolchain(old, new, pair)
    if unexplained:
        return "", "; ".join(filter(None, (unexplained, changed)))
    tools = (_some(sorted(made[at] - made[1 - at]) or sorted(made[at])) for at in (0, 1))
    return "code-toolchain", f"made by another toolchain: {' → '.join(tools)}"


def _beyond_toolchain(old: ElfFacts, new: ElfFacts, pair: CodePair) -> str:
    """Return in words what another toolchain does not explain; empty if there is nothing."""
    asked = unexplained_imports(old.imports, new.imports)
    if asked:
        return f"ours calls {_some(asked)}, which no other toolchain explains"
    return f"only ours has the text {pair.texts[0][:60]!r}" if pair.texts else ""


def with_causes(findings: Sequence[Finding], accepted: Collection[CodeCause]) -> list[Finding]:
    """Return the findings; code with a cause that a target does not accept is REVIEW."""
    refused = {rule for rule, cause in RULES.items() if cause not in accepted}
    return [
        replace(item, verdict=Verdict.REVIEW) if item.rule in refused else item for item in findings
    ]


def unexplained_imports(old: Collection[str], new: Collection[str]) -> list[str]:
    """Return what ours asks for that is not the vendor's function under another name of libc's.

    >>> unexplained_imports(["__printf_chk@GLIBC_2.3.4"], ["printf@GLIBC_2.2.5", "system@GLIBC_2.2.5"])
    ['system@GLIBC_2.2.5']
    """
    known = {_stem(name) for name in old}
    return sorted(name for name in set(new) - set(old) if _stem(name) not in known | _RENAMED)


def _stem(name: str) -> str:
    plain = name.partition("@")[0]
    return _SUFFIX.sub("", _PREFIX.sub("", plain))


def _names(pair: CodePair) -> list[str]:
    return list(dict.fromkeys(change.what for change in pair.changes))


def _some(names: Sequence[str], count: int = 0) -> str:
    left = max(count, len(names)) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {left} more" if left > 0 else "")


def _side_by_side(pair: CodePair) -> str:
    """Return the changes in two columns, the vendor's on the left."""
    rows: list[str] = []
    for change in pair.changes:
        old, new = change.old.splitlines(), change.new.splitlines()
        width = max((len(line) for line in old), default=0)
        rows.append(f"{change.what}:")
        for at in range(max(len(old), len(new))):
            left = old[at] if at < len(old) else ""
            right = new[at] if at < len(new) else ""
            rows.append(f"  {left:<{width}} {' ' if left == right else '|'} {right}".rstrip())
    return "\n".join(rows)
