"""Server-sent events as bytes (HTML Living Standard, section 9.2)."""

from __future__ import annotations

import json

HEARTBEAT = b":\n\n"
"""A comment: it keeps proxies from closing a silent stream, and finds out who is gone."""

RETRY = b"retry: 2000\n\n"
"""Milliseconds until a browser whose connection broke comes back."""


def event(name: str, data: object, *, last_id: object = None) -> bytes:
    r"""One event with JSON data; ``last_id`` is what the browser sends as Last-Event-ID when it
    comes back.

    >>> event("end", {"state": "CLOSED"}, last_id=7)
    b'id: 7\nevent: end\ndata: {"state":"CLOSED"}\n\n'
    """
    head = "" if last_id is None else f"id: {last_id}\n"
    text = json.dumps(
        data, ensure_ascii=False, separators=(",", ":")
    )  # JSON has no line breaks outside of escapes
    return f"{head}event: {name}\ndata: {text}\n\n".encode()
