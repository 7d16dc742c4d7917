"""The OpenAPI 3.1 document, made of the URL map, the views' docstrings and their descriptions
(:mod:`buildfarm_web.api.openapi.operation`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from flask import Flask
from pydantic import TypeAdapter
from werkzeug.routing import Rule

from buildfarm.api.requests import SHA256, Problem
from buildfarm_web.api.openapi.operation import JSON, Body, Operation, operation_of
from buildfarm_web.http.problems import status_named

Json = dict[str, Any]
Mode = Literal["serialization", "validation"]

PREFIX = "/api/v1"
_REF = "#/components/schemas/{model}"
_RAISES = re.compile(r":raises (\w+): (.*?)(?=\s*:raises|\Z)", re.DOTALL)
_PLACEHOLDER = re.compile(r"<(?:\w+:)?(\w+)>")
_ALWAYS = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_ACCEPTABLE, HTTPStatus.UNPROCESSABLE_ENTITY,
           HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)  # fmt: skip
_WORDS: Mapping[HTTPStatus, str] = {
    HTTPStatus.BAD_REQUEST: "Not a request that can be read.",
    HTTPStatus.UNAUTHORIZED: "No token, or one that is not known here.",
    HTTPStatus.FORBIDDEN: "The token's holder may not do this.",
    HTTPStatus.NOT_FOUND: "There is no such thing.",
    HTTPStatus.NOT_ACCEPTABLE: "`Accept` leaves out the only form there is.",
    HTTPStatus.CONFLICT: "Not in a state in which this can be done; or the same `Idempotency-Key` is still at work.",
    HTTPStatus.PRECONDITION_FAILED: "It has changed since the `ETag` in `If-Match` was given.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not JSON by its `Content-Type`.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A parameter or a field is wrong; `errors` names each.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests; `Retry-After` says when to come back.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The farm's surroundings fail; try again later.",
}
_PATH_WORDS: Mapping[str, str] = {
    "build": "Id, or name-version-release; the newest of that name.",
    "drop": "Id, or a beginning of it that only one drop has (at least six digits).",
    "sha256": "SHA-256 in lower-case hexadecimal digits.",
}
_HEADERS: Mapping[str, Json] = {
    "ETag": {"description": "Changes when what is answered does.", "schema": {"type": "string"}},
    "Location": {"description": "Where to follow it.", "schema": {"type": "string"}},
    "Link": {
        "description": 'The next page, `rel="next"` (RFC 8288).',
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": "What is left and seconds until it is restored.",
        "schema": {"type": "string"},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string"}},
    "X-Log-Task": {"description": "Whose log it is.", "schema": {"type": "string"}},
    "X-Log-Offset": {"description": "Where to go on, in bytes.", "schema": {"type": "string"}},
    "X-Log-Growing": {"description": "1 while its task runs.", "schema": {"type": "string"}},
}
_KEY = {
    "name": "Idempotency-Key", "in": "header", "required": False,
    "schema": {"type": "string", "maxLength": 255, "pattern": '^(?:[!#-~]+|"[!#-~]+")$'},
    "description": "The same key with the same body gives the stored answer again, for 24 hours.",
}  # fmt: skip
_IF_MATCH = {
    "name": "If-Match", "in": "header", "required": False, "schema": {"type": "string"},
    "description": "The `ETag` of the thing that was looked at: 412 if it has changed since.",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One path and method with its operation and docstring."""

    path: str
    method: str
    rule: Rule
    operation: Operation
    words: str
    identity: str


def described(app: Flask) -> Iterator[Described]:
    """Every operation of ``app`` in the order of its paths."""
    seen: set[str] = set()
    for rule in sorted(
        app.url_map.iter_rules(), key=lambda rule: (rule.rule.rstrip("/"), rule.endpoint)
    ):
        view = app.view_functions[rule.endpoint]
        operation = operation_of(view)
        if operation is None or not rule.rule.startswith(PREFIX):
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            name = rule.endpoint.partition(".")[2]
            identity = name if name not in seen else f"{name}_{len(seen)}"
            seen.add(identity)
            yield Described(
                path=_PLACEHOLDER.sub(r"{\1}", rule.rule.removeprefix(PREFIX)), method=method.lower(), rule=rule,
                operation=operation, words=view.__doc__ or "", identity=identity,
            )  # fmt: skip


def document(app: Flask, *, title: str, version: str) -> Json:
    """The whole document."""
    found = list(described(app))
    refs, schemas = _schemas(found)
    paths: dict[str, Json] = {}
    for one in found:
        paths.setdefault(one.path, {})[one.method] = _operation(one, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{title}: build farm", "version": version,
            "description": "Reading is open to whoever can reach the hub; writing needs a token. "
            "Errors are problem+json (RFC 9457) with a `hint`. Lists come in pages: `limit`, and `cursor` of the page before.",
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "servers": [{"url": PREFIX}],
        "tags": [{"name": name} for name in sorted({one.operation.tag for one in found})],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }  # fmt: skip


def _schemas(found: list[Described]) -> tuple[dict[Body, Json], Json]:
    """A reference for each model, and the schemas they lead to."""
    wanted: dict[Any, Mode] = {Problem: "serialization"}
    for one in found:
        wanted |= {
            answer: "serialization"
            for answer in one.operation.answers.values()
            if not isinstance(answer, str)
        }
        if not isinstance(one.operation.body, str):
            wanted[one.operation.body] = "validation"
    named = [(number, wanted[model], TypeAdapter(model)) for number, model in enumerate(wanted)]
    refs, whole = TypeAdapter.json_schemas(named, ref_template=_REF)
    return {model: refs[number, wanted[model]] for number, model in enumerate(wanted)}, whole[
        "$defs"
    ]


def _operation(one: Described, refs: Mapping[Body, Json]) -> Json:
    words, raised = _told(one.words)
    summary, _, rest = words.partition("\n\n")
    made: Json = {"operationId": one.identity, "tags": [one.operation.tag], "summary": summary}
    if rest:
        made["description"] = rest
    if parameters := [*_path(one.rule), *_query(one.operation), *_header_parameters(one)]:
        made["parameters"] = parameters
    if body := one.operation.body:
        made["requestBody"] = {"required": one.method != "delete", "content": _content(body, refs)}
    made["responses"] = {**_good(one, refs), **_bad(one, raised, refs)}
    if one.operation.secured:
        made["security"] = [{"token": []}]
    return made


def _told(docstring: str) -> tuple[str, dict[HTTPStatus, str]]:
    """A docstring as Markdown without its ``:raises``, and what those say, by status."""
    raised = {
        status: " ".join(f"{text[0].upper()}{text[1:]}".split()).replace("``", "`")
        for name, text in _RAISES.findall(docstring)
        if (status := status_named(name)) is not None
    }
    lines = [line.strip() for line in _RAISES.sub("", docstring).strip().splitlines()]
    paragraphs = "\n".join(lines).strip().split("\n\n")
    return "\n\n".join(
        " ".join(paragraph.split()) for paragraph in paragraphs if paragraph
    ).replace("``", "`"), raised


def _path(rule: Rule) -> Iterator[Json]:
    for name in _PLACEHOLDER.findall(rule.rule):
        schema = (
            {"type": "string", "pattern": SHA256}
            if name == "sha256"
            else {"type": "string", "minLength": 1, "maxLength": 500}
        )
        words = _PATH_WORDS.get(name, f"The {name}'s name or id.")
        yield {"name": name, "in": "path", "required": True, "schema": schema, "description": words}


def _query(operation: Operation) -> Iterator[Json]:
    for name, schema in operation.query.model_json_schema().get("properties", {}).items():
        choices = [
            choice for choice in schema.pop("anyOf", [schema]) if choice.get("type") != "null"
        ]
        plain = {
            key: value
            for key, value in {**schema, **choices[0]}.items()
            if key not in ("title", "description")
        }
        if plain.get("default", "") is None:
            del plain["default"]
        made: Json = {"name": name, "in": "query", "required": False, "schema": plain}
        yield {**made, "description": schema["description"]} if "description" in schema else made


def _header_parameters(one: Described) -> Iterator[Json]:
    if one.method == "post":
        yield dict(_KEY)
    if one.operation.guarded:
        yield dict(_IF_MATCH)


def _content(body: Body | str, refs: Mapping[Body, Json]) -> Json:
    if not isinstance(body, str):
        return {JSON: {"schema": refs[body]}}
    kind = "object" if body == JSON else "string" if str(body).startswith("text/") else ""
    return {str(body): {"schema": {"type": kind}} if kind else {}}


def _good(one: Described, refs: Mapping[Body, Json]) -> Json:
    made: Json = {}
    for status, answer in one.operation.answers.items():
        names = [*one.operation.headers, "RateLimit", *(["ETag"] if one.method == "get" else [])]
        names += ["Link"] if "cursor" in one.operation.query.model_fields else []
        names += ["Location"] if one.identity == "post_drop" else []
        made[str(status.value)] = {
            "description": status.phrase, "headers": {name: _HEADERS[name] for name in names}, "content": _content(answer, refs),
        }  # fmt: skip
    if one.method == "get":
        made["304"] = {"description": "Not changed since the `ETag` in `If-None-Match`."}
    return made


def _bad(one: Described, raised: Mapping[HTTPStatus, str], refs: Mapping[Body, Json]) -> Json:
    operation = one.operation
    statuses = {*_ALWAYS, *operation.problems, *raised}
    if operation.secured:
        statuses |= {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    if "{" in one.path:
        statuses.add(HTTPStatus.NOT_FOUND)
    if not isinstance(operation.body, str):
        statuses |= {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
    if one.method == "post":
        statuses.add(HTTPStatus.CONFLICT)
    if operation.guarded:
        statuses.add(HTTPStatus.PRECONDITION_FAILED)
    content = {"application/problem+json": {"schema": refs[Problem]}}
    made: Json = {}
    for status in sorted(statuses):
        made[str(status.value)] = {
            "description": raised.get(status) or _WORDS[status],
            "content": content,
        }
        if status is HTTPStatus.TOO_MANY_REQUESTS:
            made[str(status.value)]["headers"] = {
                name: _HEADERS[name] for name in ("Retry-After", "RateLimit")
            }
    return made
