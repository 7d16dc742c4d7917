"""Verdicts and findings of a comparison, and how they fold.

The ladder is the project's own (see ARCHITECTURE.md, "Verdicts"); the worst finding decides the
file, the worst file the RPM, the worst RPM the SRPM, the worst SRPM the drop.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass


class CodeCause(enum.StrEnum):
    """Reason for which code or data that differs is compatible; without one it is REVIEW."""

    PLACEMENT = "placement"
    """The same functions and data at other addresses; every reference leads to the counterpart."""
    BUILD_TIME = "build-time"
    """Beside that, constants and texts that follow from the time of each build."""
    TOOLCHAIN = "toolchain"
    """Both sides' own records name different compilers."""


class Verdict(enum.StrEnum):
    """Best to worst; the order of definition is the order of badness.

    ``UNCOMPARED`` stands outside the ladder.
    """

    IDENTICAL = "IDENTICAL"
    EQUIVALENT = "EQUIVALENT"
    EXPECTED = "EXPECTED"
    COMPATIBLE = "COMPATIBLE"
    REVIEW = "REVIEW"
    EXTRA = "EXTRA"
    INCOMPATIBLE = "INCOMPATIBLE"
    MISSING = "MISSING"
    ERROR = "ERROR"
    UNCOMPARED = "UNCOMPARED"

    @property
    def badness(self) -> int:
        """Position on the ladder; 0 is best."""
        return _BADNESS[self]

    @property
    def is_compatible(self) -> bool:
        """Return whether programs that run against the vendor's RPM run against ours: COMPATIBLE or
        better.
        """
        return self is not Verdict.UNCOMPARED and self.badness <= _BADNESS[Verdict.COMPATIBLE]


_BADNESS = {verdict: place for place, verdict in enumerate(Verdict)}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict that decides; an empty input is UNCOMPARED, never success.

    >>> worst([Verdict.EQUIVALENT, Verdict.REVIEW])
    <Verdict.REVIEW: 'REVIEW'>
    >>> worst([])
    <Verdict.UNCOMPARED: 'UNCOMPARED'>
    """
    compared = [verdict for verdict in verdicts if verdict is not Verdict.UNCOMPARED]
    return max(compared, key=lambda verdict: verdict.badness, default=Verdict.UNCOMPARED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference (or one thing that was normalised away) between the vendor's RPM and ours.

    ``kind`` is from :mod:`buildfarm.domain.compare.kinds`; ``path`` is a path inside the RPM or
    empty for the header; ``subject`` is what differs there (a tag, a dependency, a symbol);
    ``rule`` names what decided the verdict (a normaliser, ``expect:<source>``, ``waiver:<id>``, or
    the check's own rule). What a rule or a waiver lifted says in ``was`` what it had been: verdict,
    space, rule. ``diff`` is a unified diff of two texts, or the tool's report where a tool decided,
    cut to a readable length.
    """

    kind: str
    path: str
    subject: str
    verdict: Verdict
    rule: str
    old: str
    new: str
    was: str = ""
    diff: str = ""
