"""Surveys: brand words and bootstrap conditions in the text of an SRPM."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.domain.debrand.brand import BrandHit


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """The survey of one SRPM: the first ``hits`` of the ``found`` brand words, its spec's bootstrap
    condition, or the reason why it cannot be read.
    """

    condition: str = ""
    found: int = 0
    hits: tuple[BrandHit, ...] = ()
    problem: str = ""
