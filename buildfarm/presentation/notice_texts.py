"""Notices as text for people and as messages for programs: feeds, mail and webhooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from buildfarm.domain.build.clusters import Cluster
from buildfarm.domain.notify.notice import WANT_A_PERSON, Notice, Topic

_LISTED = 20
"""Lines of one topic; the rest is a number."""
_HEADS = {
    Topic.APPROVAL: "awaiting approval",
    Topic.ON_HOLD: "on hold",
    Topic.FAILED: "failed",
    Topic.REFUSED: "refused",
    Topic.WAIVER: "about to end",
    Topic.RELEASED: "released",
    Topic.AT_REST: "finished",
    Topic.RECEIVED: "received",
    Topic.PUBLISHED: "published",
}
"""Headings of a digest's sections, in their order."""
_SUBJECTS = {"drop": "drop ", "compose": "compose ", "waiver": "waiver "}
_PREDICATES: Mapping[Topic, str] = {
    Topic.RECEIVED: "came",
    Topic.APPROVAL: "awaits approval",
    Topic.ON_HOLD: "is on hold",
    Topic.FAILED: "failed",
    Topic.REFUSED: "was refused by the destination tag",
    Topic.PUBLISHED: "is published",
    Topic.AT_REST: "has come to rest",
    Topic.RELEASED: "is what users get now",
    Topic.WAIVER: "ends",
}


def headline(notice: Notice) -> str:
    """Return one line for people, without the reason.

    >>> from datetime import datetime
    >>> headline(Notice(id=1, at=datetime(2026, 1, 1), topic=Topic.FAILED, kind="build.failed",
    ...                 subject="ab", name="zlib-1-1", target="reef-9"))
    'zlib-1-1 failed (reef-9)'
    """
    where = f" ({notice.target})" if notice.target not in ("", "*") else ""
    subject = _SUBJECTS.get(notice.kind.partition(".")[0], "")
    return f"{subject}{notice.name} {_PREDICATES[notice.topic]}{where}"


def webhook_message(notice: Notice, *, url: str) -> dict[str, object]:
    """Return a notice as webhooks carry it (Standard Webhooks: ``type``, ``timestamp``, ``data``);
    ``url`` is the farm's address.
    """
    return {
        "type": f"buildfarm.{notice.topic.value}",
        "timestamp": notice.at.isoformat(),
        "data": {
            "event": notice.id, "kind": notice.kind, "subject": notice.subject, "name": notice.name,
            "target": notice.target, "source": notice.source, "sig": notice.sig, "drop": notice.drop_id,
            "actor": notice.actor, "why": notice.why, "url": f"{url}{notice.path}", **notice.data,
        },
    }  # fmt: skip


def digest_subject(notices: Iterable[Notice]) -> str:
    """Return the subject of a digest: a number a topic, first those that need a person.

    >>> from datetime import datetime
    >>> def one(number, topic):
    ...     return Notice(id=number, at=datetime(2026, 1, 1), topic=topic, kind="build.x",
    ...                   subject=str(number), name="zlib-1-1", target="reef-9")
    >>> digest_subject([one(1, Topic.PUBLISHED), one(2, Topic.FAILED), one(3, Topic.FAILED)])
    'reef-9: 2 failed, 1 published'
    >>> digest_subject([one(1, Topic.FAILED)])
    'zlib-1-1 failed (reef-9)'
    """
    every = list(notices)
    if len(every) == 1:
        return headline(every[0])
    targets = sorted({notice.target for notice in every})
    where = targets[0] if len(targets) == 1 else f"{len(targets)} targets"
    counts = [(topic, sum(notice.topic is topic for notice in every)) for topic in _HEADS]
    return f"{where}: " + ", ".join(f"{count} {_HEADS[topic]}" for topic, count in counts if count)


def digest_text(notices: Sequence[Notice], failures: Sequence[Cluster], *, url: str) -> str:
    """Return the plain text of a digest, a section a topic; ``failures`` are the failed builds
    among ``notices`` by their cause.
    """
    parts: list[str] = []
    for topic, head in _HEADS.items():
        chosen = [notice for notice in notices if notice.topic is topic]
        if not chosen:
            continue
        lines = _failures(chosen, failures, url) if topic is Topic.FAILED else _lines(chosen, url)
        parts.append("\n".join([f"{head} ({len(chosen)})", *lines]))
    return "\n\n".join(parts) + "\n"


def _lines(notices: Sequence[Notice], url: str) -> list[str]:
    lines: list[str] = []
    for notice in notices[:_LISTED]:
        lines.append(
            f"  {notice.name}: {_one_line(notice.why)}" if notice.why else f"  {notice.name}"
        )
        if notice.topic in (*WANT_A_PERSON, Topic.AT_REST, Topic.RELEASED):
            lines.append(f"    {url}{notice.path}")
    return [*lines, *_rest(notices[_LISTED:])]


def _failures(notices: Sequence[Notice], clusters: Sequence[Cluster], url: str) -> list[str]:
    """Return a line for each cause; a build that no longer fails, or was deleted, has its own."""
    by_build = {notice.subject: notice for notice in notices}
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
    """Return a vendor's or compiler's text without line breaks and control characters, cut."""
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return f"{words[:297]}…" if len(words) > 300 else words  # noqa: PLR2004  # a few lines of a terminal
