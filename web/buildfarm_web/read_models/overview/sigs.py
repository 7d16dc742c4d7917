"""SIGs for reading: who answers for what, how it stands, and what of it needs somebody."""

from __future__ import annotations

from typing import TypedDict

from buildfarm.api.responses.build.source_status import MapGroup, SourceStatus
from buildfarm.api.responses.target import sigs as responses
from buildfarm.errors import NotFound
from buildfarm.ports.store import Transaction
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.auth.responsible import contact_of, names
from buildfarm_web.read_models.build.source_status import (
    SourceStatusIndex,
    by_word,
    chosen,
    map_of,
    row,
)
from buildfarm_web.read_models.core.convert import parsed
from buildfarm_web.read_models.overview import action_required
from buildfarm_web.read_models.target.lag import summary

_LISTED = 100


class _About(TypedDict):
    """A SIG, its contact, and what it answers for."""

    name: str
    title: str
    contact: str
    patterns: list[str]
    targets: list[str]


def _about(hub: Hub, sig: str) -> _About:
    known = hub.config.farm.sigs.get(sig)
    return {
        "name": sig,
        "title": (known.title if known else "") or sig,
        "contact": contact_of(hub, sig),
        "patterns": list(known.sources) if known else [],
        "targets": sorted(
            name for name, target in hub.config.targets.items() if target.owner.sig == sig
        ),
    }


def sigs(hub: Hub, tx: Transaction, source_statuses: SourceStatusIndex) -> responses.SigList:
    """Every SIG with its sources by word, how many need somebody, and its median lag."""
    found = source_statuses.of(hub, tx)
    listed = []
    for name in names(hub):
        own = [one for one in found if one.sig == name]
        lag = summary(tx, source_statuses.kept, own, of=("", name))
        listed.append(
            responses.Sig(
                **_about(hub, name),
                sources=len(own),
                words=by_word(own),
                needs_person=sum(bool(one.need) for one in own),
                lag=lag.published,
                stages=lag.stages,
            )
        )
    return responses.SigList(now=tx.now, sigs=listed)


def sig_page(
    hub: Hub, tx: Transaction, source_statuses: SourceStatusIndex, name: str
) -> responses.SigPage:
    """One SIG. :raises NotFound: nobody named it."""
    if name not in names(hub):
        raise NotFound(f"no SIG {name}", hint=f"there are: {', '.join(names(hub)) or 'none'}")
    own = [one for one in source_statuses.of(hub, tx) if one.sig == name]
    return responses.SigPage(
        **_about(hub, name),
        now=tx.now,
        words=by_word(own),
        map=parsed(MapGroup, map_of(own)),
        lag=summary(tx, source_statuses.kept, own, of=("", name)),
        action_required=action_required.action_required(hub, tx, source_statuses.kept, sig=name),
        sources=parsed(SourceStatus, (row(tx, one) for one in chosen(own)[:_LISTED])),
        total=len(own),
    )
