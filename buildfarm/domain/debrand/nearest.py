"""The lines most like the text a rule looked for, so that a person sees what changed upstream."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

_MOST_LINES = 20000
_WIDTH = 120


def nearest(wanted: str, lines: Iterable[str]) -> str:
    """A hint with up to three lines most like the first line of ``wanted``.

    >>> nearest("Name x", ["Name: x", "%prep"])
    'nearest lines: Name: x'
    """
    first = "".join(wanted.strip().splitlines()[:1])
    close = difflib.get_close_matches(first, _some(lines), n=3, cutoff=0.3)
    return "nearest lines: " + (
        " | ".join(line.strip()[:_WIDTH] for line in close) or "none is similar"
    )


def _some(lines: Iterable[str]) -> Sequence[str]:
    return [line[:1000] for line in lines if line.strip()][:_MOST_LINES]
