"""Style, script and mark: addresses that change with their content, so that a browser asks for each
only once.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, current_app, request

_YEAR = 365 * 24 * 3600
_ENDPOINT = "static"


def register(app: Flask) -> None:
    """Add ``v`` to the addresses of the files of ``app``, and let browsers keep what is asked for
    by it.
    """
    app.url_defaults(_versioned)
    app.after_request(_keep)


def _versioned(endpoint: str, values: dict[str, Any]) -> None:
    if endpoint == _ENDPOINT:
        values.setdefault("v", _version(Path(str(current_app.static_folder)) / values["filename"]))


@cache
def _version(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def _keep(answer: Response) -> Response:
    if request.endpoint == _ENDPOINT and answer.status_code < 400 and "v" in request.args:  # noqa: PLR2004  # no error
        file = Path(str(current_app.static_folder)) / (request.view_args or {})["filename"]
        if request.args["v"] == _version(file):
            answer.headers["Cache-Control"] = f"public, max-age={_YEAR}, immutable"
            answer.headers.pop("Vary", None)
    return answer
