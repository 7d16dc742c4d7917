"""``Idempotency-Key`` on every POST of ``/api/v1``: sent again, a request is answered again and not
done again.
"""

from __future__ import annotations

import hashlib
import re
from http import HTTPStatus

from flask import Flask, Response, g, request

from buildfarm.api.requests import Problem
from buildfarm.domain.core.idempotency import KeptAnswer
from buildfarm.services.core import idempotency
from buildfarm_web.api.openapi.document import PREFIX
from buildfarm_web.app_context import the_hub
from buildfarm_web.http.callers import known_caller
from buildfarm_web.http.problems import Malformed

_KEY = re.compile(r'"([!#-~]{1,253})"|([!#-~]{1,255})')
"""A structured field's string as the draft has it, or the bare word that many send."""

_REPLAYED = "Idempotency-Replayed"
_SHOWN_ONCE = Problem(
    type="about:blank", title=HTTPStatus.CONFLICT.phrase, status=HTTPStatus.CONFLICT.value,
    detail="this was done, and the secret in its answer is shown once", hint="end what was made, and make another with a new key",
)  # fmt: skip
"""A secret is not kept (``Cache-Control: no-store``): asked again, only that it was done can be
said.
"""

_NOT_DONE = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})


def register(app: Flask) -> None:
    """Keep answers of ``app``.

    The last of the ``before_request`` handlers: what they refuse is not kept.
    """
    app.before_request(_before)
    app.after_request(_after)


def _before() -> Response | None:
    given = request.headers.get("Idempotency-Key")
    if (
        request.method != "POST"
        or not request.path.startswith(PREFIX)
        or not request.endpoint
        or given is None
    ):
        return None
    key = _KEY.fullmatch(given)
    if key is None:
        raise Malformed(
            "Idempotency-Key must be 1 to 255 visible characters", hint="a UUID will do"
        )
    asker, word = known_caller(), key[1] or key[2]
    if not asker:
        return None  # the route will say who may not
    said = (
        f"{word}\n{request.method} {request.full_path}\n".encode() + request.get_data()
    )  # the key hides short secrets in it
    kept = idempotency.begin(
        the_hub().store, _digest(asker, word), hashlib.sha256(said).hexdigest()
    )
    if kept.status:
        answer = Response(kept.body, status=kept.status, content_type=kept.content_type)
        answer.headers[_REPLAYED] = "true"
        if kept.location:
            answer.headers["Location"] = kept.location
        return answer
    g.idempotency = kept
    return None


def _digest(asker: str, key: str) -> str:
    return hashlib.sha256(f"{asker}\n{key}".encode()).hexdigest()


def _after(answer: Response) -> Response:
    taken: KeptAnswer | None = g.pop("idempotency", None)
    if taken is not None:
        store = the_hub().store
        if (
            answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
            or answer.status_code in _NOT_DONE
        ):
            idempotency.let_go(store, taken)
        elif answer.cache_control.no_store:
            idempotency.finish(
                store, taken, status=HTTPStatus.CONFLICT, content_type="application/problem+json", location="",
                body=_SHOWN_ONCE.model_dump_json(exclude_unset=True),
            )  # fmt: skip
        else:
            idempotency.finish(
                store, taken, status=answer.status_code, content_type=answer.content_type or "",
                location=answer.headers.get("Location", ""), body=answer.get_data(as_text=True),
            )  # fmt: skip
    return answer
