"""Who asks: an engineer's API token, a worker's, a KVM host's, or the token of one task."""

from __future__ import annotations

from typing import TypeVar

from flask import request
from pydantic import BaseModel, ValidationError

from buildfarm.domain.records import ApiToken
from buildfarm.domain.worker import Host, Worker
from buildfarm.errors import NotAllowed
from buildfarm.services.tasks import token_hash
from buildfarm_web.parts import the_hub
from buildfarm_web.problems import Malformed, Unauthenticated

M = TypeVar("M", bound=BaseModel)

_MAY_WRITE = frozenset({"engineer", "security", "admin"})


def bearer() -> str:
    """The token of this request. :raises Unauthenticated: it carries none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("this needs a token", hint="send `Authorization: Bearer <token>`")
    return token.strip()


def engineer() -> str:
    """The name of the engineer who asks.

    :raises Unauthenticated: the token is unknown.
    :raises NotAllowed: its holder may only read.
    """
    return holder().name


def holder() -> ApiToken:
    """The token of the engineer who asks, with its role. Errors as :func:`engineer`."""
    digest = token_hash(bearer())
    with the_hub().store.read() as tx:
        token = tx.first(ApiToken, id=digest)
    if token is None:
        raise Unauthenticated("this token is not known here", hint="the first one is in secrets/admin.token of the hub")
    if token.role not in _MAY_WRITE:
        raise NotAllowed(f"{token.name} has the role {token.role}, this needs `engineer`")
    return token


def worker() -> Worker:
    """The worker who asks. :raises Unauthenticated: no worker has this token."""
    digest = token_hash(bearer())
    with the_hub().store.read() as tx:
        found = tx.first(Worker, token_hash=digest)
    if found is None:
        raise Unauthenticated("no worker has this token", hint="enroll it with `buildfarm worker-add`")
    return found


def host() -> Host:
    """The KVM host that asks. :raises Unauthenticated: no host has this token."""
    digest = token_hash(bearer())
    with the_hub().store.read() as tx:
        found = tx.first(Host, token_hash=digest)
    if found is None:
        raise Unauthenticated("no KVM host has this token", hint="enroll it with `buildfarm host-add`")
    return found


def body(model: type[M]) -> M:
    """The request's JSON as ``model``.

    :raises Malformed: it is not JSON.
    :raises ValidationError: it is not what the model wants.
    """
    try:
        return model.model_validate_json(request.get_data())
    except ValidationError as error:
        if any(item["type"] == "json_invalid" for item in error.errors()):
            raise Malformed("the body is not JSON", hint="send a JSON object") from error
        raise
