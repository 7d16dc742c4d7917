"""Errors as answers: problem+json (RFC 9457) for programs, a page in words for people."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from flask import Flask, Response, make_response, render_template, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from buildfarm import log
from buildfarm.api.requests import Fault, Problem
from buildfarm.domain.core.idempotency import StillAtWork
from buildfarm.errors import (
    BuildFarmError,
    Conflict,
    InfraError,
    InputError,
    NotAllowed,
    NotFound,
    TooManyTries,
)

_MOST_FAULTS = 20


class Unauthenticated(NotAllowed):
    """The caller is unknown: the token is missing or not one of ours."""


class TooMany(BuildFarmError):
    """More at a time than one caller, or all together, may have; later is fine."""


class Malformed(InputError):  # named like its siblings in buildfarm.errors
    """The body is not JSON at all."""


class WrongParameter(InputError):
    """The query says what the route does not take; ``faults`` are what is wrong, by parameter."""

    def __init__(self, faults: Mapping[str, str], *, hint: str = "") -> None:
        super().__init__("; ".join(f"{name}: {words}" for name, words in faults.items()), hint=hint)
        self.faults = tuple(Fault(parameter=name, detail=words) for name, words in faults.items())


class Stale(Conflict):
    """It is not what it was when the caller looked at it (``If-Match``)."""


_STATUS: tuple[tuple[type[BuildFarmError], HTTPStatus], ...] = (
    (NotFound, HTTPStatus.NOT_FOUND),
    (Malformed, HTTPStatus.BAD_REQUEST),
    (InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (Unauthenticated, HTTPStatus.UNAUTHORIZED),
    (TooManyTries, HTTPStatus.TOO_MANY_REQUESTS),
    (NotAllowed, HTTPStatus.FORBIDDEN),
    (Stale, HTTPStatus.PRECONDITION_FAILED),
    (TooMany, HTTPStatus.TOO_MANY_REQUESTS),
    (Conflict, HTTPStatus.CONFLICT),
    (InfraError, HTTPStatus.SERVICE_UNAVAILABLE),
)


def status_named(error: str) -> HTTPStatus | None:
    """The status of the error of this name, as docstrings raise it.

    >>> status_named("NotFound"), status_named("OSError")
    (<HTTPStatus.NOT_FOUND: 404>, None)
    """
    return next((status for kind, status in _STATUS if kind.__name__ == error), None)


def register(app: Flask) -> None:
    """Answer every error of ``app``."""
    app.register_error_handler(BuildFarmError, _ours)
    app.register_error_handler(ValidationError, _invalid)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unforeseen)


def _ours(error: BuildFarmError) -> Response:
    status = next(
        (status for kind, status in _STATUS if isinstance(error, kind)),
        HTTPStatus.INTERNAL_SERVER_ERROR,
    )
    faults = error.faults if isinstance(error, WrongParameter) else ()
    answer = _answer(status, str(error.args[0]) if error.args else str(error), error.hint, faults)
    if isinstance(error, StillAtWork | InfraError):
        answer.headers["Retry-After"] = "1"
    if status is HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="buildfarm"'
    if isinstance(error, TooManyTries):
        answer.headers["Retry-After"] = str(error.seconds)
    return answer


def _invalid(error: ValidationError) -> Response:
    wrong = error.errors()[:_MOST_FAULTS]
    lines = [
        f"{'.'.join(str(part) for part in item['loc']) or 'body'}: {item['msg']}" for item in wrong
    ]
    faults = tuple(
        Fault(pointer="#/" + "/".join(str(part) for part in item["loc"]), detail=item["msg"])
        for item in wrong
    )
    where = "buildfarm/wire.py" if request.path.startswith("/worker/") else "GET /api/v1/docs"
    return _answer(
        HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(lines), f"{where} describes the fields", faults
    )


def _http(error: HTTPException) -> Response:
    code = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    if error.response is not None or code < HTTPStatus.BAD_REQUEST:  # a redirect
        return make_response(error.get_response())
    answer = _answer(HTTPStatus(code), error.description or HTTPStatus(code).phrase, "")
    for name, value in error.get_headers(request.environ):
        if name.lower() != "content-type":  # Allow of a 405, Retry-After of a 429
            answer.headers[name] = value
    return answer


def _unforeseen(error: Exception) -> Response:
    log.get().exception("web.broke", path=request.path, method=request.method, exc_info=error)
    return _answer(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "something broke while answering this",
        "the hub's log has the details",
    )


def _answer(status: HTTPStatus, detail: str, hint: str, faults: tuple[Fault, ...] = ()) -> Response:
    if request.path.startswith(("/api/", "/live/", "/worker/")):
        problem = Problem(
            type="about:blank", title=status.phrase, status=status.value, detail=detail, hint=hint,
            **({"errors": faults} if faults else {}),
        )  # fmt: skip
        return Response(
            problem.model_dump_json(exclude_unset=True),
            status=status,
            content_type="application/problem+json",
        )
    back = (
        request.path.rpartition("/")[0] if request.method == "POST" else ""
    )  # a form's path is its page's and a verb
    page = render_template("shared/error.html", status=status, detail=detail, hint=hint, back=back)
    return make_response(page, status.value)
