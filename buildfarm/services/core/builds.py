"""Changes of a build by people and handlers: move, cancel, retry, release from hold."""

from __future__ import annotations

from buildfarm.domain.core.build import (
    TO_BUILD,
    Build,
    BuildState,
    FailureKind,
    Gate,
    WaitKind,
    check_transition,
)
from buildfarm.domain.core.lag import spent_until
from buildfarm.domain.core.task import ACTIVE, Task, TaskState
from buildfarm.errors import Conflict, InputError
from buildfarm.ports.store import Transaction
from buildfarm.services.core import bootstrap_variants, search_index

_SHOWN = ("verdict", "gate", "gate_reason", "failure_kind")
"""Fields of a build that its events hold, so that the history can be read without the build."""


def move(
    tx: Transaction, build: Build, to: BuildState, *, actor: str, why: str = "", **fields: object
) -> Build:
    """Take ``build`` to another state, with its event.

    :raises IllegalTransition: ``to`` does not follow.
    :raises Conflict: it was moved meanwhile; read it again.
    """
    check_transition(build.nvr, build.state, to)
    values: dict[str, object] = {
        "reason": why,
        "wait_kind": "",
        "failure_kind": "",
        **next_stage(tx, build),
        **fields,
    }
    moved = tx.update(build, only_if={"state": build.state}, state=to, state_since=tx.now, **values)
    if moved is None:
        raise Conflict(f"build {build.nvr} was moved meanwhile", hint="read it again")
    shown = {name: str(value) for name in _SHOWN if (value := fields.get(name))}
    tx.event(f"build.{to.value}", build.id, actor=actor, why=why, was=build.state.value, **shown)
    return moved


def next_stage(tx: Transaction, build: Build) -> dict[str, object]:
    """Return what to set when a build leaves its stage now (see
    :mod:`buildfarm.domain.core.lag`).
    """
    return {"spent": spent_until(build, tx.now), "stage_since": tx.now}


def wait(tx: Transaction, build: Build, kind: WaitKind, reason: str) -> Build:
    """Store why a waiting build waits, with an event when the reason is a new one."""
    if build.wait_kind == kind and build.reason == reason:
        return build
    waiting = {"state": BuildState.WAITING}
    changed = tx.update(
        build, only_if=waiting, wait_kind=kind.value, reason=reason, **next_stage(tx, build)
    )
    if changed is None:
        return build
    if kind is not WaitKind.PLANNING:
        tx.event("build.waits", build.id, actor="scheduler", why=reason, wait_kind=kind.value)
    return changed


def fail(tx: Transaction, build: Build, kind: FailureKind, reason: str, *, actor: str) -> Build:
    """End a build with its failure kind and a reason a person can read."""
    failed = move(
        tx, build, BuildState.FAILED, actor=actor, why=reason or "no reason was given",
        failure_kind=kind.value, finished=tx.now,
    )  # fmt: skip
    search_index.note_failure(tx, failed)
    return failed


def cancel(tx: Transaction, build: Build, *, actor: str, why: str) -> Build:
    """Cancel a build and its tasks; a running worker learns it with its next heart-beat.

    :raises IllegalTransition: it is published already.
    """
    moved = move(tx, build, BuildState.CANCELED, actor=actor, why=why, finished=tx.now)
    for task in tx.find(Task, subject=build.id, state=ACTIVE):
        tx.update(
            task,
            only_if={"state": task.state},
            state=TaskState.CANCELED,
            finished=tx.now,
            reason=why,
        )
    return moved


def prioritise(tx: Transaction, build: Build, priority: int, *, actor: str, why: str) -> Build:
    """Let a build and its free tasks go before others (or, below zero, after all others).

    :raises InputError: no reason given. :raises Conflict: it is built already.
    """
    if not why.strip():
        raise InputError(
            f"build {build.nvr}: another priority needs a reason", hint="--reason TEXT"
        )
    if build.state not in TO_BUILD:
        raise Conflict(
            f"build {build.nvr} is {build.state}",
            hint="only what is still to be built has a turn to wait for",
        )
    changed = tx.update(build, only_if={"state": build.state}, priority=priority)
    if changed is None:
        raise Conflict(f"build {build.nvr} was moved meanwhile", hint="read it again")
    for task in tx.find(Task, subject=build.id, state=TaskState.FREE):
        tx.update(task, only_if={"state": TaskState.FREE}, priority=priority)
    tx.event("build.priority", build.id, actor=actor, why=why, was=build.priority, now=priority)
    return changed


def retry(tx: Transaction, build: Build, *, actor: str, why: str) -> Build:
    """Send a failed or canceled build through the pipeline again, under today's rules.

    :raises Conflict: it is not in a state that ended.
    """
    if build.state not in (BuildState.FAILED, BuildState.CANCELED, BuildState.EXCLUDED):
        raise Conflict(
            f"build {build.nvr} is {build.state}",
            hint="only failed, canceled or excluded builds are retried",
        )
    return _start_again(tx, build, actor=actor, why=why)


def release_hold(tx: Transaction, build: Build, *, actor: str, why: str) -> Build:
    """Let a build on hold go on; the reason is kept for ever beside the one that held it.

    :raises InputError: no reason is given, or the file is not usable at all.
    """
    if build.state is not BuildState.ON_HOLD:
        raise Conflict(f"build {build.nvr} is {build.state}, not on hold")
    if not why.strip():
        raise InputError(
            f"build {build.nvr}: a release from hold needs a reason", hint="--reason TEXT"
        )
    if not build.version:
        raise InputError(
            f"{build.srpm_filename} cannot be released: {build.reason}",
            hint="send the drop again with an intact file",
        )
    return _start_again(tx, build, actor=actor, why=why)


def _start_again(tx: Transaction, build: Build, *, actor: str, why: str) -> Build:
    bootstrap_variants.forget(tx, build)
    return move(
        tx, build, BuildState.INGESTED, actor=actor, why=why, attempt=build.attempt + 1,
        debranded_srpm="", debranded_tree="", debranded_release="", debranded_name="",
        rule_digest="", rule_date="", audit="", verdict="", gate=Gate.NONE, gate_reason="",
        finished=None, override={}, cycle=(), seeded=(), lock_ours=0, lock_rpms=0, finding="",
        brand_hits=0, source_brand_hits=0, superseded=False, bootstrap="", found_requires=(),
        replans=0,
    )  # fmt: skip
