"""Idempotency: answers stored under a client's key, so that a repeated request is carried out once.

After draft-ietf-httpapi-idempotency-key-header-07: the same key with the same request gets the
stored answer; with another request it is refused; while the first request is being processed, the
second has to wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from buildfarm.errors import Conflict, InputError

KEPT_FOR = timedelta(hours=24)
GIVEN_UP_AFTER = timedelta(minutes=10)
"""A request that is at work for longer died with its process; no request of ours takes that
long.
"""


class StillAtWork(Conflict):
    """The same request was sent before and is not answered yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """The stored answer under a caller's key.

    ``status`` is 0 while the request is at work; ``fingerprint`` is the digest of the request.

    ``id`` is a digest of caller and key; ``created`` is when the request that is at work, or was
    answered, began.
    """

    id: str
    fingerprint: str
    status: int = 0
    content_type: str = ""
    location: str = ""
    body: str = ""
    created: datetime


def answered(kept: KeptAnswer, fingerprint: str, now: datetime) -> bool:
    """Return whether the stored answer is to be given again; False: the request is to be done
    (again).

    :raises InputError: the key stands for another request. :raises StillAtWork: the first is still
        at work.

    >>> from datetime import UTC
    >>> then = datetime(2026, 1, 1, tzinfo=UTC)
    >>> kept = KeptAnswer(id="k", fingerprint="f", status=201, created=then)
    >>> answered(kept, "f", then), answered(kept, "f", then + KEPT_FOR)
    (True, False)
    """
    if now - kept.created >= KEPT_FOR:
        return False
    if kept.fingerprint != fingerprint:
        raise InputError(
            "this Idempotency-Key was sent with another request",
            hint="make a new key for a new request",
        )
    if kept.status:
        return True
    if now - kept.created >= GIVEN_UP_AFTER:
        return False
    raise StillAtWork(
        "the request with this Idempotency-Key is still at work", hint="ask again in a moment"
    )
