"""``/api/v1``, the JSON representation of the pages that look at the farm from a side: by source,
SIG, cause, lag, machine, generation.
"""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from buildfarm_web.api.reading import cursor, limit, listed
from buildfarm_web.app_context import app_context, the_hub
from buildfarm_web.read_models.build import buildroot
from buildfarm_web.read_models.overview import action_required, clusters, machines, sigs
from buildfarm_web.read_models.target import generation, lag, sources

blueprint = Blueprint("api_views", __name__, url_prefix="/api/v1")


@blueprint.get("/action-required")
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
def show_source(target: str, source: str) -> Response:
    """One source: its builds, what holds for it, who answers."""
    with the_hub().store.read() as tx:
        return jsonify(sources.source_page(the_hub(), tx, target, source))


@blueprint.get("/clusters/<target>/<cluster>")
def show_cluster(target: str, cluster: str) -> Response:
    """One cluster of failed builds."""
    with the_hub().store.read() as tx:
        return jsonify(clusters.cluster_page(the_hub(), tx, target, cluster))


@blueprint.get("/sigs")
def list_sigs() -> Response:
    """Every SIG."""
    parts = app_context()
    with parts.hub.store.read() as tx:
        return jsonify(sigs.sigs(parts.hub, tx, parts.source_statuses))


@blueprint.get("/sigs/<sig>")
def show_sig(sig: str) -> Response:
    """One SIG."""
    parts = app_context()
    with parts.hub.store.read() as tx:
        return jsonify(sigs.sig_page(parts.hub, tx, parts.source_statuses, sig))


@blueprint.get("/lag")
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
def list_machines() -> Response:
    """KVM hosts, guests and images."""
    with the_hub().store.read() as tx:
        return jsonify(machines.machines(tx))


@blueprint.get("/generations/<generation_id>")
def show_generation(generation_id: str) -> Response:
    """One generation and what changed against the one before."""
    with the_hub().store.read() as tx:
        return jsonify(generation.generation_page(tx, generation_id))


@blueprint.get("/builds/<build>/buildroot")
def show_buildroot(build: str) -> Response:
    """The buildroot of a build beside that of the build before."""
    with the_hub().store.read() as tx:
        return jsonify(buildroot.buildroot_page(the_hub(), tx, build))
