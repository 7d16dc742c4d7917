"""Description of a route beyond its URL and its docstring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import UnionType

from pydantic import BaseModel

from buildfarm.api.responses.core.base import ApiResponse
from buildfarm_web.api.openapi.queries import Query

JSON, TEXT, BYTES, HTML = "application/json", "text/plain", "application/octet-stream", "text/html"

Body = type[BaseModel] | type[ApiResponse] | UnionType
"""A request's model, a response or one of several: what comes or goes as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One route and method.

    ``answers`` are what it answers when all is well, by status: a response, or a media type for
    what is not JSON. ``body`` is a model, or a media type for bytes. ``secured`` routes want a
    bearer token. ``problems`` are the statuses that may come beside those that follow from the rest
    (see :mod:`buildfarm_web.api.openapi.document`); ``guarded`` routes know ``If-Match``.
    """

    tag: str
    answers: Mapping[HTTPStatus, Body | str]
    query: type[Query] = Query
    body: Body | str = ""
    secured: bool = False
    guarded: bool = False
    problems: frozenset[HTTPStatus] = field(default_factory=frozenset)
    headers: tuple[str, ...] = ()


def read(
    tag: str, answer: Body | str, query: type[Query] = Query, *, secured: bool = False, headers: tuple[str, ...] = (),
    problems: tuple[HTTPStatus, ...] = (),
) -> Operation:  # fmt: skip
    """A route that only looks."""
    return Operation(
        tag=tag, answers={HTTPStatus.OK: answer}, query=query, secured=secured, headers=headers, problems=frozenset(problems)
    )  # fmt: skip


def write(
    tag: str,
    body: Body | str,
    answers: Mapping[HTTPStatus, Body | str] | Body | str,
    *problems: HTTPStatus,
    guarded: bool = False,
) -> Operation:
    """A route that changes something, with a token."""
    found = answers if isinstance(answers, Mapping) else {HTTPStatus.OK: answers}
    return Operation(
        tag=tag, answers=found, body=body, secured=True, guarded=guarded, problems=frozenset(problems)
    )  # fmt: skip
