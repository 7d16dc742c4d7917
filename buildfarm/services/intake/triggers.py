"""State and history of each trigger.

Webhooks, folders and polls write it, the page shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from buildfarm.domain.intake.drop import Drop
from buildfarm.domain.target.target import Target
from buildfarm.domain.target.trigger import SeenFile, Trigger, TriggerState, memory_key, trigger_id
from buildfarm.ports.store import Transaction


def word(trigger: Trigger) -> str:
    """Return what stands on a drop: ``poll vault``."""
    return f"{trigger.kind.value} {trigger.name}"


def state_of(tx: Transaction, target: Target, trigger: Trigger) -> TriggerState:
    """A trigger's state; a fresh one if nothing ever happened."""
    identity = trigger_id(target.name, trigger.kind, trigger.name)
    known = tx.first(TriggerState, id=identity)
    return known or TriggerState(
        id=identity, target=target.name, kind=trigger.kind, name=trigger.name
    )


def note(
    tx: Transaction, state: TriggerState, *, found: str = "", drop: Drop | None = None,
    problem: str = "", failures: int = 0, next_look: datetime | None = None,
    position: Mapping[str, object] | None = None,
) -> TriggerState:  # fmt: skip
    """Write down what a look or a message came to.

    A problem that begins, changes or ends is an event; one that goes on is none.
    """
    tx.insert_or_ignore(state)
    if problem != state.problem:
        kind = "trigger.failing" if problem else "trigger.recovered"
        tx.event(
            kind, state.id, actor=state.kind.value, why=problem or f"no longer: {state.problem}"
        )
    values: dict[str, object] = {
        "looked": tx.now, "problem": problem, "failures": failures, "next_look": next_look,
        "problem_since": (state.problem_since or tx.now) if problem else None,
    }  # fmt: skip
    if found:
        values["found"] = found
    if drop is not None:
        values |= {"drop_id": drop.id, "dropped": tx.now}
    if position is not None:
        values["position"] = dict(position)
    return tx.update(state, only_if=None, **values) or state


def remember(
    tx: Transaction, trigger: str, files: Iterable[tuple[str, str, str]], *, drop: str
) -> int:
    """Keep what a trigger has dealt with, ``(sha256, name, stamp)`` each; how many are new to
    it.
    """
    count = 0
    for sha256, name, stamp in files:
        identity = memory_key(trigger, sha256)
        count += tx.insert_or_ignore(
            SeenFile(
                id=identity,
                trigger=trigger,
                sha256=sha256,
                name=name,
                stamp=stamp,
                drop_id=drop,
                seen=tx.now,
            )
        )
    return count
