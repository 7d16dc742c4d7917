"""Entries of a feed: the newest notices of everything, a target, a SIG or a source."""

from __future__ import annotations

from buildfarm.domain.notify.notice import Notice
from buildfarm.errors import NotFound
from buildfarm.ports.store import Transaction
from buildfarm.services.core.hub import Hub

_ENTRIES = 50
SCOPES = ("target", "sig", "source")


def notices(hub: Hub, tx: Transaction, scope: str = "", name: str = "") -> list[Notice]:
    """The newest first. :raises NotFound: no such target or SIG; a source may be one that is still
    to come.
    """
    if scope == "target":
        hub.target(name)
    elif scope == "sig":
        if name not in sigs(hub):
            raise NotFound(f"no SIG {name!r}", hint=f"known: {', '.join(sigs(hub)) or 'none'}")
    elif scope and scope != "source":
        raise NotFound(f"no feeds of {scope!r}", hint=f"`all`, or one of {', '.join(SCOPES)}")
    where = {scope: name} if scope else {}
    return tx.find(Notice, order_by="id", descending=True, limit=_ENTRIES, **where)


def sigs(hub: Hub) -> list[str]:
    """Every SIG that answers for something."""
    return sorted({*hub.config.farm.sigs, *hub.config.sigs.values()} - {""})
