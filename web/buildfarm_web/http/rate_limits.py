"""Limits of the requests that a caller may make to ``/api/v1``, counted in Redis where the farm has
one, so that all web processes count together.

Health, metrics, the worker API, the repositories, feeds, badges, what follows live and the pages
are not counted. The headers are those of draft-ietf-httpapi-ratelimit-headers-10.
"""

from __future__ import annotations

import math
import time
from http import HTTPStatus

from flask import Flask, Response, request
from flask_limiter import ApplicationLimit, Limiter

from buildfarm.config import Limits
from buildfarm_web.api.openapi.document import PREFIX
from buildfarm_web.http.callers import caller

_KINDS = {"reads": ("get", "head"), "writes": ("post", "put", "patch", "delete")}

_OF_REDIS: dict[str, str | int] = {
    "key_prefix": "bf:limits",
    "socket_timeout": 2,
    "socket_connect_timeout": 2,
}
"""The hub's user of Redis writes keys that begin with ``bf:`` and no others."""


def register(app: Flask, limits: Limits, *, storage: str) -> None:
    """Count the requests of ``app`` in ``storage`` (``memory://`` or a Redis URL); while that
    fails, in this process.
    """
    wanted = {"reads": limits.reads, "writes": limits.writes}
    limiter = Limiter(
        _counted_as, storage_uri=storage, storage_options=_OF_REDIS if storage.startswith("redis") else {}, in_memory_fallback_enabled=True,
        application_limits=[
            ApplicationLimit(limit_provider=words, scope=kind, methods=_KINDS[kind], exempt_when=_is_free)
            for kind, words in wanted.items()
            if words
        ],
    )  # fmt: skip
    limiter.init_app(app)

    def add_headers(answer: Response) -> Response:
        held = limiter.current_limit
        if held is None or _is_free():
            return answer
        kind = "reads" if request.method in ("GET", "HEAD") else "writes"
        seconds = max(0, math.ceil(held.window.reset_time - time.time()))
        answer.headers["RateLimit-Policy"] = (
            f'"{kind}";q={held.limit.amount};w={held.limit.get_expiry()}'
        )
        answer.headers["RateLimit"] = f'"{kind}";r={max(0, held.remaining)};t={seconds}'
        if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            answer.headers["Retry-After"] = str(max(1, seconds))
        return answer

    app.after_request(add_headers)


def _counted_as() -> str:
    """Each webhook has a count of its own: many repositories of one forge come from one address,
    and its storms have their own bounds.
    """
    hook = request.path if request.path.startswith(f"{PREFIX}/hooks/") else ""
    return f"{hook} {caller()}" if hook else caller()


def _is_free() -> bool:
    return not request.path.startswith(f"{PREFIX}/")
