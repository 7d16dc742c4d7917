"""Composes for reading: which there are, which one users get, and what changed from one to the
next.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from buildfarm.api.responses.core.base import fields_of
from buildfarm.api.responses.publish import composes as responses
from buildfarm.domain.publish.compose import Compose, ComposeState, in_force
from buildfarm.domain.publish.repository import Generation
from buildfarm.errors import NotFound
from buildfarm.ports.store import Transaction
from buildfarm_web.read_models.core.paging import page
from buildfarm_web.read_models.publish.changes import changes


def _in_force(tx: Transaction) -> set[str]:
    """The composes that users get, by any tag."""
    by_tag: dict[str, list[Compose]] = {}
    for one in tx.find(Compose, state=ComposeState.RELEASED):
        by_tag.setdefault(one.tag, []).append(one)
    return {now.id for some in by_tag.values() if (now := in_force(some))}


def _listed(tx: Transaction, found: Iterable[Compose]) -> list[responses.Compose]:
    users_get = _in_force(tx)
    return [
        responses.Compose(**asdict(one), in_force=one.id in users_get, path=f"/repos/{one.path}")
        for one in found
    ]


def compose_of(tx: Transaction, compose: Compose) -> responses.Compose:
    """One compose; ``path`` is its folder, below which dnf finds a repository for each arch."""
    return _listed(tx, [compose])[0]


def composes(
    tx: Transaction, *, limit: int, target: str = "", cursor: str = ""
) -> responses.ComposeList:
    """A page of composes, the newest first, of one target or of all."""
    where: dict[str, object] = {"target": target} if target else {}
    found = page(tx, Compose, "created,id", where, limit=limit, cursor=cursor)
    return responses.ComposeList(composes=_listed(tx, found.records), cursor=found.cursor)


def of_generation(tx: Transaction, generation: str) -> list[responses.Compose]:
    """The composes that a generation of a destination tag has."""
    return _listed(tx, tx.find(Compose, generation=generation, order_by="created,id"))


def compose_page(tx: Transaction, name: str) -> responses.ComposePage:
    """One compose, and what changed since the one made before it for the same target.

    :raises NotFound: there is none.
    """
    found = tx.first(Compose, id=name)
    if found is None:
        raise NotFound(f"no compose {name}", hint="/composes lists them")
    generation = tx.get(Generation, found.generation)
    before = tx.find(
        Compose, target=found.target, order_by="created,id", descending=True, limit=1, after=found
    )
    old = tx.get(Generation, before[0].generation).builds if before else ()
    return responses.ComposePage(
        **fields_of(compose_of(tx, found)),
        now=tx.now,
        generation_state=generation.state,
        digest=generation.digest,
        rpms=generation.rpms,
        builds=generation.sources,
        previous=compose_of(tx, before[0]) if before else None,
        changes=changes(tx, old, generation.builds),
    )
