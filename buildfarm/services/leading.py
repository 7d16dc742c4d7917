"""One leader by a database lease: of any number of processes that may do a thing, one does it."""

from __future__ import annotations

from datetime import timedelta

from buildfarm.domain.records import Leader
from buildfarm.ports import Store


def lead(store: Store, role: str, owner: str, *, seconds: float) -> bool:
    """Take or renew the lease of ``role`` for ``seconds``; False while another ``owner`` holds it."""
    with store.begin() as tx:
        mine = Leader(id=role, owner=owner, until=tx.now + timedelta(seconds=seconds))
        if tx.add_once(mine):
            return True
        held = tx.get(Leader, role)
        if held.owner != owner and held.until > tx.now:
            return False
        if held.owner != owner:
            tx.event(f"{role}.leads", role, actor=owner, why=f"the lease of {held.owner} ran out")
        return tx.change(held, only_if={"owner": held.owner}, owner=owner, until=mine.until) is not None
