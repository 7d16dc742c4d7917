"""Rule check: rehearses a target's debrand rules over a folder of SRPMs and lists those that fit,
those that no longer do, and branded sources without a rule.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from buildfarm.domain.core.nevra import EVR
from buildfarm.domain.debrand.apply import apply
from buildfarm.domain.debrand.brand import UNREAD, BrandHit
from buildfarm.domain.debrand.conditions import branch_of
from buildfarm.domain.debrand.outside import Outside
from buildfarm.domain.debrand.rule import Rule
from buildfarm.errors import BuildFarmError, InputError

_MOST_IN_A_SHARE = 32


class SourceStatus(enum.StrEnum):
    """Result of the check of one SRPM; the worst comes first."""

    UNFIT = "no longer fits"
    UNREADABLE = "cannot be read"
    BRANDED = "branded, no rule"
    FITS = "fits"
    DONE = "debranded already"
    CLEAN = "clean, no rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One SRPM with its result: ``reason`` explains it, ``proposal`` is a rule to begin with where
    one is needed.
    """

    srpm: str
    source: str
    rule: str
    standing: SourceStatus
    reason: str = ""
    hits: int = 0
    proposal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTools:
    """Reads SRPMs, scans them.

    ``identities`` and ``scan`` take many at once, since starting a sandbox costs more than reading
    a small SRPM: name and EVR of each in that order (or what is wrong with it), and the hits by
    file name that no rule allows yet (``None``: no brand policy).
    """

    identities: Callable[[Sequence[Path]], Sequence[tuple[str, EVR] | InputError]]
    unpack: Callable[[Path, Path], dict[str, bytes]]
    outside: Callable[[Path], Outside]
    scan: Callable[[Sequence[Path]], Mapping[str, Sequence[BrandHit]]] | None


def check(
    srpms: Sequence[Path],
    rules: Sequence[Rule],
    tools: CheckTools,
    work: Path,
    *,
    target: str,
    jobs: int,
) -> Iterator[Checked]:
    """Check every SRPM, ``jobs`` shares at a time, in sandboxes; results come in the order of
    ``srpms``.
    """
    size = max(1, min(_MOST_IN_A_SHARE, -(-len(srpms) // jobs)))
    shares = [srpms[start : start + size] for start in range(0, len(srpms), size)]
    with ThreadPoolExecutor(jobs) as pool:
        for found in pool.map(
            functools.partial(_check, rules=rules, tools=tools, work=work, target=target), shares
        ):
            yield from found


def _check(
    srpms: Sequence[Path], *, rules: Sequence[Rule], tools: CheckTools, work: Path, target: str
) -> list[Checked]:
    checked: dict[Path, Checked] = {}
    without: dict[Path, str] = {}
    for srpm, identity in zip(srpms, tools.identities(srpms), strict=True):
        if isinstance(identity, InputError):
            checked[srpm] = Checked(
                srpm=srpm.name,
                source="",
                rule="",
                standing=SourceStatus.UNREADABLE,
                reason=str(identity),
            )
            continue
        source, evr = identity
        branch = branch_of(evr.release)
        rule = next(
            (
                r
                for r in rules
                if r.source == source and r.applies_to(target, branch=branch, evr=str(evr))
            ),
            None,
        )
        if rule is None:
            without[srpm] = source
        else:
            checked[srpm] = _with_rule(srpm, source, evr, rule, tools, work / f"check-{srpm.name}")
    checked |= _without_rule(without, tools)
    return [checked[srpm] for srpm in srpms]


def _with_rule(
    srpm: Path, source: str, evr: EVR, rule: Rule, tools: CheckTools, folder: Path
) -> Checked:
    try:
        tree = tools.unpack(srpm, folder)
        out = str(EVR(epoch=evr.epoch, version=evr.version, release=f"{evr.release}{rule.suffix}"))
        applied = apply(rule, tree, evr=out, outside=tools.outside(folder))
    except BuildFarmError as error:
        return Checked(
            srpm=srpm.name,
            source=source,
            rule=rule.file,
            standing=SourceStatus.UNFIT,
            reason=str(error),
        )
    standing = SourceStatus.DONE if applied.already else SourceStatus.FITS
    reason = applied.already or f"{len(applied.steps)} actions"
    return Checked(srpm=srpm.name, source=source, rule=rule.file, standing=standing, reason=reason)


def _without_rule(srpms: Mapping[Path, str], tools: CheckTools) -> dict[Path, Checked]:
    try:
        hits = tools.scan(list(srpms)) if tools.scan is not None and srpms else {}
    except BuildFarmError as error:
        if len(srpms) > 1:  # one of them took the scan down with it: find out which
            alone = [_without_rule({srpm: source}, tools) for srpm, source in srpms.items()]
            return {srpm: found for one in alone for srpm, found in one.items()}
        return {
            srpm: Checked(
                srpm=srpm.name,
                source=source,
                rule="",
                standing=SourceStatus.UNREADABLE,
                reason=str(error),
            )
            for srpm, source in srpms.items()
        }
    return {srpm: _judged(srpm, source, hits.get(srpm.name, ())) for srpm, source in srpms.items()}


def _judged(srpm: Path, source: str, hits: Sequence[BrandHit]) -> Checked:
    if unread := next((hit for hit in hits if hit.kind == UNREAD), None):
        why = f"{unread.where}: {unread.context}"
        return Checked(
            srpm=srpm.name, source=source, rule="", standing=SourceStatus.UNREADABLE, reason=why
        )
    if not hits:
        return Checked(srpm=srpm.name, source=source, rule="", standing=SourceStatus.CLEAN)
    places = sorted({hit.where for hit in hits})
    return Checked(
        srpm=srpm.name, source=source, rule="", standing=SourceStatus.BRANDED, hits=len(hits),
        reason=f"{len(hits)} hits in {len(places)} places, first {places[0]}: {hits[0].context}",
        proposal=proposal(source, hits),
    )  # fmt: skip


def proposal(source: str, hits: Sequence[BrandHit]) -> str:
    """Return a rule file to begin with: one action for each branded word and file, to be completed
    by a person who has read the places.
    """
    places = sorted(
        {(_where(hit.where), hit.word) for hit in hits if not hit.where.startswith("header:")}
    )
    actions = [
        f"  - replace: {{in: {_quoted(where)}, find: {_quoted(word)}, with: TODO, count: any}}"
        for where, word in places
    ]
    return "\n".join(
        [
            "schema: 1", f"source: {source}", "why: TODO", "date: TODO", "actions:",
            '  - release: {suffix: ".TODO.1"}', *actions, "",
        ]
    )  # fmt: skip


def _where(path: str) -> str:
    return "spec" if path.endswith(".spec") else path.rpartition("/")[2]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
