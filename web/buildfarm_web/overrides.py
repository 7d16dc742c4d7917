"""An engineer's exception for one source: recorded with its reason, in force until it is replaced or removed."""

from __future__ import annotations

from buildfarm.api_models import OverrideRequest
from buildfarm.domain.records import SourceOverride
from buildfarm.errors import InputError, NotFound
from buildfarm.services import tasks
from buildfarm.services.hub import Hub


def record(hub: Hub, wish: OverrideRequest, *, actor: str) -> SourceOverride:
    """Put an override in force in the place of the former one, or end the former one.

    :raises NotFound: no such target, or nothing to remove.
    :raises InputError: no reason, or it would change nothing.
    """
    target = hub.target(wish.target)
    if not wish.reason.strip():
        raise InputError(f"{wish.source}: an override needs a reason", hint="--reason TEXT")
    settings = wish.settings.model_dump(mode="json", exclude={"reason"}, exclude_defaults=True)
    if not wish.remove and not settings:
        raise InputError(f"{wish.source}: this override changes nothing", hint="--nocheck, --with, --define, …")
    with hub.store.begin() as tx:
        former = tx.find(SourceOverride, target=target.name, source=wish.source, active=True)
        for override in former:
            tx.change(override, active=False)
        if wish.remove:
            if not former:
                raise NotFound(f"{wish.source} has no override in {target.name}")
            tx.event("override.removed", f"{target.name}/{wish.source}", actor=actor, why=wish.reason)
            return former[-1]
        made = SourceOverride(
            id=tasks.new_id(), target=target.name, source=wish.source, settings=settings, reason=wish.reason,
            actor=actor, created=tx.now,
        )  # fmt: skip
        tx.add(made)
        tx.event("override.recorded", f"{target.name}/{wish.source}", actor=actor, why=wish.reason, settings=settings)
    return made
