"""The pages. Each reads one read model, which its JSON twin (``/api/v1`` and the same path) gives as it is."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request

from buildfarm.domain.build import BuildState
from buildfarm.domain.verdict import Verdict
from buildfarm.errors import NotFound
from buildfarm.ports import Transaction
from buildfarm_web.drawings import lanes, share_line, waves
from buildfarm_web.openapi.contract import twin_of
from buildfarm_web.parts import the_hub, the_parts
from buildfarm_web.read_models import audit, builds, drops, farm, logs, seeds, targets, waivers
from buildfarm_web.read_models.build import build_page, tasks_of
from buildfarm_web.read_models.plain import Json, numbered, stamp
from buildfarm_web.read_models.shares import locks_of

blueprint = Blueprint("pages", __name__)

_TAIL = 48 * 1024
_PAGE = 100


def _render(template: str, tx_now: str | None, **values: Any) -> str:  # noqa: ANN401  # a template takes anything
    return render_template(
        template,
        now=tx_now,
        twin=twin_of(request.path, request.args),
        distribution=the_hub().config.farm.distribution,
        **values,
    )


def _choices() -> Json:
    return {
        "targets": sorted(the_hub().config.targets),
        "states": [state.value for state in BuildState],
        "verdicts": [verdict.value for verdict in Verdict],
    }


@blueprint.get("/")
def overview() -> str:
    """The distribution at a glance."""
    parts = the_parts()
    filters = builds.filters_of(request.args)
    with parts.hub.store.read() as tx:
        found = farm.overview(parts.hub, tx, parts.shares, filters)
    for drop in found["drops"]:
        drop["drawing"] = waves.draw(drop["plan"], drop["builds"])
    return _render(
        "overview.html", found["now"], it=found, filters=filters, choices=_choices(),
        lanes=lanes.draw(found["runs"], found["now"]),
    )  # fmt: skip


@blueprint.get("/builds")
def list_builds() -> str:
    """All builds, filtered."""
    hub = the_hub()
    filters = builds.filters_of(request.args)
    offset = numbered(request.args.get("offset"), 0, most=10**7)
    limit = numbered(request.args.get("limit"), _PAGE, most=1000, least=1)
    with hub.store.read() as tx:
        found = builds.find_builds(hub, tx, limit=limit, offset=offset, **filters)
        now = stamp(tx.now)
    return _render("builds.html", now, it=found, filters=filters, choices=_choices(), limit=limit)


@blueprint.get("/builds/<build>")
def show_build(build: str) -> str:
    """One build."""
    parts = the_parts()
    with parts.hub.store.read() as tx:
        found = build_page(parts.hub, tx, parts.shares, build)
        log = _tail(tx, found["id"])
        locks = locks_of(parts.hub, tx, tasks_of(tx, builds.find_build(tx, found["id"])))
        now = stamp(tx.now)
    audited = audit.audit_of(parts.hub, found["audit"])
    return _render(
        "build.html", now, it=found, log=log, locks=locks, diffs=audit.diffs_of(audited), facts=audit.facts_of(audited)
    )


def _tail(tx: Transaction, build: str) -> Json | None:
    """The end of the log, line by line, lines that look like the reason marked."""
    hub = the_hub()
    try:
        log = logs.log_of(hub, tasks_of(tx, builds.find_build(tx, build)))
    except NotFound:
        return None
    begin, end, text = log.tail(_TAIL)
    lines = [{"text": line, "error": logs.is_error(line)} for line in text.split("\n")]
    if lines and not lines[-1]["text"]:
        lines.pop()
    return {"task": log.task.id, "begin": begin, "end": end, "growing": log.growing, "lines": lines}


@blueprint.get("/drops")
def list_drops() -> str:
    """All drops."""
    hub = the_hub()
    with hub.store.read() as tx:
        found = drops.drops(tx, limit=_PAGE, target=request.args.get("target", ""))
        now = stamp(tx.now)
    return _render("drops.html", now, it=found)


@blueprint.get("/drops/<drop>")
def show_drop(drop: str) -> str:
    """One drop."""
    hub = the_hub()
    with hub.store.read() as tx:
        found = drops.drop_page(hub, tx, drop)
        now = stamp(tx.now)
    return _render("drop.html", now, it=found, drawing=waves.draw(found["plan"], found["builds"]))


@blueprint.get("/targets")
def list_targets() -> str:
    """All targets."""
    hub = the_hub()
    with hub.store.read() as tx:
        found = targets.targets(hub, tx)
        now = stamp(tx.now)
    return _render("targets.html", now, it=found)


@blueprint.get("/targets/<target>/seeds")
def show_seeds(target: str) -> str:
    """What still comes from a seed, and the self-hosted share over time."""
    parts = the_parts()
    with parts.hub.store.read() as tx:
        found, now = seeds.seeds(parts.hub, tx, parts.shares, target), stamp(tx.now)
    return _render("seeds.html", now, it=found, share=share_line.draw(found["over_time"]))


@blueprint.get("/targets/<target>")
def show_target(target: str) -> str:
    """One target."""
    parts = the_parts()
    with parts.hub.store.read() as tx:
        found = targets.target_page(parts.hub, tx, parts.shares, target)
        now = stamp(tx.now)
    return _render("target.html", now, it=found, share=share_line.draw(found["share_over_time"]))


@blueprint.get("/workers")
def list_workers() -> str:
    """Workers and what they do."""
    hub = the_hub()
    with hub.store.read() as tx:
        found = farm.workers(tx)
    return _render("workers.html", found["now"], it=found, lanes=lanes.draw(found["runs"], found["now"]))


@blueprint.get("/generations")
def list_generations() -> str:
    """Generations of all tags."""
    hub = the_hub()
    args = request.args
    with hub.store.read() as tx:
        found = targets.generations(tx, limit=_PAGE, tag=args.get("tag", ""), target=args.get("target", ""))
        now = stamp(tx.now)
    return _render("generations.html", now, it=found, tag=args.get("tag", ""))


@blueprint.get("/waivers")
def list_waivers() -> str:
    """Waivers: what they lift, and which do nothing any more."""
    everything = bool(request.args.get("all"))
    with the_hub().store.read() as tx:
        found = waivers.waivers(tx, everything=everything)
        now = stamp(tx.now)
    return _render("waivers.html", now, it=found, everything=everything)
