"""Who asks, for counting and keeping only: somebody the farm knows, else an address. What a caller may do is decided in ``access``."""

from __future__ import annotations

from flask import request

from buildfarm_web.access import seen


def known_caller() -> str:
    """The account whose token or session this is; empty for nobody's: who guesses tokens gets no count of their own."""
    asker = seen()
    return asker.name if asker.is_known else ""


def caller() -> str:
    """Whom requests are counted for."""
    return known_caller() or request.remote_addr or "unknown"
