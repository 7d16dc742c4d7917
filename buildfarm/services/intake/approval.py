"""Approval: a drop above its trigger's limits is planned and waits until a person approves the
plan.
"""

from __future__ import annotations

from buildfarm.domain.intake.drop import Approval, Drop
from buildfarm.errors import Conflict, InputError
from buildfarm.ports.store import Transaction
from buildfarm.services.core import pausing


def approve(tx: Transaction, drop: Drop, *, actor: str, why: str) -> Drop:
    """Let a drop's plan become work.

    :raises Conflict: nothing is awaited. :raises InputError: no reason given.
    """
    return _decide(tx, drop, Approval.GIVEN, actor=actor, why=why)


def refuse(tx: Transaction, drop: Drop, *, actor: str, why: str) -> Drop:
    """Build nothing of a drop: its builds are canceled and can be retried one by one.

    Errors as :func:`approve`.
    """
    refused = _decide(tx, drop, Approval.REFUSED, actor=actor, why=why)
    pausing.cancel_waiting(tx, refused, actor=actor, why=f"the drop was refused: {why}")
    return refused


def _decide(tx: Transaction, drop: Drop, answer: Approval, *, actor: str, why: str) -> Drop:
    if not why.strip():
        raise InputError(
            f"drop {drop.name}: approval and refusal need a reason", hint="--reason TEXT"
        )
    changed = tx.update(drop, only_if={"approval": Approval.AWAITED}, approval=answer, reason="")
    if changed is None:
        raise Conflict(
            f"drop {drop.name} does not await approval", hint="`buildfarm drop` says what it is at"
        )
    tx.event(f"drop.approval_{answer.value}", drop.id, actor=actor, why=why)
    return changed
