"""Overrides: an engineer's exception for one source, recorded with its reason, in force until it is
replaced or removed.
"""

from __future__ import annotations

from buildfarm import wire
from buildfarm.domain.core.records import SourceOverride
from buildfarm.errors import InputError, NotFound
from buildfarm.services.core import tasks
from buildfarm.services.core.hub import Hub


def record(
    hub: Hub,
    target_name: str,
    source: str,
    settings: wire.Override,
    *,
    reason: str,
    remove: bool,
    actor: str,
) -> SourceOverride:
    """Put an override in force in the place of the former one, or end the former one.

    :raises NotFound: no such target, or nothing to remove.
    :raises InputError: no reason, or it would change nothing.
    """
    target = hub.target(target_name)
    if not reason.strip():
        raise InputError(f"{source}: an override needs a reason", hint="--reason TEXT")
    changes = settings.model_dump(mode="json", exclude={"reason"}, exclude_defaults=True)
    if not remove and not changes:
        raise InputError(
            f"{source}: this override changes nothing", hint="--nocheck, --with, --define, …"
        )
    with hub.store.begin() as tx:
        former = tx.find(SourceOverride, target=target.name, source=source, active=True)
        for override in former:
            tx.update(override, active=False)
        if remove:
            if not former:
                raise NotFound(f"{source} has no override in {target.name}")
            tx.event("override.removed", f"{target.name}/{source}", actor=actor, why=reason)
            return former[-1]
        made = SourceOverride(
            id=tasks.new_id(), target=target.name, source=source, settings=changes, reason=reason,
            actor=actor, created=tx.now,
        )  # fmt: skip
        tx.add(made)
        tx.event(
            "override.recorded",
            f"{target.name}/{source}",
            actor=actor,
            why=reason,
            settings=changes,
        )
    return made
