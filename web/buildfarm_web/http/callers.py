"""Key of the caller for limits and kept answers: a good token or session, else an address.

What they may do is decided in ``access``.
"""

from __future__ import annotations

from flask import request

from buildfarm.services.core.tasks import token_hash
from buildfarm_web.http import access


def known_caller() -> str:
    """Return what names the request's token or session if it opens something, else nothing: who
    guesses tokens gets no count of their own.
    """
    if not access.seen().is_known:
        return ""
    return (
        f"session {access.session_id()}"
        if access.session_id()
        else f"token {token_hash(access.bearer())}"
    )


def caller() -> str:
    """Whom requests are counted for."""
    return known_caller() or request.remote_addr or "unknown"
