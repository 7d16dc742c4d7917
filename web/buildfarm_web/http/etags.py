"""ETags of JSON answers, and changes that hold only for what the caller has looked at (RFC 9110,
8.8.3 and 13.1.1).

Answers tell the present moment (``now``) and figures that count on by themselves: ages, and the
``seconds`` of what is not over. They are left out of the tag, which is weak therefore: a poll is
answered 304 while nothing moves. ``If-Match`` compares these tags as they stand; the strong
comparison that RFC 9110 asks for would refuse every one of them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping

from flask import Response, request

from buildfarm_web.http.problems import Stale

_TICKS = ("now", "lag", "median", "nine_in_ten", "stages")
_RUNNING_TICKS = (*_TICKS, "seconds")
_MAY_TICK = re.compile(rf'"(?:{"|".join(_RUNNING_TICKS)})":'.encode())


def tag_of(data: bytes) -> tuple[str, bool]:
    """The tag of a JSON answer, and whether it is weak.

    >>> tag_of(b'{"a":1,"now":"x"}') == tag_of(b'{"a":1,"now":"y"}'), tag_of(b'{"a":1}')[1]
    (True, False)
    """
    if not _MAY_TICK.search(data):
        return hashlib.sha256(data).hexdigest()[:32], False
    removed: list[object] = []

    def steady(one: dict[str, object]) -> dict[str, object]:
        removed.extend(one.pop(name) for name in _ticks_of(one))
        return one

    kept = json.dumps(json.loads(data, object_hook=steady)).encode()
    return hashlib.sha256(kept).hexdigest()[:32], bool(removed)


def _ticks_of(one: Mapping[str, object]) -> list[str]:
    """Fields of a JSON object that change while nothing happens: ``seconds`` of a state that a
    build is still in, or of a task that has not ended.

    >>> _ticks_of({"seconds": 2.5, "current": False}), _ticks_of({"seconds": 2.5, "finished": None})
    ([], ['seconds'])
    """
    is_running = one.get("current") is True or one.get("finished", "") is None
    names = _RUNNING_TICKS if is_running else _TICKS
    return [
        name for name in names if name in one and isinstance(one[name], dict) is (name == "stages")
    ]


def mark(answer: Response) -> None:
    """Give an answer its tag, unless it has one."""
    if answer.mimetype == "application/json" and "ETag" not in answer.headers:
        answer.set_etag(*tag_of(answer.get_data()))
    else:
        answer.add_etag()


def wanted() -> bool:
    """Return whether the request is for something in a state that the caller knows."""
    return bool(request.headers.get("If-Match"))


def unchanged(seen: Response, what: str) -> None:
    """Hold ``If-Match`` against the present answer.

    :raises Stale: what the caller has looked at is gone.
    """
    given = request.if_match
    tag, _ = tag_of(seen.get_data())
    if not given.star_tag and not given.contains_weak(tag):
        raise Stale(
            f"{what} has changed since you looked",
            hint="GET it again, and send its ETag in If-Match",
        )
