"""Subscriptions and deliveries.

A subscription chooses notices by topic and scope; a delivery is one notice owed to one subscription
until it was accepted or given up. Owns the choice, and when a refused delivery is tried again.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from buildfarm.domain.notify.notice import Notice

MOST_ATTEMPTS = 12
_FIRST_PAUSE_S, _FACTOR, _LONGEST_PAUSE_S = 5.0, 4.0, 6 * 3600.0


class Channel(enum.StrEnum):
    """Channels of delivery."""

    MAIL = "mail"
    WEBHOOK = "webhook"


class DeliveryState(enum.StrEnum):
    """State of a delivery; a dead one is tried again only on a person's request."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A request for notices: ``address`` is an e-mail address or a URL, ``owner`` the account that
    made it.

    ``target`` and ``source`` are globs (fnmatch(3)), ``sig`` is a SIG's name or empty for any.
    ``topics`` are never empty. It holds until ``ended``.
    """

    id: str
    owner: str
    channel: Channel
    address: str
    topics: tuple[str, ...]
    target: str = "*"
    source: str = "*"
    sig: str = ""
    created: datetime
    ended: datetime | None = None
    ended_why: str = ""

    def wants(self, notice: Notice) -> bool:
        """Return whether this notice is to be told.

        A drop has no source: only who asks for every source hears of it. A waiver's globs may
        overlap with ours.

        >>> from datetime import datetime
        >>> from buildfarm.domain.notify.notice import Topic
        >>> mine = Subscription(id="s", owner="ann", channel=Channel.MAIL,
        ...                     address="ann@reef.example", topics=("failed",), source="python3*",
        ...                     created=datetime(2026, 1, 1))
        >>> def failed(source):
        ...     return Notice(id=1, at=datetime(2026, 1, 1), topic=Topic.FAILED,
        ...                   kind="build.failed", subject="b", name=source,
        ...                   target="reef-9", source=source)
        >>> mine.wants(failed("python3.12")), mine.wants(failed("zlib"))
        (True, False)
        """
        return (
            notice.topic in self.topics
            and (not self.sig or self.sig == notice.sig)
            and _overlap(self.target, notice.target)
            and _overlap(self.source, notice.source)
        )


def _overlap(wanted: str, own: str) -> bool:
    return fnmatchcase(own, wanted) or ("*" in own and fnmatchcase(wanted, own))


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One notice owed to one subscription.

    ``id`` is made of both, so that it exists once; receivers see it as ``webhook-id``.

    ``due`` is when it is tried next, ``status`` what the last try met with. ``batch`` names the
    mail it goes out with, once that is decided.
    """

    id: str
    subscription: str
    channel: Channel
    address: str
    notice: int
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    due: datetime
    status: str = ""
    batch: str = ""
    created: datetime
    settled: datetime | None = None


def delivery_id(subscription: Subscription, notice: Notice) -> str:
    """The same for the same notice and subscription, for ever."""
    return f"msg_{subscription.id}_{notice.id}"


def pause_after(attempts: int, chance: float) -> timedelta | None:
    """Return how long to wait after so many failed tries; ``None``: give it up.

    It grows from five seconds to six hours, a day and a half in all; ``chance`` (0 to 1) takes up
    to a quarter off, so that what failed together does not come back together.

    >>> [pause_after(n, 0.0).total_seconds() for n in (1, 2, 3, 7, 11)], pause_after(12, 0.0)
    ([5.0, 20.0, 80.0, 20480.0, 21600.0], None)
    >>> pause_after(1, 1.0).total_seconds()
    3.75
    """
    if attempts >= MOST_ATTEMPTS:
        return None
    pause = min(_FIRST_PAUSE_S * _FACTOR ** (attempts - 1), _LONGEST_PAUSE_S)
    return timedelta(seconds=pause * (1 - chance / 4))
