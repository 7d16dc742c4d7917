"""``/api/v1``, the reading half: the JSON JSON representation of every page, open to whoever can
reach the hub.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, request

from buildfarm.api.responses.build.builds import Audit, BuildList, BuildLocks, BuildPage
from buildfarm.api.responses.build.findings import Findings
from buildfarm.api.responses.build.overrides import OverrideList
from buildfarm.api.responses.build.parity import BuildParity
from buildfarm.api.responses.build.tasks import TaskList
from buildfarm.api.responses.build.waivers import WaiverList
from buildfarm.api.responses.core.base import ListPage
from buildfarm.api.responses.intake.drops import DropList, DropPage
from buildfarm.api.responses.overview.farm import Health, Overview
from buildfarm.api.responses.schedule.forecast import DropPlan, TargetOutlook, Why
from buildfarm.api.responses.target.generations import GenerationList
from buildfarm.api.responses.target.targets import Failures, Seeds, TargetList, TargetPage
from buildfarm.domain.core.records import SourceOverride
from buildfarm.errors import NotFound
from buildfarm_web.api.openapi.operation import TEXT, reads
from buildfarm_web.api.openapi.queries import (
    BuildFilters,
    BuildsQuery,
    DropsQuery,
    GenerationsQuery,
    LogQuery,
    OverridesQuery,
    TasksQuery,
    WaiversQuery,
)
from buildfarm_web.app_context import app_context, the_hub
from buildfarm_web.read_models.build import audit, builds, failures, logs, parity, tasks, waivers
from buildfarm_web.read_models.build.build_page import build_page, override_json, tasks_of
from buildfarm_web.read_models.build.findings import newest_comparison, reading
from buildfarm_web.read_models.core.convert import Json, numbered
from buildfarm_web.read_models.core.paging import page
from buildfarm_web.read_models.intake import drops
from buildfarm_web.read_models.overview import farm
from buildfarm_web.read_models.schedule import forecast
from buildfarm_web.read_models.selfhosting import seeds
from buildfarm_web.read_models.selfhosting.shares import locks_of
from buildfarm_web.read_models.target import targets

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")

MOST_BUILDS = 5000
MOST = 1000


def limit(default: int = 100, *, most: int = MOST) -> int:
    """The query's ``limit``, within bounds."""
    return numbered(request.args.get("limit"), default, most=most, least=1)


def cursor() -> str:
    """Return where the query wants a list to go on; empty at its beginning."""
    return request.args.get("cursor", "")


def flag(name: str) -> bool:
    """Return whether the query says yes to something."""
    return request.args.get(name, "") not in ("", "0", "false")


def listed(found: ListPage | Json) -> Response:
    """One page of a list, with a link to the next one (RFC 8288)."""
    answer = jsonify(found)
    if behind := found.cursor if isinstance(found, ListPage) else found["cursor"]:
        following = {**request.args.to_dict(), "cursor": behind}
        answer.headers["Link"] = f'<{request.path}?{urlencode(following)}>; rel="next"'
    return answer


@blueprint.get("/")
@blueprint.get("/overview")
@reads("farm", Overview, BuildFilters, problems=(HTTPStatus.NOT_FOUND,))
def overview() -> Response:
    """The JSON representation of the overview page."""
    parts = app_context()
    with parts.hub.store.read() as tx:
        filters = builds.filters_of(request.args)
        return jsonify(farm.overview(parts.hub, tx, parts.source_statuses, filters))


@blueprint.get("/health")
@reads("farm", Health)
def health() -> Response:
    """200 while the store answers, else 503."""
    with the_hub().store.read() as tx:
        return jsonify(farm.health(tx))


@blueprint.get("/drops")
@reads("drops", DropList, DropsQuery)
def list_drops() -> Response:
    """The newest drops."""
    with the_hub().store.read() as tx:
        return listed(
            drops.drops(tx, limit=limit(), target=request.args.get("target", ""), cursor=cursor())
        )


@blueprint.get("/drops/<drop>")
@reads("drops", DropPage)
def show_drop(drop: str) -> Response:
    """One drop with its builds."""
    parts = app_context()
    with parts.hub.store.read() as tx:
        return jsonify(drops.drop_page(parts.hub, tx, parts.source_statuses.kept, drop))


@blueprint.get("/builds")
@reads("builds", BuildList, BuildsQuery, problems=(HTTPStatus.NOT_FOUND,))
def list_builds() -> Response:
    """Builds, filtered by the query."""
    hub = the_hub()
    args = request.args
    with hub.store.read() as tx:
        return listed(
            builds.find_builds(
                hub, tx, limit=limit(most=MOST_BUILDS), cursor=cursor(), **builds.filters_of(args)
            )
        )


@blueprint.get("/builds/<build>")
@reads("builds", BuildPage)
def show_build(build: str) -> Response:
    """Everything about one build."""
    parts = app_context()
    with parts.hub.store.read() as tx:
        return jsonify(build_page(parts.hub, tx, parts.shares, build))


@blueprint.get("/builds/<build>/findings")
@reads("builds", Findings)
def show_findings(build: str) -> Response:
    """The comparison, worst findings first. :raises NotFound: nothing was compared yet."""
    with the_hub().store.read() as tx:
        found = builds.find_build(tx, build)
        comparison = newest_comparison(tx, found.id)
    if comparison is None:
        raise NotFound(
            f"{found.nvr} was not compared yet",
            hint=f"it is {found.state}: {found.reason or 'on its way'}",
        )
    return jsonify(reading(comparison))


@blueprint.get("/builds/<build>/why")
@reads("builds", Why)
def show_why(build: str) -> Response:
    """Return why a build is in its state, what it waits for, its rank and its estimated start."""
    with the_hub().store.read() as tx:
        return jsonify(forecast.why(the_hub(), tx, builds.find_build(tx, build)))


@blueprint.get("/targets/<target>/failures")
@reads("targets", Failures)
def show_failures(target: str) -> Response:
    """Failed builds by cause."""
    hub = the_hub()
    with hub.store.read() as tx:
        return jsonify(failures.failures(hub, tx, target))


@blueprint.get("/drops/<drop>/plan")
@reads("drops", DropPlan)
def show_drop_plan(drop: str) -> Response:
    """The plan of a drop: waves, critical path, cycles and the needs that close them, what nothing
    provides, what is left out.
    """
    with the_hub().store.read() as tx:
        return jsonify(forecast.drop_plan(tx, builds.find_drop(tx, drop)))


@blueprint.get("/targets/<target>/seeds")
@reads("targets", Seeds)
def show_seeds(target: str) -> Response:
    """Return what still comes from a seed and why, and the self-hosted share over time."""
    parts = app_context()
    with parts.hub.store.read() as tx:
        return jsonify(seeds.seeds(parts.hub, tx, parts.shares, target))


@blueprint.get("/targets/<target>/plan")
@reads("targets", TargetOutlook)
def show_plan(target: str) -> Response:
    """Return the forecast: waves, the critical path, the estimated end, cycles, and what waits or
    is stuck with its reason.
    """
    hub = the_hub()
    with hub.store.read() as tx:
        return jsonify(forecast.outlook(hub, tx, target))


@blueprint.get("/builds/<build>/audit")
@reads("builds", Audit)
def show_audit(build: str) -> Response:
    """Return the debrand audit. :raises NotFound: no rule has touched this build."""
    hub = the_hub()
    with hub.store.read() as tx:
        found = builds.find_build(tx, build)
    read = audit.audit_of(hub, found.audit)
    if read is None:
        raise NotFound(f"{found.nvr} has no debrand audit", hint="a source without rules has none")
    return jsonify(read)


@blueprint.get("/builds/<build>/lock")
@reads("builds", BuildLocks)
def show_lock(build: str) -> Response:
    """Every RPM of the buildroots, each marked with whether we built it.

    :raises NotFound: nothing was built yet.
    """
    hub = the_hub()
    with hub.store.read() as tx:
        found = builds.find_build(tx, build)
        locks = locks_of(hub, tx, tasks_of(tx, found))
    if not locks:
        raise NotFound(
            f"{found.nvr} has no lock", hint="a buildroot is written down when its task ends well"
        )
    return jsonify({"build": found.id, "nvr": found.nvr, "locks": locks})


@blueprint.get("/builds/<build>/parity")
@reads("builds", BuildParity)
def show_parity(build: str) -> Response:
    """Its buildroots beside the vendor's, differences first.

    :raises NotFound: no reference is known.
    """
    parts = app_context()
    with parts.hub.store.read() as tx:
        found = builds.find_build(tx, build)
        beside = parity.parities(parts.hub, tx, parts.shares, found, tasks_of(tx, found))
    if not beside:
        raise NotFound(
            f"{found.nvr} has no reference to stand beside",
            hint="`buildfarm reference add BUILD FILE`, and a finished build",
        )
    return jsonify({"build": found.id, "nvr": found.nvr, "parity": beside})


@blueprint.get("/builds/<build>/log")
@reads("builds", TEXT, LogQuery, headers=("X-Log-Task", "X-Log-Offset", "X-Log-Growing"))
def show_log(build: str) -> Response:
    """The log from ``offset`` bytes on, as text.

    ``X-Log-Offset`` is where to go on, ``X-Log-Growing`` whether to.
    """
    hub = the_hub()
    with hub.store.read() as tx:
        found = tasks_of(tx, builds.find_build(tx, build))
    log = logs.log_of(hub, found, request.args.get("task", ""))
    end = log.end()
    offset = numbered(request.args.get("offset"), 0, most=end)
    answer = Response(log.read(offset, end), content_type="text/plain; charset=utf-8")
    answer.headers["Content-Length"] = str(end - offset)
    answer.headers["Cache-Control"] = "no-store" if log.growing else "no-cache"
    answer.headers["X-Log-Task"] = log.task.id
    answer.headers["X-Log-Offset"] = str(end)
    answer.headers["X-Log-Growing"] = "1" if log.growing else "0"
    return answer


@blueprint.get("/overrides")
@reads("overrides", OverrideList, OverridesQuery)
def list_overrides() -> Response:
    """Overrides, the newest first; ``all=1`` shows those that no longer hold too."""
    where: dict[str, object] = {
        key: value for key in ("target", "source") if (value := request.args.get(key))
    }
    if not flag("all"):
        where["active"] = True
    with the_hub().store.read() as tx:
        found = page(tx, SourceOverride, "created,id", where, limit=limit(), cursor=cursor())
    return listed(
        {
            "overrides": [override_json(override) for override in found.records],
            "cursor": found.cursor,
        }
    )


@blueprint.get("/waivers")
@reads("waivers", WaiverList, WaiversQuery)
def list_waivers() -> Response:
    """Waivers, the newest first: those in force, or with ``all=1`` all that ever were."""
    with the_hub().store.read() as tx:
        return listed(
            waivers.waivers(tx, everything=flag("all"), limit=limit(1000), cursor=cursor())
        )


@blueprint.get("/targets")
@reads("targets", TargetList)
def list_targets() -> Response:
    """Every configured target."""
    hub = the_hub()
    with hub.store.read() as tx:
        return jsonify(targets.targets_page(hub, tx))


@blueprint.get("/targets/<target>")
@reads("targets", TargetPage)
def show_target(target: str) -> Response:
    """One target."""
    parts = app_context()
    with parts.hub.store.read() as tx:
        return jsonify(targets.target_page(parts.hub, tx, parts.source_statuses.kept, target))


@blueprint.get("/generations")
@reads("targets", GenerationList, GenerationsQuery)
def list_generations() -> Response:
    """Generations, the newest first."""
    args = request.args
    with the_hub().store.read() as tx:
        return listed(
            targets.generations(
                tx,
                limit=limit(),
                tag=args.get("tag", ""),
                target=args.get("target", ""),
                cursor=cursor(),
            )
        )


@blueprint.get("/tasks")
@reads("workers", TaskList, TasksQuery)
def list_tasks() -> Response:
    """Tasks, the newest first."""
    args = request.args
    with the_hub().store.read() as tx:
        return listed(
            tasks.tasks(
                tx,
                active=flag("active"),
                state=args.get("state", ""),
                subject=args.get("subject", ""),
                limit=limit(),
                cursor=cursor(),
            )
        )
