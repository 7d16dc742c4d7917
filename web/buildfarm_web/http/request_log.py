"""Log lines of a request carry its id and what it is about; who wants something changed gets a line
of its own.

The id is the caller's ``X-Request-ID`` if that is a plain one, else ours; the answer names it, so
that a person who complains can say which request it was. No header and no body is logged.
"""

from __future__ import annotations

import re
import secrets
import time
from http import HTTPStatus

import structlog
from flask import Flask, Response, g, request

from buildfarm import log

_PLAIN = re.compile(r"[A-Za-z0-9._-]{8,64}")
_ABOUT = ("build", "task", "drop", "target", "worker", "subscription", "delivery", "waiver")
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


def register(app: Flask) -> None:
    """Bind and clear around each request of ``app``."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(_clear)


def _begin() -> None:
    named = request.headers.get("X-Request-ID", "")
    g.request_id = named if _PLAIN.fullmatch(named) else secrets.token_hex(8)
    g.began = time.monotonic()
    about = {name: value for name in _ABOUT if (value := (request.view_args or {}).get(name))}
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request=g.request_id, **about)


def _end(answer: Response) -> Response:
    answer.headers.setdefault("X-Request-ID", g.request_id)
    broke = (
        answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR and request.path != "/readyz"
    )  # which is asked all day
    if broke or (request.method not in _READING and not request.path.startswith("/worker/")):
        milliseconds = round((time.monotonic() - g.began) * 1000)
        said = {
            "method": request.method,
            "path": request.path,
            "status": answer.status_code,
            "ms": milliseconds,
        }
        (log.get().warning if broke else log.get().info)("web.answered", **said)
    return answer


def _clear(_: BaseException | None) -> None:
    structlog.contextvars.clear_contextvars()
