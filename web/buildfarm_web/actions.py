"""Decisions of people, shared by the page's forms and the API: find the thing, ask whether they
may, call the service.

Whoever calls has asked :func:`buildfarm_web.http.access.could` before reading what was sent; errors
of the services pass through.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TypeVar

from flask import jsonify

from buildfarm.api.requests import WaiverBody
from buildfarm.domain.auth.permissions import Action
from buildfarm.domain.build.waiver import WaiverRecord, WaiverRequest
from buildfarm.domain.compare.policy import Waiver
from buildfarm.domain.core.build import Build
from buildfarm.domain.core.records import Pause
from buildfarm.domain.core.worker import Worker
from buildfarm.domain.intake.drop import Drop
from buildfarm.domain.publish.compose import Compose
from buildfarm.errors import InputError, NotFound
from buildfarm.ports.store import Transaction
from buildfarm.services.build import waiver_requests, waivers
from buildfarm.services.core import builds, pausing, tasks, workers
from buildfarm.services.intake import drops
from buildfarm.services.publish import composing
from buildfarm_web.app_context import app_context, the_hub
from buildfarm_web.http import etags
from buildfarm_web.http.access import principal, require_permission
from buildfarm_web.read_models.build.build_page import build_page
from buildfarm_web.read_models.build.builds import find_build, find_drop
from buildfarm_web.read_models.core.cache import Cache
from buildfarm_web.read_models.intake.drops import drop_page

T = TypeVar("T")


def on_build(name: str, action: Action, do: Callable[..., Build], *, why: str) -> Build:
    """Do something to one build, for whoever may do so to its source."""
    principal()  # before the transaction: to recognise somebody may write
    hub = the_hub()
    with hub.store.begin() as tx:
        found = find_build(tx, name)
        actor = require_permission(action, target=found.target, source=found.source).name
        if etags.wanted():
            etags.unchanged(jsonify(build_page(hub, tx, app_context().shares, found.id)), found.nvr)
        changed = do(tx, found, actor=actor, why=why)
    hub.wakeup.notify()
    return changed


def cancel(tx: Transaction, build: Build, *, actor: str, why: str) -> Build:
    """Cancel a build. :raises InputError: no reason."""
    if not why.strip():
        raise InputError(f"{build.nvr}: to cancel a build needs a reason", hint="--reason TEXT")
    return builds.cancel(tx, build, actor=actor, why=why)


def priority(number: int) -> Callable[..., Build]:
    """Return what gives a build this priority."""

    def do(tx: Transaction, build: Build, *, actor: str, why: str) -> Build:
        return builds.prioritise(tx, build, number, actor=actor, why=why)

    return do


def on_drop(name: str, action: Action, do: Callable[..., T], *, why: str) -> tuple[Drop, T]:
    """Do something to one drop, for whoever may do so to its target; the drop as it was, and what
    came of it.
    """
    principal()
    hub = the_hub()
    with hub.store.begin() as tx:
        found = find_drop(tx, name)
        actor = require_permission(action, target=found.target).name
        if etags.wanted():
            etags.unchanged(
                jsonify(drop_page(hub, tx, Cache(), found.id)), f"drop {found.name or found.id}"
            )
        answer = do(tx, found, actor=actor, why=why)
    hub.wakeup.notify()
    return found, answer


def resume(*, drop_waiting: bool) -> Callable[..., int]:
    """Return what lets a paused drop go on; how many builds were canceled instead."""

    def do(tx: Transaction, drop: Drop, *, actor: str, why: str) -> int:
        return pausing.resume(tx, drop, actor=actor, why=why, drop_waiting=drop_waiting)

    return do


def release_drop(name: str, *, why: str) -> Drop:
    """Ingest a drop that is on hold."""
    hub = the_hub()
    with hub.store.read() as tx:
        found = find_drop(tx, name)
    actor = require_permission(Action.RELEASE_HOLD, target=found.target).name
    return drops.release_hold(hub, found.id, actor=actor, why=why)


def pause_target(name: str, *, why: str) -> Pause:
    """Begin no more builds of a target."""
    actor, hub = require_permission(Action.PAUSE, target=name).name, the_hub()
    with hub.store.begin() as tx:
        held = pausing.pause(tx, hub.target(name), actor=actor, why=why)
    hub.wakeup.notify()
    return held


def resume_target(name: str, *, why: str, drop_waiting: bool) -> int:
    """Go on with a paused target; how many builds were canceled instead."""
    actor, hub = require_permission(Action.PAUSE, target=name).name, the_hub()
    with hub.store.begin() as tx:
        canceled = pausing.resume(
            tx, hub.target(name), actor=actor, why=why, drop_waiting=drop_waiting
        )
    hub.wakeup.notify()
    return canceled


def drain(name: str, *, drained: bool, why: str) -> Worker:
    """Take a worker out of service, or back in."""
    return workers.set_drained(
        the_hub(), name, drained=drained, actor=require_permission(Action.DRAIN).name, why=why
    )


def waive(body: WaiverBody) -> WaiverRecord:
    """Accept a difference until a day; what it touches is judged anew at once."""
    waiver = Waiver(**{**body.model_dump(), "id": body.id or f"W-{tasks.new_id()[:8]}"})
    asker = require_permission(Action.WAIVE, scopes=waivers.scopes(the_hub().config, waiver))
    return waivers.record(the_hub(), waiver, actor=asker.name, role=asker.role)


def revoke(name: str, *, why: str) -> WaiverRecord:
    """End a waiver before its day."""
    hub = the_hub()
    with hub.store.read() as tx:
        found = tx.first(WaiverRecord, id=name)
    if found is None:
        require_permission(Action.REVOKE)
        raise NotFound(f"no waiver {name}", hint="`buildfarm waivers` lists them")
    asker = require_permission(Action.REVOKE, scopes=waivers.scopes(hub.config, found.waiver))
    return waivers.revoke(hub, name, actor=asker.name, why=why)


def request_waiver(name: str, named: waiver_requests.Named, *, why: str) -> WaiverRequest:
    """Ask those who may to waive a finding of a build."""
    with the_hub().store.read() as tx:
        build = find_build(tx, name)
    actor = require_permission(Action.REQUEST_WAIVER, target=build.target, source=build.source).name
    return waiver_requests.create(the_hub(), build, named, actor=actor, why=why)


def grant(name: str, *, owner: str, expires: date, why: str) -> WaiverRequest:
    """Record the waiver that somebody asked for."""
    asked = _asked(name)
    waiver = waiver_requests.as_waiver(asked, owner=owner, expires=expires, why=why)
    asker = require_permission(Action.WAIVE, scopes=waivers.scopes(the_hub().config, waiver))
    return waiver_requests.grant(the_hub(), asked, waiver, actor=asker.name, role=asker.role)


def decline(name: str, *, why: str) -> WaiverRequest:
    """Refuse the waiver that somebody asked for."""
    asked = _asked(name)
    actor = require_permission(Action.WAIVE, target=asked.target, source=asked.source).name
    return waiver_requests.decline(the_hub(), asked, actor=actor, why=why)


def _asked(name: str) -> WaiverRequest:
    """Return what was asked for; who may decide nowhere in particular does not learn whether it is
    there.
    """
    try:
        return waiver_requests.find(the_hub(), name)
    except NotFound:
        require_permission(Action.WAIVE)
        raise


def compose(target: str, *, generation: str, why: str) -> Compose:
    """Name a generation of a target."""
    actor = require_permission(Action.PROMOTE, target=target).name
    return composing.create(the_hub(), target, generation=generation, actor=actor, why=why)


def promote(name: str, *, why: str) -> Compose:
    """Let users have a compose."""
    return composing.promote(the_hub(), name, actor=_promoter(name), why=why)


def retire(name: str, *, why: str) -> Compose:
    """Hold a compose no longer."""
    return composing.retire(the_hub(), name, actor=_promoter(name), why=why)


def _promoter(name: str) -> str:
    try:
        target = composing.find(the_hub(), name).target
    except NotFound:
        require_permission(Action.PROMOTE)
        raise
    return require_permission(Action.PROMOTE, target=target).name
