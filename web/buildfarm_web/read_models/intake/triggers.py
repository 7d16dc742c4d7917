"""Triggers for reading: what each follows, when it last looked, what it found, why it waits or
fails.
"""

from __future__ import annotations

from buildfarm.api.responses.intake import triggers as responses
from buildfarm.domain.target.target import Target
from buildfarm.domain.target.trigger import (
    Poll,
    Trigger,
    TriggerKind,
    TriggerState,
    WatchedFolder,
    place_of,
    trigger_id,
)
from buildfarm.ports.store import Transaction
from buildfarm.services.core.hub import Hub


def triggers(hub: Hub, tx: Transaction, *, target: str = "") -> responses.TriggerList:
    """Every configured trigger, by target; ``state`` is ``listening`` or ``failing``, ``problem``
    says why.

    A webhook whose last message was refused still listens: anybody can send one that is not signed.
    """
    states = {state.id: state for state in tx.find(TriggerState)}
    return responses.TriggerList(
        triggers=[
            _trigger_of(found, one, states.get(trigger_id(found.name, one.kind, one.name)))
            for found in sorted(hub.config.targets.values(), key=lambda each: each.name)
            if target in ("", found.name)
            for one in found.triggers.all
        ]
    )


def _trigger_of(target: Target, trigger: Trigger, known: TriggerState | None) -> responses.Trigger:
    state = known or TriggerState(id="", target=target.name, kind=trigger.kind, name=trigger.name)
    is_failing = bool(state.problem) and trigger.kind is not TriggerKind.WEBHOOK
    return responses.Trigger(
        target=target.name,
        kind=trigger.kind,
        name=trigger.name,
        follows=_follows(target, trigger),
        priority=trigger.priority,
        state="failing" if is_failing else "listening",
        looked=state.looked,
        next_look=state.next_look,
        found=state.found,
        problem=state.problem,
        problem_since=state.problem_since,
        failures=state.failures,
        drop=state.drop_id,
        dropped=state.dropped,
        repositories=_repositories(trigger, state) if isinstance(trigger, Poll) else [],
    )


def _follows(target: Target, trigger: Trigger) -> list[str]:
    """In words; never where a secret is."""
    if isinstance(trigger, Poll):
        return list(trigger.places)
    if isinstance(trigger, WatchedFolder):
        return [trigger.path]
    refs = [f"{trigger.forge.value}: {ref}" for ref in trigger.refs] or [trigger.forge.value]
    return [f"POST /api/v1/hooks/{target.name}/{trigger.name}", *refs]


def _repositories(poll: Poll, state: TriggerState) -> list[responses.PolledRepository]:
    known = {place: place_of(state.position, place) for place in poll.places}
    return [
        responses.PolledRepository(
            url=place, revision=one.get("revision", ""), etag=one.get("etag", "")
        )
        for place, one in known.items()
    ]
