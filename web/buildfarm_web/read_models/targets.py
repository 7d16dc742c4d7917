"""Targets and their tags: what users get today, and how much of it is built on itself."""

from __future__ import annotations

from buildfarm.domain.brand import is_of_binaries
from buildfarm.domain.build import Build
from buildfarm.domain.repository import Generation
from buildfarm.domain.target import Target
from buildfarm.ports import Transaction
from buildfarm.services import publishing
from buildfarm.services.hub import Hub
from buildfarm_web.read_models import builds
from buildfarm_web.read_models.drops import drops
from buildfarm_web.read_models.failures import failures
from buildfarm_web.read_models.findings import newest_comparisons
from buildfarm_web.read_models.impacts import impacts
from buildfarm_web.read_models.outlook import outlook
from buildfarm_web.read_models.paging import page
from buildfarm_web.read_models.plain import Json, find_each, stamp
from buildfarm_web.read_models.seeds import share_over_time
from buildfarm_web.read_models.shares import Shares, share_of_builds


def generation_json(generation: Generation, *, in_force: bool) -> Json:
    """One generation of a tag."""
    return {
        "id": generation.id,
        "target": generation.target,
        "tag": generation.tag,
        "number": generation.number,
        "state": generation.state.value,
        "digest": generation.digest,
        "builds": len(generation.builds),
        "rpms": generation.rpms,
        "in_force": in_force,
        "path": f"/repos/{generation.tag}/{generation.number}",
        "created": stamp(generation.created),
        "ready": stamp(generation.ready),
    }


def generations(tx: Transaction, *, limit: int, tag: str = "", target: str = "", cursor: str = "") -> Json:
    """A page of generations, the newest first, of one tag or of all."""
    where: dict[str, object] = {name: value for name, value in (("tag", tag), ("target", target)) if value}
    found = page(tx, Generation, "created,number,id", where, limit=limit, cursor=cursor)
    heads = {name: publishing.head(tx, name) for name in {generation.tag for generation in found.records}}
    listed = [
        generation_json(item, in_force=(head := heads[item.tag]) is not None and head.id == item.id)
        for item in found.records
    ]
    return {"generations": listed, "cursor": found.cursor}


def _heads(tx: Transaction, target: Target) -> list[Json]:
    found: list[Json] = []
    for role, tag in (("destination", target.tags.destination), ("build", target.tags.build)):
        head = publishing.head(tx, tag)
        if head is not None:
            found.append({**generation_json(head, in_force=True), "role": role})
    return found


def target_json(tx: Transaction, target: Target) -> Json:
    """One target as lists show it."""
    return {
        "name": target.name,
        "title": target.title,
        "phase": target.lifecycle.phase(tx.now.date()).value,
        "owner": {"sig": target.owner.sig, "contact": target.owner.contact},
        "vendor": target.upstream.vendor,
        "arches": list(target.arches),
        "tags": {"build": target.tags.build, "destination": target.tags.destination},
        "heads": _heads(tx, target),
        "states": builds.by_state(tx, target=target.name),
    }


def targets(hub: Hub, tx: Transaction) -> Json:
    """Every configured target."""
    return {"targets": [target_json(tx, target) for _, target in sorted(hub.config.targets.items())]}


def target_page(hub: Hub, tx: Transaction, shares: Shares, name: str) -> Json:
    """One target. :raises NotFound: it is not configured."""
    target = hub.target(name)
    head = publishing.head(tx, target.tags.build)
    carried = find_each(tx, Build, "id", head.builds) if head else []
    share = share_of_builds(hub, tx, shares, carried)
    comparisons = newest_comparisons(tx, [build.id for build in carried])
    hits = [hit for comparison in comparisons.values() for hit in comparison.brand_hits]
    lifecycle = target.lifecycle
    return {
        **target_json(tx, target),
        "dist": target.dist,
        "suffix": target.suffix,
        "builder": target.builder,
        "lifecycle": {
            "released": lifecycle.released.isoformat(),
            "maintenance": lifecycle.maintenance.isoformat() if lifecycle.maintenance else None,
            "end_of_life": lifecycle.end_of_life.isoformat() if lifecycle.end_of_life else None,
        },
        "gate": {"uncompared": target.gate.uncompared},
        "buildroot": {
            "packages": list(target.buildroot.packages), "releasever": target.buildroot.releasever,
            "macros": target.buildroot.macros,
        },
        "external": [{"id": repo.id, "priority": repo.priority, "baseurl": repo.baseurl} for repo in target.external],
        "outlook": outlook(hub, tx, target.name),
        "impacts": impacts(tx, target),
        "failures": failures(hub, tx, target.name)["clusters"],
        "self_hosted_share": share["share"],
        "self_hosted": share,
        "share_over_time": share_over_time(tx, target.tags.build),
        "brand_hits": sum(is_of_binaries(hit) for hit in hits),
        "source_brand_hits": sum(not is_of_binaries(hit) for hit in hits),
        "verdicts": builds.by_verdict(carried),
        "generations": generations(tx, target=target.name, limit=20)["generations"],
        "drops": drops(tx, target=target.name, limit=20)["drops"],
        "needs_person": builds.needs_person(hub, tx, target=target.name, limit=50),
    }  # fmt: skip
