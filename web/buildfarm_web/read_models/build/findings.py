"""The stored comparison of a build for reading; the words are
:mod:`buildfarm.presentation.finding_words`'s.
"""

from __future__ import annotations

from buildfarm.domain.core.records import Comparison
from buildfarm.domain.debrand.brand import is_of_binaries
from buildfarm.ports.store import Transaction
from buildfarm.presentation import finding_words
from buildfarm_web.read_models.core.convert import Json, stamp


def reading(comparison: Comparison) -> Json:
    """A stored comparison, pairs and findings worst first."""
    return {
        **finding_words.reading(comparison.report),
        "id": comparison.id,
        "created": stamp(comparison.created),
        "verdict": comparison.verdict,
        "brand_hits": [dict(hit) for hit in comparison.brand_hits if is_of_binaries(hit)],
        "source_brand_hits": [
            dict(hit) for hit in comparison.brand_hits if not is_of_binaries(hit)
        ],
    }


def newest_comparison(tx: Transaction, build: str) -> Comparison | None:
    """The comparison of a build that is in force."""
    return tx.first(Comparison, build=build, order_by="created,id", descending=True)
