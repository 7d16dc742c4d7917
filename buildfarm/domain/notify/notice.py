"""Notices: events that subscribers can ask for, each under one topic.

Most events are under no topic. Feeds, webhooks and mail carry notices; the Redis stream carries
every event.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from buildfarm.domain.core.build import Gate


class Topic(enum.StrEnum):
    """Topics of notices, to which people subscribe."""

    RECEIVED = "received"  # a drop came
    APPROVAL = "approval"  # a drop's plan waits for a person
    ON_HOLD = "on_hold"  # a build or a whole drop waits for a person
    FAILED = "failed"
    REFUSED = "refused"  # built and compared, and the destination tag does not take it
    PUBLISHED = "published"
    AT_REST = "at_rest"  # nothing of a drop moves by itself any more
    RELEASED = "released"  # a compose was promoted: it is what users of its tag get
    WAIVER = "waiver"  # a waiver ends within days, or has ended


WANT_A_PERSON = (Topic.APPROVAL, Topic.ON_HOLD, Topic.FAILED, Topic.REFUSED, Topic.WAIVER)

_TOPICS: Mapping[str, Topic] = {
    "drop.received": Topic.RECEIVED,
    "drop.approval_awaited": Topic.APPROVAL,
    "drop.on_hold": Topic.ON_HOLD,
    "drop.at_rest": Topic.AT_REST,
    "build.on_hold": Topic.ON_HOLD,
    "build.failed": Topic.FAILED,
    "build.published": Topic.PUBLISHED,
    "compose.released": Topic.RELEASED,
    "waiver.expiring": Topic.WAIVER,
    "waiver.expired": Topic.WAIVER,
}
_JUDGED = ("build.compared", "build.refused", "build.judged")


def topic_of(kind: str, data: Mapping[str, object]) -> Topic | None:
    """Return the topic of an event by its kind and data; ``None`` if only the stream carries it.

    >>> topic_of("build.compared", {"gate": "refused"})
    <Topic.REFUSED: 'refused'>
    >>> topic_of("build.compared", {"gate": "passed"})
    """
    if kind in _JUDGED:
        return Topic.REFUSED if data.get("gate") == Gate.REFUSED else None
    return _TOPICS.get(kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """An event of a build, drop, compose or waiver (``subject`` is its id) with the facts of its
    time.

    ``id`` is the event's number. ``name`` is what people call the subject: an NVR, a drop's name,
    the id of a compose or waiver. A drop and a compose have no ``source``; of a waiver ``target``
    and ``source`` are globs. ``drop_id`` names the drop it belongs to, if any.
    """

    id: int
    at: datetime
    topic: Topic
    kind: str
    subject: str
    name: str
    target: str
    source: str = ""
    sig: str = ""
    drop_id: str = ""
    actor: str = ""
    why: str = ""
    data: dict[str, object] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Return where the page says more, below the farm's address."""
        room = self.kind.partition(".")[0]
        return "/waivers" if room == "waiver" else f"/{room}s/{self.subject}"
