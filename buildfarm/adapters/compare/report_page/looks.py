"""The look of a verdict: its symbol (a path on a grid of 16) and its tone, beside the word."""

from __future__ import annotations

from collections.abc import Mapping

SYMBOLS: Mapping[str, str] = {
    "equals": "M3.5 6h9M3.5 10h9",
    "approx": "M3 6.2c1.7-1.6 3.3-1.6 5 0s3.3 1.6 5 0M3 10.8c1.7-1.6 3.3-1.6 5 0s3.3 1.6 5 0",
    "check": "M3 8.6l3.3 3.2L13 4.6",
    "question": "M5.5 6A2.5 2.5 0 1 1 9.2 8.1C8.4 8.6 8 9.1 8 9.9M8 12.6v.1",
    "plus": "M8 3.5v9M3.5 8h9",
    "cross": "M4 4l8 8M12 4l-8 8",
    "ban": "M8 2.4a5.6 5.6 0 1 0 0 11.2A5.6 5.6 0 1 0 8 2.4M4.2 11.8l7.6-7.6",
    "bolt": "M9 2.2L4 9h3.6L7 13.8 12 7H8.4z",
    "minus": "M3.5 8h9",
    "dot": "M8 6.4a1.6 1.6 0 1 0 0 3.2A1.6 1.6 0 1 0 8 6.4",
}

VERDICTS: Mapping[str, tuple[str, str]] = {
    "IDENTICAL": ("equals", "good"), "EQUIVALENT": ("approx", "good"),
    "EXPECTED": ("check", "good"), "COMPATIBLE": ("check", "good"), "REVIEW": ("question", "warn"),
    "EXTRA": ("plus", "warn"), "INCOMPATIBLE": ("cross", "bad"), "MISSING": ("ban", "bad"),
    "ERROR": ("bolt", "bad"), "UNCOMPARED": ("minus", "mute"),
}  # fmt: skip


def icon(verdict: str) -> str:
    """Return the path of a verdict's symbol; a dot for an unknown word."""
    return SYMBOLS[VERDICTS.get(verdict, ("dot", "mute"))[0]]


def tone(verdict: str) -> str:
    """Return ``good``, ``warn``, ``bad`` or ``mute``."""
    return VERDICTS.get(verdict, ("dot", "mute"))[1]
