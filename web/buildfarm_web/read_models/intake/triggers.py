"""Triggers for reading: what each follows, when it last looked, what it found, why it waits or
fails.
"""

from __future__ import annotations

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
from buildfarm_web.read_models.core.convert import Json, stamp


def triggers(hub: Hub, tx: Transaction, *, target: str = "") -> Json:
    """Every configured trigger, by target; ``state`` is ``listening`` or ``failing``, ``problem``
    says why.

    A webhook whose last message was refused still listens: anybody can send one that is not signed.
    """
    states = {state.id: state for state in tx.find(TriggerState)}
    return {
        "triggers": [
            _trigger_json(found, one, states.get(trigger_id(found.name, one.kind, one.name)))
            for found in sorted(hub.config.targets.values(), key=lambda each: each.name)
            if target in ("", found.name)
            for one in found.triggers.all
        ]
    }


def _trigger_json(target: Target, trigger: Trigger, state: TriggerState | None) -> Json:
    return {
        "target": target.name,
        "kind": trigger.kind.value,
        "name": trigger.name,
        "follows": _follows(target, trigger),
        "priority": trigger.priority,
        "state": "failing"
        if state and state.problem and trigger.kind is not TriggerKind.WEBHOOK
        else "listening",
        "looked": stamp(state.looked if state else None),
        "next_look": stamp(state.next_look if state else None),
        "found": state.found if state else "",
        "problem": state.problem if state else "",
        "problem_since": stamp(state.problem_since if state else None),
        "failures": state.failures if state else 0,
        "drop": state.drop_id if state else "",
        "dropped": stamp(state.dropped if state else None),
        "repositories": _repositories(trigger, state) if isinstance(trigger, Poll) else [],
    }


def _follows(target: Target, trigger: Trigger) -> list[str]:
    """In words; never where a secret is."""
    if isinstance(trigger, Poll):
        return list(trigger.places)
    if isinstance(trigger, WatchedFolder):
        return [trigger.path]
    refs = [f"{trigger.forge.value}: {ref}" for ref in trigger.refs] or [trigger.forge.value]
    return [f"POST /api/v1/hooks/{target.name}/{trigger.name}", *refs]


def _repositories(poll: Poll, state: TriggerState | None) -> list[Json]:
    position = state.position if state else {}
    known = {place: place_of(position, place) for place in poll.places}
    return [
        {"url": place, "revision": one.get("revision", ""), "etag": one.get("etag", "")}
        for place, one in known.items()
    ]
