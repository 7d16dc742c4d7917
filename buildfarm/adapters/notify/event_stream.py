"""The Redis stream ``bf:events``: one message for each event, for other systems.

A message's id is its event's number (``123-0``). Redis refuses an id that is not higher than the
last, so the stream itself knows its last event: duplicates are refused, and a Redis that lost its
data gets the last events again, as many as the stream holds. A reader that remembers its last id
continues from there, or asks ``/api/v1/events?after=123``.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any, cast

import redis

from buildfarm.adapters.schedule.broker import with_credentials
from buildfarm.errors import InfraError

KEY = "bf:events"
_TOLD_ALREADY = "equal or smaller"


class RedisStream:
    """See :class:`buildfarm.ports.messages.EventStream`; about ``length`` messages are kept."""

    def __init__(self, url: str, *, length: int) -> None:
        self._redis = redis.Redis.from_url(
            url, socket_timeout=10, socket_connect_timeout=5, decode_responses=True
        )
        self._length = length

    def last(self) -> int | None:
        """Return the number of the last event; ``None`` if there is no stream."""
        try:
            if not self._redis.exists(KEY):
                return None
            said = self._redis.xinfo_stream(KEY)
        except redis.RedisError as error:
            raise InfraError(f"Redis: {error}", hint="is it up? `buildfarm doctor`") from error
        return int(str(said["last-generated-id"]).partition("-")[0])

    def append(self, messages: Iterable[tuple[int, Mapping[str, str]]]) -> int:
        """Append messages under their events' numbers; return the new length of the stream."""
        try:
            pipe = self._redis.pipeline(transaction=False)
            for number, fields in messages:
                pipe.xadd(
                    KEY,
                    cast("dict[Any, Any]", fields),
                    id=f"{number}-0",
                    maxlen=self._length,
                    approximate=True,
                )
            for answer in pipe.execute(raise_on_error=False):
                if isinstance(answer, redis.RedisError) and _TOLD_ALREADY not in str(answer):
                    raise answer
            return int(self._redis.xlen(KEY))
        except redis.RedisError as error:
            raise InfraError(f"Redis: {error}", hint="is it up? `buildfarm doctor`") from error


def add_reader(url: str, name: str) -> str:
    """Create (or renew) an ACL user that may only read the stream; return its URL with a new
    password.

    :raises InfraError: Redis does not answer.
    """
    password = secrets.token_urlsafe(24)
    allowed = (
        "+@connection",
        "-@dangerous",
        "+xread",
        "+xrange",
        "+xrevrange",
        "+xlen",
        "+xinfo|stream",
    )
    try:
        client = redis.Redis.from_url(url, socket_timeout=10, socket_connect_timeout=5)
        words = (
            "ACL",
            "SETUSER",
            f"r-{name}",
            "reset",
            "on",
            f">{password}",
            f"%R~{KEY}",
            "resetchannels",
            *allowed,
        )
        client.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        client.execute_command("ACL", "SAVE")  # type: ignore[no-untyped-call]
    except redis.RedisError as error:
        raise InfraError(f"Redis: cannot add the reader {name}: {error}") from error
    return with_credentials(url, f"r-{name}", password)
