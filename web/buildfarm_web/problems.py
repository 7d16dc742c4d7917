"""Errors as answers: problem+json (RFC 9457) for programs, a page in words for people."""

from __future__ import annotations

from http import HTTPStatus

from flask import Flask, Response, make_response, render_template, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from buildfarm import log
from buildfarm.api_models import Problem
from buildfarm.errors import BuildFarmError, Conflict, InfraError, InputError, NotAllowed, NotFound, TooManyTries


class Unauthenticated(NotAllowed):
    """Nobody knows who asks: the token is missing or not one of ours."""


class TooMany(BuildFarmError):
    """More at a time than one caller, or all together, may have; later is fine."""


class Malformed(InputError):  # named like its siblings in buildfarm.errors
    """The body is not JSON at all."""


_STATUS: tuple[tuple[type[BuildFarmError], HTTPStatus], ...] = (
    (NotFound, HTTPStatus.NOT_FOUND),
    (Malformed, HTTPStatus.BAD_REQUEST),
    (InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (Unauthenticated, HTTPStatus.UNAUTHORIZED),
    (TooManyTries, HTTPStatus.TOO_MANY_REQUESTS),
    (NotAllowed, HTTPStatus.FORBIDDEN),
    (TooMany, HTTPStatus.TOO_MANY_REQUESTS),
    (Conflict, HTTPStatus.CONFLICT),
    (InfraError, HTTPStatus.SERVICE_UNAVAILABLE),
)


def register(app: Flask) -> None:
    """Answer every error of ``app``."""
    app.register_error_handler(BuildFarmError, _ours)
    app.register_error_handler(ValidationError, _invalid)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unforeseen)


def _ours(error: BuildFarmError) -> Response:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
    answer = _answer(status, str(error.args[0]) if error.args else str(error), error.hint)
    if status is HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="buildfarm"'
    if isinstance(error, TooManyTries):
        answer.headers["Retry-After"] = str(error.seconds)
    return answer


def _invalid(error: ValidationError) -> Response:
    lines = [f"{'.'.join(str(part) for part in item['loc']) or 'body'}: {item['msg']}" for item in error.errors()[:20]]
    return _answer(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(lines), "buildfarm/api_models.py names the fields")


def _http(error: HTTPException) -> Response:
    code = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    if error.response is not None or code < HTTPStatus.BAD_REQUEST:  # a redirect
        return make_response(error.get_response())
    return _answer(HTTPStatus(code), error.description or HTTPStatus(code).phrase, "")


def _unforeseen(error: Exception) -> Response:
    log.get().exception("web.broke", path=request.path, method=request.method, exc_info=error)
    return _answer(
        HTTPStatus.INTERNAL_SERVER_ERROR, "something broke while answering this", "the hub's log has the details"
    )


def _answer(status: HTTPStatus, detail: str, hint: str) -> Response:
    if request.path.startswith(("/api/", "/live/", "/worker/")):
        problem = Problem(title=status.phrase, status=status.value, detail=detail, hint=hint)
        return Response(problem.model_dump_json(), status=status, content_type="application/problem+json")
    back = request.path.rpartition("/")[0] if request.method == "POST" else ""  # a form's path is its page's and a verb
    page = render_template("error.html", status=status, detail=detail, hint=hint, back=back)
    return make_response(page, status.value)
