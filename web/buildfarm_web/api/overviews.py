"""``/api/v1``, the JSON representation of the pages that look at the farm from a side: by source,
SIG, cause, lag, machine, generation, trigger, event, or by a name.
"""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus

from flask import Blueprint, Response, jsonify, request

from buildfarm.api.responses.build.buildroots import BuildrootPage
from buildfarm.api.responses.build.clusters import ClusterPage
from buildfarm.api.responses.core.events import EventList
from buildfarm.api.responses.intake.triggers import TriggerList
from buildfarm.api.responses.overview.action_required import ActionRequired
from buildfarm.api.responses.overview.machines import Machines
from buildfarm.api.responses.overview.search import SearchResult
from buildfarm.api.responses.overview.workers import WorkerList
from buildfarm.api.responses.target.generations import GenerationPage
from buildfarm.api.responses.target.lag import Lag
from buildfarm.api.responses.target.sigs import SigList, SigPage
from buildfarm.api.responses.target.sources import SourceList, SourcePage
from buildfarm.errors import NotFound
from buildfarm.ports.store import Transaction
from buildfarm_web.api.openapi.operation import reads
from buildfarm_web.api.openapi.queries import (
    ActionRequiredQuery,
    EventsQuery,
    LagQuery,
    SearchQuery,
    SourcesQuery,
    TargetQuery,
)
from buildfarm_web.api.reading import cursor, limit, listed
from buildfarm_web.app_context import app_context, the_hub
from buildfarm_web.http.access import seen
from buildfarm_web.read_models.auth import audit_log
from buildfarm_web.read_models.build import buildroot, builds
from buildfarm_web.read_models.core import history
from buildfarm_web.read_models.core.convert import numbered
from buildfarm_web.read_models.intake import triggers
from buildfarm_web.read_models.overview import (
    action_required,
    clusters,
    farm,
    machines,
    search,
    sigs,
)
from buildfarm_web.read_models.target import generation, lag, sources

blueprint = Blueprint("api_views", __name__, url_prefix="/api/v1")


@blueprint.get("/action-required")
@reads("farm", ActionRequired, ActionRequiredQuery, problems=(HTTPStatus.NOT_FOUND,))
def list_action_required() -> Response:
    """Return the action required now, in groups; ``target``, ``sig`` and ``kind`` choose."""
    parts, args = app_context(), request.args
    asked = {name: args.get(name, "") for name in ("target", "sig", "kind")}
    with parts.hub.store.read() as tx:
        return jsonify(
            action_required.action_required(
                parts.hub, tx, parts.source_statuses.kept, **asked, most=limit()
            )
        )


@blueprint.get("/sources")
@reads("sources", SourceList, SourcesQuery, problems=(HTTPStatus.NOT_FOUND,))
def list_sources() -> Response:
    """Every source with where it stands, and the map of all."""
    parts, filters = app_context(), sources.filters_of(request.args)
    with parts.hub.store.read() as tx:
        return listed(
            sources.sources(
                parts.hub, tx, parts.source_statuses, filters, limit=limit(), cursor=cursor()
            )
        )


@blueprint.get("/sources/<target>/<source>")
@reads("sources", SourcePage)
def show_source(target: str, source: str) -> Response:
    """One source: its builds, what holds for it, who answers."""
    with the_hub().store.read() as tx:
        return jsonify(sources.source_page(the_hub(), tx, target, source))


@blueprint.get("/clusters/<target>/<cluster>")
@reads("targets", ClusterPage)
def show_cluster(target: str, cluster: str) -> Response:
    """One cluster of failed builds."""
    with the_hub().store.read() as tx:
        return jsonify(clusters.cluster_page(the_hub(), tx, target, cluster))


@blueprint.get("/sigs")
@reads("sigs", SigList)
def list_sigs() -> Response:
    """Every SIG."""
    parts = app_context()
    with parts.hub.store.read() as tx:
        return jsonify(sigs.sigs(parts.hub, tx, parts.source_statuses))


@blueprint.get("/sigs/<sig>")
@reads("sigs", SigPage)
def show_sig(sig: str) -> Response:
    """One SIG."""
    parts = app_context()
    with parts.hub.store.read() as tx:
        return jsonify(sigs.sig_page(parts.hub, tx, parts.source_statuses, sig))


@blueprint.get("/lag")
@reads("farm", Lag, LagQuery, problems=(HTTPStatus.NOT_FOUND,))
def show_lag() -> Response:
    """Return the lag behind the vendor: by stage, by SIG, over time; ``target`` and ``sig`` choose."""
    parts, args = app_context(), request.args
    with parts.hub.store.read() as tx:
        return jsonify(
            lag.lag(
                parts.hub,
                tx,
                parts.source_statuses,
                target=args.get("target", ""),
                sig=args.get("sig", ""),
            )
        )


@blueprint.get("/machines")
@reads("workers", Machines)
def list_machines() -> Response:
    """KVM hosts, guests and images."""
    with the_hub().store.read() as tx:
        return jsonify(machines.machines(tx))


@blueprint.get("/generations/<generation_id>")
@reads("targets", GenerationPage)
def show_generation(generation_id: str) -> Response:
    """One generation and what changed against the one before."""
    with the_hub().store.read() as tx:
        return jsonify(generation.generation_page(tx, generation_id))


@blueprint.get("/builds/<build>/buildroot")
@reads("builds", BuildrootPage)
def show_buildroot(build: str) -> Response:
    """The buildroot of a build beside that of the build before."""
    with the_hub().store.read() as tx:
        return jsonify(buildroot.buildroot_page(the_hub(), tx, build))


@blueprint.get("/search")
@reads("farm", SearchResult, SearchQuery)
def show_search() -> Response:
    """Return everything that begins with ``q``, in each kind of thing, a few of each with where
    they lead.
    """
    hub = the_hub()
    with hub.store.read() as tx:
        return jsonify(search.search(hub, tx, request.args.get("q", "")))


@blueprint.get("/triggers")
@reads("farm", TriggerList, TargetQuery)
def list_triggers() -> Response:
    """Return the triggers, with what each found last and why it waits or fails."""
    hub = the_hub()
    with hub.store.read() as tx:
        return jsonify(triggers.triggers(hub, tx, target=request.args.get("target", "")))


@blueprint.get("/workers")
@reads("workers", WorkerList)
def list_workers() -> Response:
    """Workers and what they do."""
    with the_hub().store.read() as tx:
        return jsonify(farm.workers(tx))


@blueprint.get("/events")
@reads("farm", EventList, EventsQuery)
def list_events() -> Response:
    """History; ``after`` goes on from an event's number."""
    args = request.args
    after = numbered(args["after"], 0, most=2**62) if args.get("after") else None
    subject, asker = args.get("subject", ""), seen()
    with the_hub().store.read() as tx:
        if subject and (named := _build_of(tx, subject)):
            subject = named
        found = history.events(tx, subject=subject, after=after, limit=limit(200), cursor=cursor())
    shown = [event for event in found.events if audit_log.may_see(asker, event)]
    return listed(replace(found, events=shown))


def _build_of(tx: Transaction, subject: str) -> str:
    """The id of the build that ``subject`` names by name-version-release; empty if it is no such
    name.
    """
    if "-" not in subject:
        return ""
    try:
        return builds.find_build(tx, subject).id
    except NotFound:
        return ""
