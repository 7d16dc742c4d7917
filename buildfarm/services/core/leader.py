"""Leader election among processes of a kind, by a lease in the database; any number may stand
by.
"""

from __future__ import annotations

from datetime import timedelta

from buildfarm.domain.core.records import Leader
from buildfarm.ports.store import Store


def lead(store: Store, role: str, *, owner: str, seconds: float) -> bool:
    """Take or renew the lease of ``role`` for so long; False while another process holds it."""
    with store.begin() as tx:
        mine = Leader(id=role, owner=owner, until=tx.now + timedelta(seconds=seconds))
        if tx.insert_or_ignore(mine):
            return True
        held = tx.get(Leader, role)
        if held.owner != owner and held.until > tx.now:
            return False
        if held.owner != owner:
            tx.event(f"{role}.leads", role, actor=owner, why=f"the lease of {held.owner} ran out")
        return (
            tx.update(held, only_if={"owner": held.owner}, owner=owner, until=mine.until)
            is not None
        )
