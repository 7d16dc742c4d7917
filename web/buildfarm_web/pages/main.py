"""The pages. Each reads one read model, which its JSON representation (``/api/v1`` and the same path) gives
as it is.
"""

from __future__ import annotations

from flask import Blueprint, request

from buildfarm.api.responses.build.builds import BuildPage
from buildfarm.api.responses.build.waivers import WaiverRequest
from buildfarm.api.responses.schedule.forecast import Forecast
from buildfarm.api.responses.target.targets import GenerationShare
from buildfarm.domain.build.waiver import WaiverRecord
from buildfarm.domain.core.build import BuildState
from buildfarm.domain.core.verdict import Verdict
from buildfarm.errors import NotFound
from buildfarm.ports.store import Transaction
from buildfarm_web.app_context import app_context, the_hub
from buildfarm_web.http.access import seen
from buildfarm_web.live.position import Position
from buildfarm_web.pages.drawings import curves, lanes, share_line, stages, verdict_map, waves
from buildfarm_web.pages.rendering import render
from buildfarm_web.read_models.build import audit, builds, logs, waivers
from buildfarm_web.read_models.build.build_page import build_page, tasks_of
from buildfarm_web.read_models.core.convert import Json, numbered, parsed, stamp
from buildfarm_web.read_models.intake import drops, triggers
from buildfarm_web.read_models.overview import available_actions, farm, search
from buildfarm_web.read_models.selfhosting import seeds
from buildfarm_web.read_models.selfhosting.shares import locks_of
from buildfarm_web.read_models.target import targets

blueprint = Blueprint("pages", __name__)

_TAIL = 48 * 1024
_PAGE = 100


def _choices() -> Json:
    return {
        "targets": sorted(the_hub().config.targets),
        "states": [state.value for state in BuildState],
        "verdicts": [verdict.value for verdict in Verdict],
    }


@blueprint.get("/")
def overview() -> str:
    """The distribution at a glance."""
    parts = app_context()
    filters = builds.filters_of(request.args)
    with parts.hub.store.read() as tx:
        found = farm.overview(parts.hub, tx, parts.source_statuses, filters)
    drawings = {
        drop.id: waves.draw(drop.plan, drop.builds, critical_of(drop.outlook))
        for drop in found.drops
    }
    return render(
        "overview/overview.html", found.now, it=found, filters=filters, choices=_choices(),
        drawings=drawings, lanes=lanes.draw(found.runs, found.now), verdict_map=verdict_map.draw(found.map),
        curve=curves.lag_curve(found.lag.over_time), stages=stages.draw((one.sig, one.stages) for one in found.lag.sigs),
    )  # fmt: skip


def critical_of(outlook: Forecast) -> set[str]:
    """The builds on the critical path of a plan."""
    return {step.build for step in outlook.steps if step.critical}


@blueprint.get("/builds")
def list_builds() -> str:
    """All builds, filtered."""
    hub = the_hub()
    filters = builds.filters_of(request.args)
    cursor = request.args.get("cursor", "")
    limit = numbered(request.args.get("limit"), _PAGE, most=1000, least=1)
    with hub.store.read() as tx:
        found = builds.find_builds(hub, tx, limit=limit, cursor=cursor, **filters)
        now = stamp(tx.now)
    return render(
        "build/builds.html",
        now,
        it=found,
        filters=filters,
        choices=_choices(),
        limit=limit,
        cursor=cursor,
    )


@blueprint.get("/builds/<build>")
def show_build(build: str) -> str:
    """One build."""
    parts = app_context()
    with parts.hub.store.read() as tx:
        found = build_page(parts.hub, tx, parts.shares, build)
        log = _tail(tx, found["id"])
        locks = locks_of(parts.hub, tx, tasks_of(tx, builds.find_build(tx, found["id"])))
        now = stamp(tx.now)
    audited = audit.audit_of(parts.hub, found["audit"])
    return render(
        "build/build.html", now, it=found, log=log, locks=locks, diffs=audit.diffs_of(audited), facts=audit.facts_of(audited),
        offers=available_actions.of_build(parts.hub, seen(), BuildPage.from_json(found)),
        answering=available_actions.of_waiver_requests(parts.hub, seen(), parsed(WaiverRequest, found["asks"])),
    )  # fmt: skip


def _tail(tx: Transaction, build: str) -> Json | None:
    """The end of the log, line by line, lines that look like the reason marked."""
    hub = the_hub()
    try:
        log = logs.log_of(hub, tasks_of(tx, builds.find_build(tx, build)))
    except NotFound:
        return None
    end, lines = log.tail(_TAIL)
    begin = lines[0].offset if lines else 0
    return {
        "task": log.task.id,
        "begin": begin,
        "end": end,
        "position": Position(log.run, end),
        "growing": log.growing,
        "lines": lines,
    }


@blueprint.get("/drops")
def list_drops() -> str:
    """All drops."""
    hub = the_hub()
    with hub.store.read() as tx:
        found = drops.drops(tx, limit=_PAGE, target=request.args.get("target", ""))
        now = stamp(tx.now)
    return render(
        "intake/drops.html", now, it=found, target=request.args.get("target", ""), targets=sorted(hub.config.targets),
        submit_to=available_actions.of_drops(hub, seen()),
    )  # fmt: skip


@blueprint.get("/drops/<drop>")
def show_drop(drop: str) -> str:
    """One drop."""
    hub = the_hub()
    with hub.store.read() as tx:
        found = drops.drop_page(hub, tx, app_context().source_statuses.kept, drop)
        now = stamp(tx.now)
    return render(
        "intake/drop.html", now, it=found, drawing=waves.draw(found.plan, found.builds, critical_of(found.outlook)),
        offers=available_actions.of_drop(hub, seen(), found),
    )  # fmt: skip


@blueprint.get("/targets")
def list_targets() -> str:
    """All targets."""
    hub = the_hub()
    with hub.store.read() as tx:
        found = targets.targets_page(hub, tx)
        now = stamp(tx.now)
    return render("target/targets.html", now, it=found)


@blueprint.get("/targets/<target>/seeds")
def show_seeds(target: str) -> str:
    """Show what still comes from a seed, and the self-hosted share over time."""
    parts = app_context()
    with parts.hub.store.read() as tx:
        found, now = seeds.seeds(parts.hub, tx, parts.shares, target), stamp(tx.now)
    return render(
        "target/seeds.html",
        now,
        it=found,
        share=share_line.draw(parsed(GenerationShare, found["over_time"])),
    )


@blueprint.get("/targets/<target>")
def show_target(target: str) -> str:
    """One target."""
    parts = app_context()
    with parts.hub.store.read() as tx:
        found = targets.target_page(parts.hub, tx, parts.source_statuses.kept, target)
        now = stamp(tx.now)
    return render(
        "target/target.html", now, it=found, share=share_line.draw(found.share_over_time),
        offers=available_actions.of_target(parts.hub, seen(), found),
    )  # fmt: skip


@blueprint.get("/workers")
def list_workers() -> str:
    """Workers and what they do."""
    hub = the_hub()
    with hub.store.read() as tx:
        found = farm.workers(tx)
    return render(
        "overview/workers.html", found.now, it=found, lanes=lanes.draw(found.runs, found.now),
        offers=available_actions.of_workers(seen(), found.workers),
    )  # fmt: skip


@blueprint.get("/generations")
def list_generations() -> str:
    """Generations of all tags."""
    hub = the_hub()
    args = request.args
    with hub.store.read() as tx:
        found = targets.generations(
            tx, limit=_PAGE, tag=args.get("tag", ""), target=args.get("target", "")
        )
        now = stamp(tx.now)
    tags = sorted(
        {
            tag
            for target in hub.config.targets.values()
            for tag in (target.tags.build, target.tags.destination)
        }
    )
    return render("target/generations.html", now, it=found, tag=args.get("tag", ""), tags=tags)


@blueprint.get("/search")
def show_search() -> str:
    """Show the results of a search by kind."""
    hub = the_hub()
    with hub.store.read() as tx:
        found, now = search.search(hub, tx, request.args.get("q", "")), stamp(tx.now)
    return render("overview/search.html", now, it=found)


@blueprint.get("/waivers")
def list_waivers() -> str:
    """Waivers: what they lift, and which do nothing any more."""
    everything = bool(request.args.get("all"))
    with the_hub().store.read() as tx:
        found = waivers.waivers(tx, everything=everything)
        in_force = tx.find(WaiverRecord, ended=None)
        now = stamp(tx.now)
    revoking = available_actions.of_waivers(the_hub(), seen(), in_force)
    answering = available_actions.of_waiver_requests(
        the_hub(), seen(), parsed(WaiverRequest, found["asks"])
    )
    return render(
        "build/waivers.html",
        now,
        it=found,
        everything=everything,
        offers=revoking,
        answering=answering,
    )


@blueprint.get("/triggers")
def list_triggers() -> str:
    """Show the triggers."""
    hub = the_hub()
    with hub.store.read() as tx:
        found = triggers.triggers(hub, tx, target=request.args.get("target", ""))
        now = stamp(tx.now)
    return render("intake/triggers.html", now, it=found)
