"""A mail digest: when it is due and what it says. One message a batch, never a trigger_limits.

A drop of 3,000 SRPMs is one message, or a few: it is sent when nothing more came for a while or the
drop came to rest, and never sooner after the last than the least pause. Failures with one cause are
one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from buildfarm.domain.build.clusters import Cluster
from buildfarm.domain.notify.notice import WANT_A_PERSON, Notice, Topic

_LISTED = 20
"""So many lines of one topic; the rest is a number."""
_ORDER = (
    Topic.APPROVAL, Topic.ON_HOLD, Topic.FAILED, Topic.REFUSED, Topic.WAIVER, Topic.RELEASED, Topic.AT_REST, Topic.RECEIVED,
    Topic.PUBLISHED,
)  # fmt: skip
_HEADS = {
    Topic.APPROVAL: "awaiting approval", Topic.ON_HOLD: "on hold", Topic.FAILED: "failed", Topic.REFUSED: "refused",
    Topic.WAIVER: "about to end", Topic.AT_REST: "finished", Topic.RECEIVED: "received",
    Topic.PUBLISHED: "published", Topic.RELEASED: "released",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often somebody is written to: after ``quiet`` without news, at the latest after
    ``longest``, never sooner than ``least``.
    """

    quiet: timedelta = timedelta(minutes=2)
    longest: timedelta = timedelta(minutes=30)
    least: timedelta = timedelta(minutes=15)


def due_at(notices: Sequence[Notice], last_sent: datetime | None, pace: Pace) -> datetime:
    """When a digest of ``notices`` (not empty) is due.

    >>> from datetime import datetime
    >>> def at(minute, topic=Topic.PUBLISHED):
    ...     return Notice(id=minute, at=datetime(2026, 1, 1, 9, minute), topic=topic, kind="build.published", subject="b",
    ...                   name="n", target="t")
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


def subject_of(notices: Iterable[Notice]) -> str:
    """The mail's subject: what most wants a person first, in numbers.

    >>> from datetime import datetime
    >>> def one(number, topic):
    ...     return Notice(id=number, at=datetime(2026, 1, 1), topic=topic, kind="build.x", subject=str(number), name="zlib-1-1",
    ...                   target="reef-9")
    >>> subject_of([one(1, Topic.PUBLISHED), one(2, Topic.FAILED), one(3, Topic.FAILED)])
    'reef-9: 2 failed, 1 published'
    >>> subject_of([one(1, Topic.FAILED)])
    'zlib-1-1 failed (reef-9)'
    """
    told = list(notices)
    if len(told) == 1:
        return told[0].headline
    targets = sorted({notice.target for notice in told})
    where = targets[0] if len(targets) == 1 else f"{len(targets)} targets"
    counts = [(topic, sum(notice.topic is topic for notice in told)) for topic in _ORDER]
    return f"{where}: " + ", ".join(f"{count} {_HEADS[topic]}" for topic, count in counts if count)


def text_of(notices: Sequence[Notice], failures: Sequence[Cluster], *, url: str) -> str:
    """The mail's body, plain text, a section a topic; ``failures`` are the failed builds among
    ``notices`` by their cause.
    """
    parts: list[str] = []
    for topic in _ORDER:
        told = [notice for notice in notices if notice.topic is topic]
        if not told:
            continue
        lines = _failures(told, failures, url) if topic is Topic.FAILED else _lines(told, url)
        parts.append("\n".join([f"{_HEADS[topic]} ({len(told)})", *lines]))
    return "\n\n".join(parts) + "\n"


def _lines(told: Sequence[Notice], url: str) -> list[str]:
    lines: list[str] = []
    for notice in told[:_LISTED]:
        lines.append(
            f"  {notice.name}: {_one_line(notice.why)}" if notice.why else f"  {notice.name}"
        )
        if notice.topic in (*WANT_A_PERSON, Topic.AT_REST, Topic.RELEASED):
            lines.append(f"    {url}{notice.path}")
    return [*lines, *_rest(told[_LISTED:])]


def _failures(told: Sequence[Notice], clusters: Sequence[Cluster], url: str) -> list[str]:
    """One line a cause; what is no longer failed, or has gone from the store, stands by itself."""
    by_build = {notice.subject: notice for notice in told}
    lines: list[str] = []
    for cluster in clusters:
        members = [by_build.pop(build.id) for build in cluster.builds if build.id in by_build]
        if len(members) == 1:
            lines += _lines(members, url)
        elif members:
            names = ", ".join(notice.name for notice in members[:5])
            more = f" and {len(members) - 5} more" if len(members) > 5 else ""  # noqa: PLR2004  # as many as are named
            lines.append(f"  {len(members)} builds fail because of: {_one_line(cluster.words)}")
            lines.append(f"    {names}{more}")
            lines.append(
                f"    all of one cause again: buildfarm retry --cluster {cluster.id} -t {members[0].target}"
            )
    return lines + _lines(list(by_build.values()), url)


def _rest(left: Sequence[Notice]) -> list[str]:
    return [f"  and {len(left)} more"] if left else []


def _one_line(text: str) -> str:
    """A vendor's or compiler's words without line breaks and control characters, and not endless."""
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return f"{words[:297]}…" if len(words) > 300 else words  # noqa: PLR2004  # a few lines of a terminal
