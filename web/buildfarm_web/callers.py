"""Who asks, for counting and keeping only: a known token, else an address. What a caller may do is decided in ``access``."""

from __future__ import annotations

from flask import g, request

from buildfarm.domain.records import ApiToken
from buildfarm.services.tasks import token_hash
from buildfarm_web.parts import the_hub


def known_token() -> str:
    """The digest of the request's token if it is one of ours, else nothing: who guesses tokens gets no count of their own."""
    found: str | None = g.get("known_token")
    if found is None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        digest = token_hash(token.strip()) if scheme.lower() == "bearer" and token.strip() else ""
        found = digest if digest and _is_known(digest) else ""
        g.known_token = found
    return found


def _is_known(digest: str) -> bool:
    with the_hub().store.read() as tx:
        return tx.count(ApiToken, id=digest) > 0


def caller() -> str:
    """Whom requests are counted for."""
    return known_token() or request.remote_addr or "unknown"
