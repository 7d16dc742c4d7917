"""Action required of people now, in groups: what it is, since when, why, who can act, and how."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from buildfarm.api.responses.build.waivers import WaiverRequest
from buildfarm.api.responses.core.base import NamedBuild
from buildfarm.api.responses.overview import action_required as responses
from buildfarm.domain.build.clusters import Cluster, clusters, fingerprint
from buildfarm.domain.build.waiver import WaiverRecord
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.lag import STUCK
from buildfarm.domain.intake.drop import Approval, Drop, DropState
from buildfarm.ports.store import Transaction, matching
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.auth.responsible import answers, contact_of, names
from buildfarm_web.read_models.build import builds
from buildfarm_web.read_models.build.source_status import COLUMNS, as_far_as_read, since_of
from buildfarm_web.read_models.build.waiver_requests import open_waiver_requests
from buildfarm_web.read_models.core.cache import Cache
from buildfarm_web.read_models.core.convert import by_name, parsed, verdict_or_none

_READ = 500
_EXAMPLES = 6
_SOON = timedelta(days=14)

TITLES = {
    "approval": "Plans that await approval",
    "on_hold": "On hold",
    "failed": "Failed, by cause",
    "refused": "Built, but refused by the gate",
    "stuck": "Stuck before it could start",
    "asked": "Waivers asked for",
    "waiver": "Waivers about to end",
}
"""The groups, in the order in which a person should look at them."""

Needs = tuple[int, Sequence[responses.AnyNeed]]
"""How many builds, drops or waivers there are, and the lines that stand for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """Of whose needs is asked: these targets, and all SIGs or one."""

    hub: Hub
    targets: Sequence[str]
    sig: str

    def has(self, target: str, source: str = "") -> bool:
        return target in self.targets and (
            not self.sig or self.hub.config.sig_of(target, source) == self.sig
        )


def action_required(
    hub: Hub,
    tx: Transaction,
    kept: Cache,
    *,
    target: str = "",
    sig: str = "",
    kind: str = "",
    most: int = 100,
) -> responses.ActionRequired:
    """Return the action required in groups, what waits longest first.

    ``total`` counts builds, drops, waivers and asks; an item stands for ``count`` of them that have
    one cause; ``more`` are not listed.

    Groups without an item are left out. :raises NotFound: no such target.
    """
    names = [hub.target(target).name] if target else sorted(hub.config.targets)
    scope = _Scope(hub=hub, targets=names, sig=sig)
    groups = kept.now(
        ("action_required", target, sig, kind, most), tx, lambda: _groups(tx, scope, kind, most)
    )
    return responses.ActionRequired(
        now=tx.now, total=sum(group.total for group in groups), groups=groups
    )


def _groups(tx: Transaction, scope: _Scope, kind: str, most: int) -> list[responses.ActionGroup]:
    readers: dict[str, Callable[[], Needs]] = {
        "approval": lambda: _drops(tx, scope),
        "on_hold": lambda: _held(tx, scope, most),
        "failed": lambda: _failed(tx, scope),
        "refused": lambda: _refused(tx, scope, most),
        "stuck": lambda: _stuck(tx, scope, most),
        "asked": lambda: _asked(tx, scope),
        "waiver": lambda: _waivers(tx, scope),
    }
    groups = []
    for name, read in readers.items():
        total, items = read() if kind in ("", name) else (0, [])
        if items:
            shown = list(items[:most])
            more = total - sum(item.count for item in shown)
            groups.append(
                responses.ActionGroup(
                    kind=name, title=TITLES[name], total=total, more=more, items=shown
                )
            )
    return groups


def _read(tx: Transaction, scope: _Scope, **where: object) -> tuple[int, list[Build]]:
    """Return how many builds there are, and those that wait longest; beyond what is read they are
    only counted.
    """
    asked = matching(Build, scratch=False, superseded=False, target=tuple(scope.targets), **where)
    rows = tx.select_fields(Build, COLUMNS, order_by="state_since", limit=_READ, **asked)
    found = [
        as_far_as_read(row)
        for row in by_name(COLUMNS, rows)
        if scope.has(row["target"], row["source"])
    ]
    return (tx.count(Build, **asked) if len(rows) == _READ and not scope.sig else len(found)), found


def _items(scope: _Scope, found: Sequence[Build], most: int) -> list[responses.BuildNeed]:
    """Builds by cause, a line each; only of those that are shown is it read why."""
    causes: dict[str, list[Build]] = {}
    for build in sorted(found, key=lambda build: (since_of(build), build.source)):
        causes.setdefault(f"{build.verdict} {fingerprint(build, build.gate_reason)}", []).append(
            build
        )
    return [_item(scope.hub, some) for some in list(causes.values())[:most]]


def _item(hub: Hub, some: Sequence[Build]) -> responses.BuildNeed:
    build = some[0]
    return responses.BuildNeed(
        **answers(hub, build.target, build.source),
        build=build.id,
        title=build.nvr,
        source=build.source,
        target=build.target,
        state=build.state,
        verdict=verdict_or_none(build.verdict),
        since=since_of(build),
        why=builds.why_of(build) or "no reason was recorded",
        act=builds.act_on(build),
        count=len(some),
        others=[NamedBuild(id=other.id, nvr=other.nvr) for other in some[1:]],
    )


def _held(tx: Transaction, scope: _Scope, most: int) -> Needs:
    total, found = _read(tx, scope, state=BuildState.ON_HOLD)
    return total, _items(scope, found, most)


def _refused(tx: Transaction, scope: _Scope, most: int) -> Needs:
    total, found = _read(tx, scope, state=BuildState.REFUSED, successor="")
    waiting = [build for build in found if builds.need_of(build)]
    return total - (len(found) - len(waiting)), _items(scope, waiting, most)


def _stuck(tx: Transaction, scope: _Scope, most: int) -> Needs:
    kinds = tuple(kind.value for kind in STUCK)
    total, found = _read(tx, scope, state=BuildState.WAITING, wait_kind=kinds)
    return total, _items(scope, found, most)


def _failed(tx: Transaction, scope: _Scope) -> Needs:
    total, failed = _read(tx, scope, state=BuildState.FAILED)
    found = [
        (target, cluster)
        for target in sorted({build.target for build in failed})
        for cluster in clusters(build for build in failed if build.target == target)
    ]
    items = [cluster_item(scope.hub, target, cluster) for target, cluster in found]
    return total, sorted(items, key=lambda item: (-item.count, item.since))


def cluster_item(hub: Hub, target: str, cluster: Cluster) -> responses.ClusterNeed:
    """A cluster as one line: how many builds, since when, who answers for most of them."""
    by_sig = Counter(hub.config.sig_of(target, build.source) for build in cluster.builds)
    sig = by_sig.most_common(1)[0][0]
    return responses.ClusterNeed(
        cluster=cluster.id,
        target=target,
        title=cluster.words,
        failure_kind=cluster.kind,
        why=cluster.example,
        count=len(cluster.builds),
        since=cluster.builds[0].state_since,
        builds=[NamedBuild(id=build.id, nvr=build.nvr) for build in cluster.builds[:_EXAMPLES]],
        act=f"buildfarm retry --cluster {cluster.id} -t {target} --reason '…'",
        sigs=dict(by_sig),
        sig=sig,
        contact=contact_of(hub, sig),
    )


def _drops(tx: Transaction, scope: _Scope) -> Needs:
    held = tx.find(Drop, state=DropState.ON_HOLD, order_by="created", limit=_READ)
    awaiting = tx.find(Drop, approval=Approval.AWAITED, order_by="created", limit=_READ)
    found = {drop.id: drop for drop in (*held, *awaiting) if scope.has(drop.target)}.values()
    return len(found), [
        responses.DropNeed(
            **answers(scope.hub, drop.target),
            drop=drop.id,
            title=drop.name or drop.id[:12],
            count=1,
            target=drop.target,
            state=drop.state,
            since=drop.created,
            why=drop.reason or "it waits for a person's word",
            act=f"buildfarm approve {drop.id[:12]} --reason '…'"
            if drop.approval is Approval.AWAITED
            else f"buildfarm release-hold {drop.id[:12]} --reason '…'",
        )
        for drop in found
    ]


def _asked(tx: Transaction, scope: _Scope) -> Needs:
    found = [
        one
        for one in parsed(WaiverRequest, open_waiver_requests(tx, limit=_READ))
        if scope.has(one.target, one.source)
    ]
    return len(found), [
        responses.AskNeed(
            **answers(scope.hub, one.target, one.source),
            ask=one.id,
            count=1,
            build=one.build,
            title=one.nvr,
            target=one.target,
            source=one.source,
            since=one.created,
            why=f"{one.asker} asks to accept {one.finding}: {one.reason}"
            + ("; the security authority alone may" if one.security else ""),
            act=f"buildfarm waivers grant {one.id} --owner … --expires YYYY-MM-DD",
        )
        for one in found
    ]


def _sig_of(scope: _Scope, record: WaiverRecord) -> str:
    """The SIG that a waiver's owner is; where it is a person, the SIG that answers for the source."""
    known = record.owner in names(scope.hub)
    return record.owner if known else scope.hub.config.sig_of(scope.targets[0], record.source)


def _waivers(tx: Transaction, scope: _Scope) -> Needs:
    hub, sig = scope.hub, scope.sig
    last = (tx.now + _SOON).date().isoformat()
    found = [
        record
        for record in tx.find(WaiverRecord, ended=None, order_by="expires,id")
        if record.expires <= last
        and any(record.waiver.covers_target(name) for name in scope.targets)
    ]
    items = [
        responses.WaiverNeed(
            waiver=record.id,
            title=record.id,
            count=1,
            since=record.created,
            expires=date.fromisoformat(record.expires),
            why=f"ends with {record.expires}: {record.kind} in {record.source} is refused again then "
            f"({record.owner}: {record.reason})",
            act=f"buildfarm waivers revoke {record.id} --reason '…'",
            sig=(who := _sig_of(scope, record)),
            contact=contact_of(hub, who),
        )
        for record in found
        if not sig or sig in (record.owner, hub.config.sig_of(scope.targets[0], record.source))
    ]
    return len(items), items
