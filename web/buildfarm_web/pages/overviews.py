"""The overview pages: by source, SIG, cause, lag, machine and generation."""

from __future__ import annotations

from flask import Blueprint, request

from buildfarm_web.app_context import app_context, the_hub
from buildfarm_web.http.access import seen
from buildfarm_web.pages.drawings import curves, stages, verdict_map
from buildfarm_web.pages.rendering import render
from buildfarm_web.read_models.auth import responsible
from buildfarm_web.read_models.build import buildroot, source_status
from buildfarm_web.read_models.core.convert import Json, stamp
from buildfarm_web.read_models.overview import (
    action_required,
    available_actions,
    clusters,
    machines,
    sigs,
)
from buildfarm_web.read_models.publish import composes
from buildfarm_web.read_models.target import generation, lag, sources

blueprint = Blueprint("views", __name__)

_PAGE = 100


def _choices() -> Json:
    hub = the_hub()
    return {
        "targets": sorted(hub.config.targets),
        "sigs": responsible.names(hub),
        "words": list(source_status.WORDS),
        "action_required": action_required.TITLES,
    }


def _filters(*names: str) -> dict[str, str]:
    return {name: request.args.get(name, "").strip() for name in names}


@blueprint.get("/action-required")
def list_action_required() -> str:
    """Show the action required now."""
    parts, filters = app_context(), _filters("target", "sig", "kind")
    with parts.hub.store.read() as tx:
        found = action_required.action_required(
            parts.hub,
            tx,
            parts.source_statuses.kept,
            target=filters["target"],
            sig=filters["sig"],
            kind=filters["kind"],
        )
    return render(
        "overview/action_required.html", found.now, it=found, filters=filters, choices=_choices()
    )


@blueprint.get("/sources")
def list_sources() -> str:
    """All sources."""
    parts, filters = app_context(), sources.filters_of(request.args)
    cursor = request.args.get("cursor", "")
    with parts.hub.store.read() as tx:
        found = sources.sources(
            parts.hub, tx, parts.source_statuses, filters, limit=_PAGE, cursor=cursor
        )
    drawing = verdict_map.draw(found.map)
    return render(
        "target/sources.html",
        found.now,
        it=found,
        filters=filters,
        choices=_choices(),
        verdict_map=drawing,
        limit=_PAGE,
    )


@blueprint.get("/sources/<target>/<source>")
def show_source(target: str, source: str) -> str:
    """One source."""
    hub = the_hub()
    with hub.store.read() as tx:
        found = sources.source_page(hub, tx, target, source)
    bars = stages.draw((one.id, one.stages) for one in found.builds[:20])
    return render("target/source.html", found.now, it=found, bars={bar.name: bar for bar in bars})


@blueprint.get("/clusters/<target>/<cluster>")
def show_cluster(target: str, cluster: str) -> str:
    """One cluster of failed builds."""
    hub = the_hub()
    with hub.store.read() as tx:
        found = clusters.cluster_page(hub, tx, target, cluster)
    return render("overview/cluster.html", found.now, it=found)


@blueprint.get("/sigs")
def list_sigs() -> str:
    """All SIGs."""
    parts = app_context()
    with parts.hub.store.read() as tx:
        found = sigs.sigs(parts.hub, tx, parts.source_statuses)
    return render("overview/sigs.html", found.now, it=found)


@blueprint.get("/sigs/<sig>")
def show_sig(sig: str) -> str:
    """One SIG."""
    parts = app_context()
    with parts.hub.store.read() as tx:
        found = sigs.sig_page(parts.hub, tx, parts.source_statuses, sig)
    bars = stages.draw([("all its sources", found.lag.stages)])
    return render(
        "overview/sig.html",
        found.now,
        it=found,
        verdict_map=verdict_map.draw(found.map),
        stages=bars,
    )


@blueprint.get("/lag")
def show_lag() -> str:
    """Show the lag behind the vendor."""
    parts, filters = app_context(), _filters("target", "sig")
    with parts.hub.store.read() as tx:
        found = lag.lag(parts.hub, tx, parts.source_statuses, **filters)
    return render(
        "target/lag.html", found.now, it=found, filters=filters, choices=_choices(), curve=curves.lag_curve(found.over_time),
        stages=stages.draw((one.sig, one.stages) for one in found.sigs),
        slowest=stages.draw((one.build, one.stages) for one in found.slowest),
    )  # fmt: skip


@blueprint.get("/machines")
def list_machines() -> str:
    """KVM hosts, guests and images."""
    with the_hub().store.read() as tx:
        found = machines.machines(tx)
    return render("overview/machines.html", found.now, it=found)


@blueprint.get("/generations/<generation_id>")
def show_generation(generation_id: str) -> str:
    """One generation."""
    with the_hub().store.read() as tx:
        found = generation.generation_page(tx, generation_id)
    return render(
        "target/generation.html",
        found.now,
        it=found,
        offers=available_actions.of_generation(the_hub(), seen(), found),
    )


@blueprint.get("/composes")
def list_composes() -> str:
    """Composes of all targets."""
    filters = _filters("target")
    with the_hub().store.read() as tx:
        found, now = (
            composes.composes(tx, limit=_PAGE, cursor=request.args.get("cursor", ""), **filters),
            stamp(tx.now),
        )
    return render("publish/composes.html", now, it=found, filters=filters, choices=_choices())


@blueprint.get("/composes/<compose>")
def show_compose(compose: str) -> str:
    """One compose."""
    with the_hub().store.read() as tx:
        found = composes.compose_page(tx, compose)
    return render(
        "publish/compose.html",
        found.now,
        it=found,
        offers=available_actions.of_compose(the_hub(), seen(), found),
    )


@blueprint.get("/builds/<build>/buildroot")
def show_buildroot(build: str) -> str:
    """The buildroot of a build beside that of the build before."""
    hub = the_hub()
    with hub.store.read() as tx:
        found = buildroot.buildroot_page(hub, tx, build)
    return render("build/buildroot.html", found["now"], it=found)
