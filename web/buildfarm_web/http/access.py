"""Authentication and permission: the one scope that turns a token or a session into a principal
and refuses what is not theirs.

Workers, KVM hosts and tasks have tokens of their own, which open their own API and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from flask import g, request
from pydantic import BaseModel, ValidationError

from buildfarm.api.requests import Request
from buildfarm.domain.auth.permissions import (
    ANONYMOUS,
    Action,
    Principal,
    Refusal,
    Scope,
    possible,
    refusal,
)
from buildfarm.domain.core.worker import Host, Worker
from buildfarm.errors import BuildFarmError, NotAllowed
from buildfarm.services.auth import sessions, tokens
from buildfarm.services.core.tasks import token_hash
from buildfarm_web.app_context import the_hub
from buildfarm_web.http import cookies
from buildfarm_web.http.problems import Malformed, Unauthenticated

M = TypeVar("M", bound=BaseModel)


def bearer() -> str:
    """The token of this request. :raises Unauthenticated: it carries none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("this needs a token", hint="send `Authorization: Bearer <token>`")
    return token.strip()


def principal() -> Principal:
    """Return whoever asks: by a bearer token, else by the session of the cookie, else nobody.

    :raises Unauthenticated: a token was sent that opens nothing.
    """
    if "principal" not in g:
        g.principal = _by_token() if request.headers.get("Authorization") else _by_session()
    found: Principal = g.principal
    return found


def _by_token() -> Principal:
    try:
        return tokens.recognise(the_hub(), bearer())
    except Unauthenticated:
        raise
    except NotAllowed as error:
        raise Unauthenticated(str(error.args[0]), hint=error.hint) from error


def _by_session() -> Principal:
    cookie = cookies.session()
    found = sessions.recognise(the_hub(), cookie) if cookie else None
    g.session = found.session if found else None
    return found.principal if found else ANONYMOUS


def seen() -> Principal:
    """As :func:`principal`, for pages that anybody may read: a token that opens nothing is
    nobody's.
    """
    try:
        return principal()
    except BuildFarmError:
        return ANONYMOUS


def session_id() -> str:
    """The id of the session that asks; empty if it is none."""
    principal()
    found = g.get("session")
    return found.id if found else ""


def require_permission(
    action: Action, *, target: str = "", source: str = "", scopes: Sequence[Scope] = ()
) -> Principal:
    """Return whoever asks, if they may do this there (``target`` and ``source``, or every one of
    ``scopes``; else the whole farm).

    :raises Unauthenticated: nobody knows who asks. :raises NotAllowed: they may not; the message
        says why and who may.
    """
    asker = principal()
    where = [*scopes, *([the_hub().config.scope(target, source)] if target else [])]
    return _unless(asker, refusal(asker, action, *where))


def require_permission_somewhere(action: Action) -> Principal:
    """Return whoever asks, if there may be scopes where they may do this: before a body is read.

    Errors as :func:`require`.
    """
    return _unless(principal(), possible(principal(), action))


def has_permission(action: Action) -> bool:
    """Return whether whoever asks may do this on the whole farm."""
    return refusal(principal(), action) is None


def _unless(asker: Principal, refused: Refusal | None) -> Principal:
    if refused is None:
        return asker
    kind = NotAllowed if asker.is_known else Unauthenticated
    raise kind(refused.why, hint=refused.next_step)


def require_login() -> Principal:
    """Return whoever asks, if anybody knows them. :raises Unauthenticated: nobody does."""
    asker = principal()
    if not asker.is_known:
        raise Unauthenticated("this needs a known account", hint="log in, or send a token")
    return asker


def worker() -> Worker:
    """The worker who asks. :raises Unauthenticated: no worker has this token."""
    digest = token_hash(bearer())
    with the_hub().store.read() as tx:
        found = tx.first(Worker, token_hash=digest)
    if found is None:
        raise Unauthenticated(
            "no worker has this token", hint="enroll it with `buildfarm worker-add`"
        )
    return found


def host() -> Host:
    """The KVM host that asks. :raises Unauthenticated: no host has this token."""
    digest = token_hash(bearer())
    with the_hub().store.read() as tx:
        found = tx.first(Host, token_hash=digest)
    if found is None:
        raise Unauthenticated(
            "no KVM host has this token", hint="enroll it with `buildfarm host-add`"
        )
    return found


def read_body(model: type[M]) -> M:
    """Return the request's JSON as ``model``.

    :raises Malformed: it is not JSON.
    :raises ValidationError: it does not fit the model.
    """
    try:
        return model.model_validate_json(request.get_data(), strict=issubclass(model, Request))
    except ValidationError as error:
        if any(item["type"] == "json_invalid" for item in error.errors()):
            raise Malformed("the body is not JSON", hint="send a JSON object") from error
        raise
