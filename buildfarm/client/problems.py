"""The hub's problem+json as the errors they were there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from buildfarm.errors import BuildFarmError, Conflict, InfraError, InputError, NotAllowed, NotFound

_ERRORS: Mapping[int, type[BuildFarmError]] = {
    400: InputError, 401: NotAllowed, 403: NotAllowed, 404: NotFound, 405: InputError, 406: InputError, 409: Conflict,
    412: Conflict, 413: InputError, 415: InputError, 422: InputError,
}  # fmt: skip
_MOST_TEXT = 300


def error_of(answer: httpx.Response) -> BuildFarmError:
    """Return what an answer that is no success says; whatever is not the caller's fault is an
    :class:`InfraError`.
    """
    problem: dict[str, Any] = {}
    if "json" in answer.headers.get("content-type", ""):
        found = answer.json()
        problem = found if isinstance(found, dict) else {}
    kind = _ERRORS.get(answer.status_code, InfraError)
    said = (
        problem.get("detail")
        or problem.get("title")
        or answer.text[:_MOST_TEXT]
        or answer.reason_phrase
    )
    return kind(str(said), hint=str(problem.get("hint") or ""))
