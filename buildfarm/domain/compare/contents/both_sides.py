"""The third round: what takes both files at once, and time, and is only asked where their bytes
differ and it would tell more.

Code and data compared function by function, and the ABI as abidiff sees it where the debuginfo of
both sides is at hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from buildfarm.domain.compare.facts.content_facts import AbiFacts, ContentFacts, PairRequest
from buildfarm.domain.compare.facts.elf_facts import ElfFacts
from buildfarm.domain.compare.facts.facts import RpmFacts
from buildfarm.domain.compare.kinds import Kind, finding
from buildfarm.domain.compare.metadata.files import FilePair
from buildfarm.domain.compare.metadata.header import source_name
from buildfarm.domain.core.verdict import Finding, Verdict

_SHARED_OBJECT = 3
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
        if _loads_otherwise(one, two):
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


def _loads_otherwise(one: ElfFacts, two: ElfFacts) -> bool:
    """Return whether what two files load differs, so that somebody must tell why."""
    debug = {*one.unloaded, *two.unloaded}
    before, after = (
        {name: digest for name, digest in facts.sections if name not in debug}
        for facts in (one, two)
    )
    moved = (one.layout, one.entry) != (two.layout, two.entry)
    return before != after or (moved and one.sections == two.sections)


def _is_library(facts: ElfFacts) -> bool:
    return facts.type == _SHARED_OBJECT and not facts.interpreter and bool(facts.exports)


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
