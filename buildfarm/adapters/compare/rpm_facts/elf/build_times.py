"""Values that follow from the time of a build: the year in a banner, ``__DATE__``, a time stamp.

Both sides' times are known from their RPMs. A value counts only if it is right for its own side, so
two dates that mean something else stay a difference.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_DAY = 86_400
_FORMATS = ("%b %e %Y", "%b %d %Y", "%e %b %Y", "%d %b %Y", "%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d.%m.%Y",
            "%B %Y", "%Y")  # fmt: skip
_CLOCK = re.compile(r"\b[0-2]\d:[0-5]\d(?::[0-5]\d)?\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildTimes:
    """Times of both builds, seconds since 1970; 0 is unknown."""

    old: int = 0
    new: int = 0

    def explain_numbers(self, old: int, new: int) -> bool:
        """Check that two constants are the year, or the time within a day, of their builds."""
        if not self.old or not self.new:
            return False
        stamps = abs(old - self.old) <= _DAY and abs(new - self.new) <= _DAY
        years = old in _years(self.old) and new in _years(self.new)
        return (
            stamps or years or (old + 1900 in _years(self.old) and new + 1900 in _years(self.new))
        )

    def explain_texts(self, old: str, new: str) -> bool:
        """Check that two texts are equal but for dates of their builds, and clock times beside
        them.
        """
        if not self.old or not self.new:
            return False
        one, two = _masked(old, self.old), _masked(new, self.new)
        return one == two and "<date>" in one


def _around(stamp: int) -> list[datetime]:
    """Return the days that a build at this time may have called today, in any time zone."""
    now = datetime.fromtimestamp(stamp, UTC)
    return [now + timedelta(days=days) for days in (0, -1, 1)]


def _years(stamp: int) -> set[int]:
    return {day.year for day in _around(stamp)}


def _masked(text: str, stamp: int) -> str:
    for shape in _FORMATS:
        for day in _around(stamp):
            written = re.escape(day.strftime(shape))
            text = re.sub(rf"(?<![\w<]){written}(?!\w)", "<date>", text)
    if "<date>" in text:
        text = _CLOCK.sub("<time>", text)
    return text
