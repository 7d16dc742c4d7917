"""Description of a route beyond its URL and its docstring, beside its view.

::

    @blueprint.get("/drops")
    @reads("drops", DropList, DropsQuery)
    def list_drops() -> Response:
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import UnionType
from typing import TypeVar

from pydantic import BaseModel

from buildfarm.api.responses.core.base import ApiResponse
from buildfarm_web.api.openapi.queries import Query

JSON, TEXT, BYTES, HTML = "application/json", "text/plain", "application/octet-stream", "text/html"

Body = type[BaseModel] | type[ApiResponse] | UnionType
"""A request's model, a response or one of several: what comes or goes as JSON."""

View = TypeVar("View", bound=Callable[..., object])


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


def describe(operation: Operation) -> Callable[[View], View]:
    """Return the decorator that gives a view its description."""

    def decorate(view: View) -> View:
        view.__dict__["operation"] = operation
        return view

    return decorate


def operation_of(view: object) -> Operation | None:
    """Return a view's description, if it has one."""
    return getattr(view, "operation", None)


def reads(
    tag: str, answer: Body | str, query: type[Query] = Query, *, secured: bool = False, headers: tuple[str, ...] = (),
    problems: tuple[HTTPStatus, ...] = (),
) -> Callable[[View], View]:  # fmt: skip
    """Describe a view that only looks."""
    return describe(Operation(
        tag=tag, answers={HTTPStatus.OK: answer}, query=query, secured=secured, headers=headers, problems=frozenset(problems)
    ))  # fmt: skip


def writes(
    tag: str,
    body: Body | str,
    answers: Mapping[HTTPStatus, Body | str] | Body | str,
    *problems: HTTPStatus,
    guarded: bool = False,
) -> Callable[[View], View]:
    """Describe a view that changes something, with a token."""
    found = answers if isinstance(answers, Mapping) else {HTTPStatus.OK: answers}
    return describe(Operation(
        tag=tag, answers=found, body=body, secured=True, guarded=guarded, problems=frozenset(problems)
    ))  # fmt: skip
