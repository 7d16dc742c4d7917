"""What an SRPM says as plain text."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.domain.debrand.brand import BrandHit


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """What one SRPM says: the first ``hits`` of the ``found`` brand words, its spec's bootstrap
    condition, or why it cannot be read.
    """

    condition: str = ""
    found: int = 0
    hits: tuple[BrandHit, ...] = ()
    problem: str = ""
