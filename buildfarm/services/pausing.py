"""Pausing a target: what runs ends, nothing else begins, and everybody who looks sees who stopped it and why."""

from __future__ import annotations

from buildfarm.domain.records import Pause
from buildfarm.domain.target import Target
from buildfarm.errors import Conflict, InputError
from buildfarm.ports import Transaction


def paused(tx: Transaction, target: str) -> Pause | None:
    """The pause in force, if there is one."""
    return tx.first(Pause, id=target, active=True)


def words(pause: Pause) -> str:
    """The pause as a reason to wait."""
    return f"paused by {pause.actor}: {pause.reason}"


def pause(tx: Transaction, target: Target, *, actor: str, why: str) -> Pause:
    """Begin no more builds of a target. :raises InputError: no reason given. :raises Conflict: it is paused already."""
    if not why.strip():
        raise InputError(f"{target.name}: a pause needs a reason", hint="--reason TEXT")
    if held := paused(tx, target.name):
        raise Conflict(f"{target.name} is {words(held)}", hint="resume it first")
    made = Pause(id=target.name, active=True, actor=actor, reason=why, since=tx.now)
    if not tx.add_once(made):
        made = tx.change(tx.get(Pause, target.name), active=True, actor=actor, reason=why, since=tx.now) or made
    tx.event("target.paused", target.name, actor=actor, why=why)
    return made


def resume(tx: Transaction, target: Target, *, actor: str, why: str) -> None:
    """Go on. :raises Conflict: it is not paused."""
    held = paused(tx, target.name)
    if held is None:
        raise Conflict(f"{target.name} is not paused")
    tx.change(held, active=False)
    tx.event("target.resumed", target.name, actor=actor, why=why, was=held.reason)
