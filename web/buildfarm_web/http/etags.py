"""ETags of JSON answers, and changes that hold only for what the caller has looked at (RFC 9110,
8.8.3 and 13.1.1).

Answers tell the present moment (``now``) and seconds that count on by themselves. They are left out
of the tag, which is weak therefore: who polls gets a 304 while nothing moves. ``If-Match`` compares
these tags as they stand; the strong comparison that RFC 9110 asks for would refuse every one of
them.
"""

from __future__ import annotations

import hashlib
import re

from flask import Response, request

from buildfarm_web.http.problems import Stale

_TICKS = re.compile(
    rb'"(?:now|seconds|lag|median|nine_in_ten)": ?(?:"[^"]*"|[-+.0-9e]+|null),?|"stages": ?\{[^}]*\},?'
)


def tag_of(data: bytes) -> tuple[str, bool]:
    """The tag of a JSON answer, and whether it is weak.

    >>> tag_of(b'{"a":1,"now":"x"}') == tag_of(b'{"a":1,"now":"y"}'), tag_of(b'{"a":1}')[1]
    (True, False)
    """
    steady, ticks = _TICKS.subn(b"", data)
    return hashlib.sha256(steady).hexdigest()[:32], ticks > 0


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
