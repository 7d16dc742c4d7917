"""The third round: what takes both files at once, and time, and is only asked where their bytes
differ and it would tell more.

Code compared with its addresses masked, and the ABI as abidiff sees it where the debuginfo of both
sides is at hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from buildfarm.domain.compare.facts.content_facts import (
    AbiFacts,
    BothSides,
    ContentFacts,
    PairRequest,
)
from buildfarm.domain.compare.facts.elf_facts import ElfFacts
from buildfarm.domain.compare.facts.facts import RpmFacts
from buildfarm.domain.compare.kinds import Kind, finding
from buildfarm.domain.compare.metadata.files import FilePair
from buildfarm.domain.compare.metadata.header import source_name
from buildfarm.domain.core.verdict import Finding, Verdict

_SHARED_OBJECT = 3
_X86 = (3, 62)
_SHOWN = 6
_FILL = 64
_BAD_CALL, _CHANGED, _INCOMPATIBLE = 3, 4, 8


def debuginfo_of(facts: RpmFacts, siblings: Sequence[RpmFacts]) -> RpmFacts | None:
    """The debuginfo RPM of an RPM among its siblings: by its own name, else the source's (before
    rpm 4.14 there was one a source).
    """
    for name in (f"{facts.name}-debuginfo", f"{source_name(facts)}-debuginfo"):
        for other in siblings:
            if (
                other.name == name
                and (other.evr, other.arch) == (facts.evr, facts.arch)
                and not other.error
            ):
                return other
    return None


def request(
    pairs: Sequence[FilePair], files: tuple[RpmFacts, RpmFacts], debug: tuple[str, str],
    old: Mapping[str, ContentFacts], new: Mapping[str, ContentFacts],
) -> PairRequest | None:  # fmt: skip
    """Return what of two RPMs is worth the third round; ``None`` where nothing is."""
    code, abi = [], []
    for pair in pairs:
        before, after = old.get(pair.old.path), new.get(pair.new.path)
        if (
            before is None
            or after is None
            or before.normal == after.normal
            or before.error
            or after.error
        ):
            continue
        one, two = before.elf, after.elf
        if one is None or two is None or one.archive or two.archive or one.module or two.module:
            continue
        paths = pair.old.path, pair.new.path
        if _only_moved(one, two):
            code.append(paths)
        if (
            _is_library(one)
            and _is_library(two)
            and (debug[0] or one.debuginfo)
            and (debug[1] or two.debuginfo)
        ):
            abi.append(paths)
    if not code and not abi:
        return None
    return PairRequest(
        old=files[0].file,
        new=files[1].file,
        code=tuple(code),
        abi=tuple(abi),
        old_debug=debug[0],
        new_debug=debug[1],
    )


def _text(facts: ElfFacts) -> str:
    return dict(facts.sections).get(".text", "")


def _only_moved(one: ElfFacts, two: ElfFacts) -> bool:
    """Return whether code that differs may be the same at other addresses.

    Its interface is equal then, and it is as long as before but for what the linker fills up to the
    next boundary.
    """
    return (
        one.machine == two.machine
        and one.machine in _X86
        and _text(one) != _text(two)
        and abs(one.code_size - two.code_size) <= _FILL
        and (one.exports, one.imports, one.needed) == (two.exports, two.imports, two.needed)
    )


def _is_library(facts: ElfFacts) -> bool:
    return facts.type == _SHARED_OBJECT and not facts.interpreter and bool(facts.exports)


def told_of_code(facts: BothSides) -> tuple[str, str]:
    """Rule and words about code that differs; empty where nothing more is known."""
    old, new = facts.old_code, facts.new_code
    if old is None or new is None:
        return "", ""
    if (old.digest, old.instructions) == (new.digest, new.instructions):
        return (
            "code-moved",
            f"all {old.instructions} instructions are equal with addresses masked; ",
        )
    before, after = dict(old.functions), dict(new.functions)
    differing = [name for name in before if name in after and before[name] != after[name]]
    lost, gained = (
        [name for name in before if name not in after],
        [name for name in after if name not in before],
    )
    words = [
        f"{what}: {_some(names)}"
        for what, names in (
            ("code differs in", differing),
            ("only the vendor's has", lost),
            ("only ours has", gained),
        )
        if names
    ]
    return (
        "code-differs",
        f"{'; '.join(words) or 'equal instructions that point to other places'}; ",
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def judge_abi(path: str, facts: AbiFacts | None) -> list[Finding]:
    """Findings of abidiff's answer: its exit code decides (libabigail manual, "abidiff", Return
    values).

    A change that it does not call incompatible can still be one (a structure's member that moved):
    a person must look.
    """
    if facts is None or facts.status == 0:
        return []
    if (
        facts.status is None
        or facts.status & _BAD_CALL
        or facts.status & ~(_CHANGED | _INCOMPATIBLE | _BAD_CALL)
    ):
        why = facts.error or f"abidiff ended with {facts.status}: {facts.report[:300]}"
        return [
            finding(
                Kind.ABI_CHECK, Verdict.ERROR, "abi-check", path=path, subject="abidiff", new=why
            )
        ]
    broken = bool(facts.status & _INCOMPATIBLE)
    verdict, rule = (
        (Verdict.INCOMPATIBLE, "abi-incompatible") if broken else (Verdict.REVIEW, "abi-changed")
    )
    summary = "; ".join(line.strip() for line in facts.report.splitlines()[:2])
    return [
        replace(
            finding(Kind.ABI, verdict, rule, path=path, subject="abidiff", new=summary),
            diff=facts.report,
        )
    ]
