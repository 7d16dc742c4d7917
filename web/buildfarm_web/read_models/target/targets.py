"""Targets and their tags: what users get today, and how much of it is built on itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Literal

from buildfarm.api.responses.build.builds import NeedyBuild
from buildfarm.api.responses.core.base import fields_of
from buildfarm.api.responses.schedule.forecast import TargetOutlook
from buildfarm.api.responses.target import generations as generation_responses
from buildfarm.api.responses.target import targets as responses
from buildfarm.domain.core.build import Build
from buildfarm.domain.core.verdict import Verdict
from buildfarm.domain.publish.repository import Generation, GenerationState, TagHead
from buildfarm.domain.selfhosting.seeds import share
from buildfarm.domain.target.target import Target
from buildfarm.ports.store import Transaction
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.build import builds
from buildfarm_web.read_models.build.failures import failures
from buildfarm_web.read_models.core.cache import Cache
from buildfarm_web.read_models.core.convert import parsed
from buildfarm_web.read_models.core.paging import behind, cut
from buildfarm_web.read_models.intake.drops import drops
from buildfarm_web.read_models.publish.composes import composes
from buildfarm_web.read_models.schedule.forecast import outlook
from buildfarm_web.read_models.selfhosting.impacts import impacts
from buildfarm_web.read_models.selfhosting.seeds import share_over_time


def generation_of(generation: Generation, *, in_force: bool) -> generation_responses.Generation:
    """One generation of a tag."""
    return generation_responses.Generation(
        id=generation.id,
        target=generation.target,
        tag=generation.tag,
        number=generation.number,
        state=generation.state,
        digest=generation.digest,
        builds=generation.sources,
        rpms=generation.rpms,
        in_force=in_force,
        path=f"/repos/{generation.tag}/{generation.number}",
        created=generation.created,
        ready=generation.ready,
    )


_ORDER = "created,number,id"
_SHORT = tuple(
    field.name for field in fields(Generation) if field.name not in ("builds", "carried")
)
"""A generation without the names of its thousands of builds."""


def _generations(
    tx: Transaction, *, limit: int, order_by: str, after: object = None, **where: object
) -> list[Generation]:
    """Generations without their builds, the newest first."""
    found = tx.select_fields(
        Generation, _SHORT, order_by=order_by, descending=True, limit=limit, after=after, **where
    )
    named = [dict(zip(_SHORT, row, strict=True)) for row in found]
    return [Generation(**{**one, "state": GenerationState(one["state"])}) for one in named]


Heads = Mapping[str, Generation]


def heads_of(tx: Transaction) -> Heads:
    """The generation in force of each tag that has one, without its builds."""
    ids = tuple(head.generation for head in tx.find(TagHead))
    return {one.tag: one for one in _generations(tx, limit=len(ids), order_by="number", id=ids)}


def generations(
    tx: Transaction, *, limit: int, tag: str = "", target: str = "", cursor: str = ""
) -> generation_responses.GenerationList:
    """A page of generations, the newest first, of one tag or of all."""
    where: dict[str, object] = {
        name: value for name, value in (("tag", tag), ("target", target)) if value
    }
    after = behind(cursor, Generation, _ORDER)
    found = cut(
        _generations(tx, limit=limit + 1, order_by=_ORDER, after=after, **where), _ORDER, limit
    )
    heads = {head.generation for head in tx.find(TagHead)}
    return generation_responses.GenerationList(
        generations=[generation_of(item, in_force=item.id in heads) for item in found.records],
        cursor=found.cursor,
    )


def _heads(target: Target, heads: Heads) -> list[responses.Head]:
    roles: tuple[tuple[Literal["destination", "build"], str], ...] = (
        ("destination", target.tags.destination),
        ("build", target.tags.build),
    )
    return [
        responses.Head(**fields_of(generation_of(heads[tag], in_force=True)), role=role)
        for role, tag in roles
        if tag in heads
    ]


def target_of(
    tx: Transaction, target: Target, census: builds.Census, heads: Heads
) -> responses.Target:
    """One target as lists show it."""
    return responses.Target(
        name=target.name,
        title=target.title,
        phase=target.lifecycle.phase(tx.now.date()),
        owner=responses.Owner(sig=target.owner.sig, contact=target.owner.contact),
        vendor=target.upstream.vendor,
        base=target.base,
        arches=list(target.arches),
        tags=responses.Tags(build=target.tags.build, destination=target.tags.destination),
        heads=_heads(target, heads),
        states=census.states(target.name),
    )


def targets(
    hub: Hub, tx: Transaction, census: builds.Census, heads: Heads
) -> list[responses.Target]:
    """Every configured target."""
    return [
        target_of(tx, target, census, heads) for _, target in sorted(hub.config.targets.items())
    ]


def targets_page(hub: Hub, tx: Transaction) -> responses.TargetList:
    """Every configured target."""
    return responses.TargetList(targets=targets(hub, tx, builds.Census(tx), heads_of(tx)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Carried:
    """The builds that a tag carries by verdict, how many that are, and how many brand hits their
    RPMs and their SRPMs have.
    """

    builds: int
    verdicts: dict[Verdict, int]
    brand_hits: int
    source_brand_hits: int


def _carried(tx: Transaction, target: Target, builds_of_head: Collection[str]) -> _Carried:
    carried = set(builds_of_head)
    asked = ("id", "verdict", "brand_hits", "source_brand_hits")
    found = [
        row
        for row in tx.select_fields(Build, asked, target=target.name, superseded=False)
        if row[0] in carried
    ]
    return _Carried(
        builds=len(found),
        verdicts=builds.ordered(Verdict, Counter((row[1],) for row in found)),
        brand_hits=sum(row[2] for row in found),
        source_brand_hits=sum(row[3] for row in found),
    )


def _heads_carried(tx: Transaction, target: Target, head: str) -> _Carried:
    named = tx.select_fields(Generation, ("builds",), id=head)
    return _carried(tx, target, named[0][0] if named else ())


def target_page(hub: Hub, tx: Transaction, kept: Cache, name: str) -> responses.TargetPage:
    """One target. :raises NotFound: it is not configured."""
    target = hub.target(name)
    heads = heads_of(tx)
    head = heads.get(target.tags.build)
    ours, rpms = (head.lock_ours, head.lock_rpms) if head else (0, 0)
    self_hosted = share(ours, rpms)
    head_id = head.id if head else ""
    carried = kept.now(("carried", head_id), tx, lambda: _heads_carried(tx, target, head_id))
    return responses.TargetPage(
        **fields_of(target_of(tx, target, builds.Census(tx), heads)),
        dist=target.dist,
        suffix=target.suffix,
        builder=target.builder,
        lifecycle=responses.Lifecycle(
            released=target.lifecycle.released,
            maintenance=target.lifecycle.maintenance,
            end_of_life=target.lifecycle.end_of_life,
        ),
        gate=responses.GateRules(uncompared=target.gate.uncompared),
        buildroot=responses.BuildrootWords(
            packages=list(target.buildroot.packages),
            releasever=target.buildroot.releasever,
            macros=target.buildroot.macros,
        ),
        external=[
            responses.External(id=repo.id, priority=repo.priority, baseurl=repo.baseurl)
            for repo in target.external
        ],
        outlook=TargetOutlook.from_json(outlook(hub, tx, target.name)),
        impacts=parsed(responses.Impact, impacts(tx, target)),
        failures=responses.Failures.from_json(failures(hub, tx, target.name)).clusters,
        self_hosted_share=self_hosted,
        self_hosted=responses.BuildsShare(
            ours=ours, all=rpms, share=self_hosted, builds=carried.builds
        ),
        share_over_time=parsed(responses.GenerationShare, share_over_time(tx, target.tags.build)),
        brand_hits=carried.brand_hits,
        source_brand_hits=carried.source_brand_hits,
        verdicts=carried.verdicts,
        generations=generations(tx, target=target.name, limit=20).generations,
        composes=composes(tx, target=target.name, limit=5).composes,
        drops=drops(tx, target=target.name, limit=20).drops,
        needs_person=parsed(NeedyBuild, builds.needs_person(hub, tx, target=target.name, limit=50)),
    )
