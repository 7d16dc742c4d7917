"""Rehearse a target's debrand rules over a folder of SRPMs: what fits, what no longer does, and what nobody wrote a rule for."""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from buildfarm.domain.brand import UNREAD, BrandHit
from buildfarm.domain.debrand.apply import apply
from buildfarm.domain.debrand.conditions import branch_of
from buildfarm.domain.debrand.outside import Outside
from buildfarm.domain.debrand.rule import Rule
from buildfarm.domain.nevra import EVR
from buildfarm.errors import BuildFarmError


class Standing(enum.StrEnum):
    """What became of one SRPM; the worst comes first."""

    UNFIT = "no longer fits"
    UNREADABLE = "cannot be read"
    BRANDED = "branded, no rule"
    FITS = "fits"
    DONE = "debranded already"
    CLEAN = "clean, no rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One SRPM: ``reason`` says why, ``proposal`` is a rule to begin with where one is wanted."""

    srpm: str
    source: str
    rule: str
    standing: Standing
    reason: str = ""
    hits: int = 0
    proposal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTools:
    """Reads SRPMs, scans them; ``scan`` gives the hits nobody has to explain away yet (``None``: no brand policy)."""

    identity: Callable[[Path], tuple[str, EVR]]
    unpack: Callable[[Path, Path], dict[str, bytes]]
    outside: Callable[[Path], Outside]
    scan: Callable[[Path], Sequence[BrandHit]] | None


def check(
    srpms: Sequence[Path], rules: Sequence[Rule], tools: CheckTools, work: Path, *, target: str, jobs: int
) -> Iterator[Checked]:
    """Check every SRPM, ``jobs`` at a time; results come in the order of ``srpms``. The sandbox does the work, in its own processes."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(functools.partial(_check, rules=rules, tools=tools, work=work, target=target), srpms)


def _check(srpm: Path, *, rules: Sequence[Rule], tools: CheckTools, work: Path, target: str) -> Checked:
    source, rule = "", None
    try:
        source, evr = tools.identity(srpm)
        branch = branch_of(evr.release)
        rule = next(
            (r for r in rules if r.source == source and r.applies_to(target, branch=branch, evr=str(evr))), None
        )
        if rule is None:
            return _without_rule(srpm, source, tools)
        folder = work / f"check-{srpm.name}"
        tree = tools.unpack(srpm, folder)
        out = str(EVR(epoch=evr.epoch, version=evr.version, release=f"{evr.release}{rule.suffix}"))
        applied = apply(rule, tree, evr=out, outside=tools.outside(folder))
        standing = Standing.DONE if applied.already else Standing.FITS
        return Checked(
            srpm=srpm.name, source=source, rule=rule.file, standing=standing,
            reason=applied.already or f"{len(applied.steps)} actions",
        )  # fmt: skip
    except BuildFarmError as error:
        standing = Standing.UNFIT if rule is not None else Standing.UNREADABLE
        return Checked(
            srpm=srpm.name, source=source, rule=rule.file if rule else "", standing=standing, reason=str(error)
        )


def _without_rule(srpm: Path, source: str, tools: CheckTools) -> Checked:
    hits = list(tools.scan(srpm)) if tools.scan is not None else []
    if unread := next((hit for hit in hits if hit.kind == UNREAD), None):
        return Checked(
            srpm=srpm.name,
            source=source,
            rule="",
            standing=Standing.UNREADABLE,
            reason=f"{unread.where}: {unread.context}",
        )
    if not hits:
        return Checked(srpm=srpm.name, source=source, rule="", standing=Standing.CLEAN)
    places = sorted({hit.where for hit in hits})
    return Checked(
        srpm=srpm.name, source=source, rule="", standing=Standing.BRANDED, hits=len(hits),
        reason=f"{len(hits)} hits in {len(places)} places, first {places[0]}: {hits[0].context}",
        proposal=proposal(source, hits),
    )  # fmt: skip


def proposal(source: str, hits: Sequence[BrandHit]) -> str:
    """A rule file to begin with: one action a branded word and file, to be filled in by somebody who read the place."""
    places = sorted({(_where(hit.where), hit.word) for hit in hits if not hit.where.startswith("header:")})
    actions = [
        f"  - replace: {{in: {_quoted(where)}, find: {_quoted(word)}, with: TODO, count: any}}"
        for where, word in places
    ]
    return "\n".join(
        [
            "schema: 1", f"source: {source}", "why: TODO", "date: TODO", "actions:", '  - release: {suffix: ".TODO.1"}', *actions,
            "",
        ]
    )  # fmt: skip


def _where(path: str) -> str:
    return "spec" if path.endswith(".spec") else path.rpartition("/")[2]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
