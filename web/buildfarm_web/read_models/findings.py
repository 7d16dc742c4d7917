"""The stored comparison of a build for reading; the words are :mod:`buildfarm.domain.compare.plain`'s."""

from __future__ import annotations

from buildfarm.domain.brand import is_of_binaries
from buildfarm.domain.compare import plain
from buildfarm.domain.records import Comparison
from buildfarm.ports.store import Transaction
from buildfarm_web.read_models.plain import Json, stamp


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


def newest_comparison(tx: Transaction, build: str) -> Comparison | None:
    """The comparison of a build that is in force."""
    return tx.first(Comparison, build=build, order_by="created,id", descending=True)
