"""Mail digests: when the next one to an address is due.

A drop of 3,000 SRPMs is one mail, or a few: a digest is sent when no new notice came for a while or
the drop is finished, and never sooner after the last one than the least pause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from buildfarm.domain.notify.notice import Notice, Topic


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Pauses between digests: one is due after ``quiet`` without a new notice, at the latest after
    ``longest``, and never sooner than ``least`` after the last.
    """

    quiet: timedelta = timedelta(minutes=2)
    longest: timedelta = timedelta(minutes=30)
    least: timedelta = timedelta(minutes=15)


def due_at(notices: Sequence[Notice], last_sent: datetime | None, pace: Pace) -> datetime:
    """Return when a digest of ``notices`` (not empty) is due.

    >>> from datetime import datetime
    >>> def at(minute, topic=Topic.PUBLISHED):
    ...     return Notice(id=minute, at=datetime(2026, 1, 1, 9, minute), topic=topic,
    ...                   kind="build.published", subject="b", name="n", target="t")
    >>> due_at([at(0), at(3)], None, Pace()).minute
    5
    >>> due_at([at(0), at(3, Topic.AT_REST)], None, Pace()).minute
    3
    >>> due_at([at(3)], datetime(2026, 1, 1, 8, 59), Pace()).minute
    14
    """
    newest = max(notice.at for notice in notices)
    oldest = min(notice.at for notice in notices)
    is_over = any(notice.topic is Topic.AT_REST for notice in notices)
    wanted = newest if is_over else min(newest + pace.quiet, oldest + pace.longest)
    return max(wanted, last_sent + pace.least) if last_sent is not None else wanted
