"""The stored comparison of a build for reading; the words are :mod:`buildfarm.domain.compare.plain`'s."""

from __future__ import annotations

from collections.abc import Iterable

from buildfarm.domain.brand import is_of_binaries
from buildfarm.domain.compare import plain
from buildfarm.domain.compare.plain import badness, pairs_of, unpaired_of
from buildfarm.domain.records import Comparison
from buildfarm.domain.verdict import Verdict
from buildfarm.ports import Transaction
from buildfarm_web.read_models.plain import Json, find_each, stamp


def reading(comparison: Comparison) -> Json:
    """A stored comparison, pairs and findings worst first."""
    return {
        **plain.reading(comparison.report),
        "id": comparison.id,
        "created": stamp(comparison.created),
        "verdict": comparison.verdict,
        "brand_hits": [dict(hit) for hit in comparison.brand_hits if is_of_binaries(hit)],
        "source_brand_hits": [dict(hit) for hit in comparison.brand_hits if not is_of_binaries(hit)],
    }


def worst_line(comparison: Comparison) -> str:
    """What decided a verdict, in words: the worst finding, the RPM it is in, and how many are as bad."""
    lines: list[tuple[int, str]] = []
    for pair in pairs_of(comparison.report):
        rpm = pair["new"] or pair["old"]
        lines += [(badness(item.get("verdict")), f"{rpm}: {item['plain']}") for item in pair["findings"]]
    for item in unpaired_of(comparison.report, "missing", Verdict.MISSING):
        lines.append((badness(item["verdict"]), f"the vendor's {item['rpm']} is missing from ours"))
    for item in unpaired_of(comparison.report, "extra", Verdict.EXTRA):
        lines.append((badness(item["verdict"]), f"{item['rpm']} is not the vendor's"))
    if not lines:
        return ""
    worst = max(bad for bad, _ in lines)
    if worst <= Verdict.COMPATIBLE.badness:
        return ""
    as_bad = [line for bad, line in lines if bad == worst]
    more = f" (and {len(as_bad) - 1} more as bad)" if len(as_bad) > 1 else ""
    return f"{as_bad[0]}{more}"


def newest_comparisons(tx: Transaction, builds: Iterable[str]) -> dict[str, Comparison]:
    """The comparison in force of each build that has one."""
    found: dict[str, Comparison] = {}
    for comparison in find_each(tx, Comparison, "build", builds):
        held = found.get(comparison.build)
        if held is None or held.created <= comparison.created:
            found[comparison.build] = comparison
    return found
