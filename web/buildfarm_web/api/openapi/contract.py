"""Requests held against the description of their route, before the view sees them.

So that the document cannot promise what the hub does not do: an unknown or wrong query parameter, a
body of another type and an ``Accept`` that nothing can satisfy are refused here, for every
described route alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from flask import Flask, current_app, request
from pydantic import ValidationError
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException, NotAcceptable, UnsupportedMediaType

from buildfarm_web.api.openapi.document import PREFIX
from buildfarm_web.api.openapi.operation import JSON, Operation, operation_of
from buildfarm_web.http.problems import Malformed, WrongParameter

_PROBLEM = "application/problem+json"


def register(app: Flask) -> None:
    """Check every request of ``app`` whose route is described."""
    app.before_request(_check)


def json_url_of(path: str, query: MultiDict[str, str]) -> str:
    """Return the URL of a page's JSON representation, with those parameters of the page's query
    that it accepts.
    """
    json_url = f"{PREFIX}{path}"
    try:
        endpoint, _ = current_app.url_map.bind("").match(json_url, method="GET")
    except HTTPException:
        return json_url
    operation = operation_of(current_app.view_functions[endpoint])
    given = {
        key: text
        for key, text in query.items()
        if operation is None or key in operation.query.model_fields
    }
    return f"{json_url}?{urlencode(given)}" if given else json_url


def _check() -> None:
    operation = operation_of(current_app.view_functions.get(request.endpoint or ""))
    if operation is None or request.method == "OPTIONS":
        return
    if "\0" in request.path:
        raise Malformed("the path has a NUL byte in it")
    check_query(operation, request.args)
    sent = request.method != "DELETE" or bool(request.content_length)
    if not isinstance(operation.body, str) and sent and request.mimetype != JSON:
        raise UnsupportedMediaType(
            f"the body must be {JSON}, not {request.mimetype or 'of no type'}"
        )
    forms = [answer if isinstance(answer, str) else JSON for answer in operation.answers.values()]
    if request.accept_mimetypes and not any(
        request.accept_mimetypes.quality(form) for form in (*forms, _PROBLEM)
    ):
        raise NotAcceptable(f"this is answered as {forms[0]} only")


def check_query(operation: Operation, query: MultiDict[str, str]) -> None:
    """Hold a query against what an operation takes.

    :raises WrongParameter: naming each that is wrong.
    """
    twice = {name: "is given more than once" for name, values in query.lists() if len(values) > 1}
    nul = {name: "has a NUL byte in it" for name, value in query.items() if "\0" in name + value}
    wrong = {**_wrong(operation, query.to_dict()), **twice, **nul}
    if wrong:
        known = ", ".join(operation.query.model_fields) or "none"
        raise WrongParameter(wrong, hint=f"known parameters: {known}")


def _wrong(operation: Operation, given: Mapping[str, str]) -> dict[str, str]:
    try:
        operation.query.model_validate(given)
    except ValidationError as error:
        return {str(item["loc"][0]): _words(item["type"], item["msg"]) for item in error.errors()}
    return {}


def _words(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "is not a parameter of this"
    return message.removeprefix("Value error, ").replace("Input should", "should")
