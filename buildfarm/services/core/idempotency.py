"""Stored answers under clients' keys: one transaction takes a key, a second stores the answer."""

from __future__ import annotations

from buildfarm.domain.core.idempotency import KEPT_FOR, KeptAnswer, answered
from buildfarm.ports.store import Below, Store


def begin(store: Store, key: str, fingerprint: str) -> KeptAnswer:
    """Take a key for a request.

    A ``status`` in what is returned is the answer to give again; without one the request is ours to
    do.

    Errors as :func:`buildfarm.domain.core.idempotency.answered`.
    """
    with store.begin() as tx:
        mine = KeptAnswer(id=key, fingerprint=fingerprint, created=tx.now)
        if tx.insert_or_ignore(mine):
            return mine
        kept = tx.get(KeptAnswer, key)
        if answered(kept, fingerprint, tx.now):
            return kept
        tx.remove(KeptAnswer, id=key)
        tx.add(mine)
        return mine


def finish(
    store: Store, taken: KeptAnswer, *, status: int, content_type: str, location: str, body: str
) -> None:
    """Store the answer of a request; nothing happens if the key was taken over meanwhile."""
    mine = {"status": 0, "created": taken.created}
    with store.begin() as tx:
        tx.update(
            taken,
            only_if=mine,
            status=status,
            content_type=content_type,
            location=location,
            body=body,
        )


def let_go(store: Store, taken: KeptAnswer) -> None:
    """Forget a request that did nothing, so that it may be sent again."""
    with store.begin() as tx:
        tx.remove(KeptAnswer, id=taken.id, status=0, created=taken.created)


def prune(store: Store) -> int:
    """Delete expired answers and return how many."""
    with store.begin() as tx:
        return tx.remove(KeptAnswer, created=Below(tx.now - KEPT_FOR))
