"""Waivers: record, revoke and expire them. Each time the stored reports that they touch are judged
again, without a rebuild.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, timedelta

from buildfarm.config import Config
from buildfarm.domain.auth.permissions import Scope
from buildfarm.domain.build.waiver import WaiverRecord
from buildfarm.domain.compare.expect import SECURITY, glob
from buildfarm.domain.compare.kinds import NEVER_EXPECTED, Kind
from buildfarm.domain.compare.policy import Waiver
from buildfarm.domain.compare.report import from_json
from buildfarm.domain.core.build import JUDGED, Build, BuildState, Gate, judged_state
from buildfarm.domain.core.records import Comparison, Event
from buildfarm.errors import Conflict, InputError, NotAllowed, NotFound
from buildfarm.ports.store import Transaction
from buildfarm.services.build import judging
from buildfarm.services.core import builds
from buildfarm.services.core.hub import Hub

_JUDGED = (*JUDGED, BuildState.PUBLISHED)
_WARNED_BEFORE = timedelta(days=7)
_SECURITY_ROLES = ("security", "admin")
AUTHORITIES = ("anyone", SECURITY)


def record(hub: Hub, waiver: Waiver, *, actor: str, role: str) -> WaiverRecord:
    """Put a waiver in force and judge anew what it touches.

    :raises InputError: it says too little, is over already or could never match.
    :raises NotAllowed: ``role`` may not speak for its authority.
    :raises Conflict: its id is taken.
    """
    _check(waiver, role)
    with hub.store.begin() as tx:
        if waiver.expires < tx.now.date():
            raise InputError(
                f"waiver {waiver.id} expired on {waiver.expires}",
                hint="--expires YYYY-MM-DD, not past",
            )
        made = WaiverRecord(
            **{**asdict(waiver), "expires": waiver.expires.isoformat()}, actor=actor, created=tx.now
        )
        if not tx.insert_or_ignore(made):
            raise Conflict(
                f"waiver {waiver.id} exists already",
                hint="an id names one decision for ever: take another",
            )
        tx.event("waiver.recorded", waiver.id, actor=actor, why=waiver.reason, waiver=_said(waiver))
        _judge_again(
            hub,
            tx,
            waiver,
            actor=actor,
            why=f"waiver {waiver.id} by {waiver.owner}: {waiver.reason}",
        )
    hub.wakeup.notify()
    return made


def _check(waiver: Waiver, role: str) -> None:
    for name in ("id", "owner", "reason", "kind"):
        if not getattr(waiver, name).strip():
            raise InputError(f"waiver {waiver.id or '(no id)'}: no {name}", hint=f"--{name} TEXT")
    if not any(
        glob(waiver.kind).fullmatch(kind.value) for kind in Kind if kind not in NEVER_EXPECTED
    ):
        raise InputError(
            f"waiver {waiver.id}: no finding that can be waived is of kind {waiver.kind!r}",
            hint="see `compare --kinds`",
        )
    if waiver.authority not in AUTHORITIES:
        raise InputError(
            f"waiver {waiver.id}: authority {waiver.authority!r}", hint="`anyone` or `security`"
        )
    if waiver.authority == SECURITY and role not in _SECURITY_ROLES:
        raise NotAllowed(
            f"waiver {waiver.id} speaks for the security authority, your role is {role}",
            hint="ask a holder of a token with the role `security`",
        )


def scopes(config: Config, waiver: Waiver) -> list[Scope]:
    """Return every scope that a waiver covers.

    That is the source in each target, or the whole target if it names more than one source.
    """
    source = "" if set(waiver.source) & set("*?") else waiver.source
    return [
        config.scope(name, source) for name in sorted(config.targets) if waiver.covers_target(name)
    ]


def revoke(hub: Hub, identity: str, *, actor: str, why: str) -> WaiverRecord:
    """End a waiver before its day, and judge anew what it had lifted.

    :raises NotFound: there is none of that id.
    :raises Conflict: it has ended already.
    :raises InputError: no reason.
    """
    if not why.strip():
        raise InputError(f"waiver {identity}: to revoke it needs a reason", hint="--reason TEXT")
    with hub.store.begin() as tx:
        found = tx.first(WaiverRecord, id=identity)
        if found is None:
            raise NotFound(f"no waiver {identity}", hint="`buildfarm waivers` lists them")
        ended = _end(hub, tx, found, actor=actor, event="waiver.revoked", why=f"revoked: {why}")
    hub.wakeup.notify()
    return ended


def expire(hub: Hub) -> tuple[str, ...]:
    """End every waiver whose last day is over; their ids. Safe to repeat."""
    with hub.store.read() as tx:
        due = [
            record
            for record in tx.find(WaiverRecord, ended=None)
            if _is_over(record, tx.now.date())
        ]
    ended = []
    for one in due:
        with hub.store.begin() as tx:
            fresh = tx.get(WaiverRecord, one.id)
            if fresh.ended is None:
                _end(
                    hub,
                    tx,
                    fresh,
                    actor="scheduler",
                    event="waiver.expired",
                    why=f"expired on {one.expires}",
                )
                ended.append(one.id)
    return tuple(ended)


def warn(hub: Hub) -> tuple[str, ...]:
    """Write one event for each waiver that ends within days, and return their ids. Safe to
    repeat.
    """
    with hub.store.read() as tx:
        last = tx.now.date() + _WARNED_BEFORE
        due = [
            one.id
            for one in tx.find(WaiverRecord, ended=None)
            if date.fromisoformat(one.expires) <= last
        ]
    warned = []
    for identity in due:
        with hub.store.begin() as tx:
            one = tx.get(WaiverRecord, identity)
            if (
                one.ended is None
                and tx.first(Event, subject=identity, kind="waiver.expiring") is None
            ):
                tx.event(
                    "waiver.expiring",
                    identity,
                    actor="scheduler",
                    why=f"its last day is {one.expires}: {one.reason}",
                )
                warned.append(identity)
    return tuple(warned)


def _is_over(record: WaiverRecord, today: date) -> bool:
    return date.fromisoformat(record.expires) < today


def _end(
    hub: Hub, tx: Transaction, found: WaiverRecord, *, actor: str, event: str, why: str
) -> WaiverRecord:
    ended = tx.update(found, only_if={"ended": None}, ended=tx.now, ended_by=actor, ended_why=why)
    if ended is None:
        raise Conflict(f"waiver {found.id} has ended already: {found.ended_why}")
    tx.event(event, found.id, actor=actor, why=why)
    _judge_again(hub, tx, found.waiver, actor=actor, why=f"waiver {found.id} {why}")
    return ended


def _said(waiver: Waiver) -> dict[str, object]:
    form = asdict(waiver)
    return {name: str(form[name]) for name in form if name not in ("id", "reason")}


def _judge_again(hub: Hub, tx: Transaction, waiver: Waiver, *, actor: str, why: str) -> None:
    """Judge the stored findings of every build that the waiver may touch; only changes are
    written.
    """
    for name in sorted(hub.config.targets):
        if not waiver.covers_target(name):
            continue
        judged = tx.select_fields(
            Build,
            ("id", "source", "debranded_name"),
            target=name,
            state=_JUDGED,
            order_by="created",
        )
        for identity, source, debranded in judged:
            if any(glob(waiver.source).fullmatch(one) for one in {source, debranded or source}):
                _judge_one(hub, tx, tx.get(Build, identity), actor=actor, why=why)


def _judge_one(hub: Hub, tx: Transaction, build: Build, *, actor: str, why: str) -> None:
    held = tx.first(Comparison, build=build.id, order_by="created,id", descending=True)
    if held is None:
        return
    target = hub.target(build.target)
    try:
        before = from_json(held.report)
    except InputError as error:  # of another schema: it stands as it is until it is compared again
        tx.event("build.not_judged", build.id, actor=actor, why=f"{why}; {error}")
        return
    judged = judging.judge(tx, build, target, before, brand_hits=held.brand_hits)
    if judged.report == before:
        return
    judging.write(tx, build, judged, brand_hits=held.brand_hits)
    values = {
        "verdict": judged.report.verdict.value,
        "gate": judged.gate,
        "gate_reason": judged.reason,
    }
    if build.state is BuildState.PUBLISHED and judged.gate is not Gate.PASSED:
        # the next generation of the destination tag goes without it
        builds.move(tx, build, BuildState.REFUSED, actor=actor, why=why, finished=None, **values)
        return
    state = build.state
    if state in JUDGED:
        state = judged_state(judged.gate, scratch=build.scratch)
    changed = tx.update(
        build, only_if={"state": build.state}, state=state, **builds.next_stage(tx, build), **values
    )
    if changed is None:
        raise Conflict(f"build {build.nvr} was moved meanwhile", hint="try again")
    tx.event(
        "build.judged",
        build.id,
        actor=actor,
        why=why,
        verdict=values["verdict"],
        gate=judged.gate.value,
    )
    if (
        build.state in JUDGED
        and judged.gate is Gate.PASSED
        and target.tags.destination in build.tags
    ):
        builds.move(tx, changed, BuildState.PUBLISHED, actor=actor, why=why, finished=tx.now)
