"""One generation of a tag: what it carries, and what changed against the one before."""

from __future__ import annotations

from buildfarm.api.responses.core.base import fields_of
from buildfarm.api.responses.target import generations as responses
from buildfarm.domain.publish.repository import Generation, GenerationState
from buildfarm.errors import NotFound
from buildfarm.ports.store import Transaction
from buildfarm.services.publish import publishing
from buildfarm_web.read_models.publish.changes import changes
from buildfarm_web.read_models.publish.composes import of_generation
from buildfarm_web.read_models.target.targets import generation_of


def generation_page(tx: Transaction, name: str) -> responses.GenerationPage:
    """A generation by its id. :raises NotFound: there is none."""
    found = tx.first(Generation, id=name)
    if found is None:
        raise NotFound(f"no generation {name}", hint="/generations lists them")
    head = publishing.head(tx, found.tag)
    before = (
        tx.first(Generation, tag=found.tag, number=_before(tx, found)) if found.number > 1 else None
    )
    after = tx.first(Generation, tag=found.tag, number=found.number + 1)
    return responses.GenerationPage(
        **fields_of(generation_of(found, in_force=head is not None and head.id == found.id)),
        now=tx.now,
        carried=dict(found.carried),
        self_hosted=responses.OwnRpms(ours=found.lock_ours, all=found.lock_rpms),
        previous=_brief(before),
        next=_brief(after),
        composes=of_generation(tx, found.id),
        changes=changes(tx, before.builds if before else (), found.builds),
    )


def _before(tx: Transaction, generation: Generation) -> int:
    """The number of the newest earlier generation that came into force."""
    for number in range(generation.number - 1, 0, -1):
        one = tx.select_fields(Generation, ("state",), tag=generation.tag, number=number)
        if one and one[0][0] in (GenerationState.READY, GenerationState.COLLECTED):
            return number
    return 0


def _brief(generation: Generation | None) -> responses.Neighbour | None:
    if generation is None:
        return None
    return responses.Neighbour(id=generation.id, number=generation.number, state=generation.state)
