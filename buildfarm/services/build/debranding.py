"""The debrand handler: applies the source's rule, writes the audit, and stores a tree from which a
worker makes the SRPM.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.nevra import EVR
from buildfarm.domain.debrand.apply import Applied, apply, counted_on, debranded_by, mtime_of
from buildfarm.domain.debrand.conditions import branch_of
from buildfarm.domain.debrand.outside import Outside
from buildfarm.domain.debrand.rule import Rule
from buildfarm.domain.target.target import Target
from buildfarm.services.core import builds
from buildfarm.services.core.hub import Heartbeat, Hub


class TreePacker(Protocol):
    """Packs a tree into a tar, deterministically."""

    def __call__(self, tree: Mapping[str, bytes], *, mtime: int) -> bytes:
        """Pack ``tree``; every file gets ``mtime``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DebrandTools:
    """Unpacks and packs SRPMs, loads a target's rules, and does in a scratch folder what a rule
    needs from outside.
    """

    unpack: Callable[[Path, Path], dict[str, bytes]]
    pack: TreePacker
    rules: Callable[[Target], Sequence[Rule]]
    outside: Callable[[Path], Outside]


def debrand(hub: Hub, tools: DebrandTools, build_id: str, heartbeat: Heartbeat) -> None:
    """Debrand one build. A source without a rule keeps its SRPM, byte for byte.

    :raises InputError: the rule does not fit, so the build goes on hold with that reason.
    """
    with hub.store.read() as tx:
        build = tx.get(Build, build_id)
        others = tx.find(Build, target=build.target, source=build.source, version=build.version)
    target = hub.target(build.target)
    rule = rule_for(tools.rules(target), build, target)
    if rule is None:
        _move_on(hub, build, "no rule: the SRPM stays as it is")
        return
    heartbeat("unpacking")
    tree = tools.unpack(hub.blobs.path(build.srpm), hub.scratch / f"debrand-{build.id}")
    if debranded_by(tree) == rule.digest:
        _move_on(hub, build, f"debranded already by {rule.file}", rule_digest=rule.digest)
        return
    rule = counted_on(
        rule, [other.debranded_release for other in others if other.id != build.id], build.release
    )
    release = f"{build.release}{rule.suffix}"
    evr = str(EVR(epoch=build.epoch, version=build.version, release=release))
    applied = apply(rule, tree, evr=evr, outside=tools.outside(hub.scratch / f"debrand-{build.id}"))
    if applied.already:
        _move_on(hub, build, applied.already, rule_digest=rule.digest)
        return
    packed = hub.blobs.put_bytes(tools.pack(applied.tree, mtime=mtime_of(rule)))
    audit = hub.blobs.put_bytes(
        json.dumps(audit_of(rule, applied), indent=1, sort_keys=True).encode()
    )
    _move_on(
        hub, build, f"changed by {rule.file}: {rule.why}", debranded_tree=packed.sha256,
        audit=audit.sha256, debranded_release=release, rule_digest=rule.digest,
        rule_date=rule.date.isoformat(),
    )  # fmt: skip


def rule_for(rules: Sequence[Rule], build: Build, target: Target) -> Rule | None:
    """Return the first rule of the source that applies to this target, branch and version."""
    evr = str(EVR(epoch=build.epoch, version=build.version, release=build.release))
    branch = branch_of(build.release)
    for rule in rules:
        if rule.source == build.source and rule.applies_to(target.name, branch=branch, evr=evr):
            return rule
    return None


def audit_of(rule: Rule, applied: Applied) -> dict[str, object]:
    """Return what is kept for ever: which rule did what, and what it foresaw for comparison and
    scan.
    """
    return {
        "rule": rule.file,
        "rule_digest": rule.digest,
        "date": rule.date.isoformat(),
        "why": rule.why,
        "suffix": rule.suffix,
        "rename": dict(rule.rename),
        "expect": [dataclasses.asdict(expectation) for expectation in rule.expect],
        "allow": [dataclasses.asdict(allowed) for allowed in rule.allow],
        "scripts": list(rule.scripts),
        "actions": [
            {"action": step.action, "files": [list(place) for place in step.files]}
            for step in applied.steps
        ],
        "sources": [
            {"path": path, "before": old, "after": new} for path, old, new in applied.sources
        ],
        "diff": applied.diff,
    }


def _move_on(hub: Hub, build: Build, why: str, **fields: object) -> None:
    with hub.store.begin() as tx:
        builds.move(
            tx, tx.get(Build, build.id), BuildState.DEBRANDED, actor="debrand", why=why, **fields
        )
