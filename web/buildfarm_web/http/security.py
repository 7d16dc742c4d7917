"""Headers every answer carries: nothing but our own script and style runs, nobody frames us, types
are not guessed.
"""

from __future__ import annotations

from flask import Flask, Response, request

from buildfarm_web.http import cookies, etags

_CSP = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
        "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
    )
)  # fmt: skip
_OK = 200


def register(app: Flask) -> None:
    """Add the headers to each answer of ``app``."""
    app.after_request(_harden)


def _harden(answer: Response) -> Response:
    answer.headers.setdefault("Content-Security-Policy", _CSP)
    answer.headers.setdefault("X-Content-Type-Options", "nosniff")
    answer.headers.setdefault("Referrer-Policy", "same-origin")
    if cookies.session():
        answer.vary.add("Cookie")
        answer.headers.setdefault("Cache-Control", "private, no-cache")
    if request.method in ("GET", "HEAD") and answer.status_code == _OK and not answer.is_streamed:
        answer.headers.setdefault("Cache-Control", "no-cache")
        etags.mark(answer)  # who polls gets a 304 while nothing moves
        answer.make_conditional(request)
    return answer
