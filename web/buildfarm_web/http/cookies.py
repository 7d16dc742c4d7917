"""The two cookies of the page, and the proof that a write with one of them comes from our own
pages.

The session's cookie holds a secret whose digest the store has; the authorization_request's holds an
OIDC login that is under way, in the browser it began in. Neither is read by script, neither goes
along with another site's requests, and over HTTPS both carry the ``__Host-`` prefix (RFC 6265bis
4.1.3.2), so that no other host of the domain can set them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict
from urllib.parse import urlsplit

from flask import request
from werkzeug.wrappers import Response

from buildfarm.errors import NotAllowed
from buildfarm.ports.authentication import AuthorizationRequest
from buildfarm_web.app_context import the_hub

_SESSION, _AUTHORIZATION = "buildfarm", "buildfarm-login"
_AUTHORIZATION_SECONDS = 600
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class ForeignRequest(NotAllowed):
    """A write with our cookie that does not come from one of our pages."""


def _secure() -> bool:
    return request.is_secure or the_hub().config.farm.url.startswith("https://")


def _name(name: str) -> str:
    return f"__Host-{name}" if _secure() else name


def _set(answer: Response, name: str, value: str, seconds: int) -> None:
    answer.set_cookie(
        _name(name),
        value,
        max_age=seconds,
        secure=_secure(),
        httponly=True,
        samesite="Lax",
        path="/",
    )


def session() -> str:
    """Return what the session's cookie of this request holds; empty without one."""
    return request.cookies.get(_name(_SESSION), "")


def keep_session(answer: Response, secret: str) -> None:
    """Let the browser keep a session."""
    _set(answer, _SESSION, secret, int(the_hub().config.farm.login.longest.total_seconds()))


def drop_session(answer: Response) -> None:
    """Let the browser forget its session."""
    _set(answer, _SESSION, "", 0)


def keep_authorization(
    answer: Response, authorization_request: AuthorizationRequest, onward: str
) -> None:
    """Let the browser keep an OIDC login that is under way, and where to go after it."""
    _set(
        answer,
        _AUTHORIZATION,
        json.dumps({**asdict(authorization_request), "onward": onward}),
        _AUTHORIZATION_SECONDS,
    )


def authorization_request() -> tuple[AuthorizationRequest, str]:
    """The OIDC login that began in this browser, and where to go after it.

    :raises NotAllowed: none did, or too long ago.
    """
    try:
        kept = {
            str(name): str(value)
            for name, value in json.loads(request.cookies.get(_name(_AUTHORIZATION), "")).items()
        }
        return AuthorizationRequest(
            state=kept["state"], nonce=kept["nonce"], verifier=kept["verifier"]
        ), kept["onward"]
    except (ValueError, KeyError, AttributeError) as error:
        raise NotAllowed(
            "no login is under way in this browser",
            hint="begin again at /login; it must end within ten minutes",
        ) from error


def drop_authorization(answer: Response) -> None:
    """Let the browser forget its OIDC login."""
    _set(answer, _AUTHORIZATION, "", 0)


def csrf() -> str:
    """Return what every form of this session's pages carries; nobody can compute it who does not
    have the cookie.
    """
    secret = session()
    return hashlib.sha256(f"form {secret}".encode()).hexdigest()[:32] if secret else ""


def guard() -> None:
    """Before every request: a write with our cookie, and a login, must come from our own pages.

    A form with files has its word in the address, so that nothing is read before it is known
    whether they may send it.

    A request with a token of its own needs none of this: no browser sends one by itself.

    :raises ForeignRequest: it does not.
    """
    if request.method in _SAFE or request.headers.get("Authorization"):
        return
    secret = session()
    if not secret and request.endpoint != "people_pages.login":
        return
    _refuse_other_sites()
    given = (
        request.headers.get("X-CSRF-Token")
        or request.args.get("csrf")
        or request.form.get("csrf", "")
    )
    if secret and not hmac.compare_digest(given.encode(), csrf().encode()):
        raise ForeignRequest(
            "this was not sent by a page of this session",
            hint="load the page again and repeat what you did",
        )


def _refuse_other_sites() -> None:
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    ours = {request.host, urlsplit(the_hub().config.farm.url).netloc}
    if (origin is not None and urlsplit(origin).netloc not in ours) or site not in (
        None,
        "same-origin",
        "none",
    ):
        raise ForeignRequest("another site sent this", hint="do it on the farm's own page")
