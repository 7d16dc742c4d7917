"""The compare handler: compares the vendor's binaries of a build with ours, scans for brand
remains, and lets the gate decide.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from buildfarm.domain.compare.policy import ComparePolicy, Expectation, suffix_pattern
from buildfarm.domain.core.build import Build, BuildState, Gate, judged_state
from buildfarm.domain.debrand.brand import Allow, BrandHit, BrandPolicy
from buildfarm.domain.intake.drop import VendorRpm
from buildfarm.domain.publish.repository import Artifact
from buildfarm.domain.target.target import Target
from buildfarm.ports.blobs import BlobStore
from buildfarm.services.build import judging
from buildfarm.services.compare.comparison import FactsReader, compare_sets, is_srpm
from buildfarm.services.core import builds
from buildfarm.services.core.hub import Heartbeat, Hub


class BrandScanner(Protocol):
    """Finds brand words in RPMs, in a sandbox."""

    def __call__(
        self, paths: Sequence[Path], policy: BrandPolicy, allow: Sequence[Allow] = ()
    ) -> Sequence[BrandHit]:
        """Return all hits that the rule does not allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareTools:
    """Reads RPMs for the comparison and for the scan; ``brand_policy`` loads a target's brand file
    (``None``: no scan).
    """

    reader: FactsReader
    scan: BrandScanner
    brand_policy: BrandPolicyLoader


class BrandPolicyLoader(Protocol):
    """Loads the brand policy of a target."""

    def __call__(self, target: Target) -> BrandPolicy | None:
        """The policy; ``None`` where the target names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFacts:
    """The differences that the debrand rule foresaw, read from the audit that was stored when it
    was applied.
    """

    expectations: tuple[Expectation, ...] = ()
    renames: Mapping[str, str] | None = None
    allow: tuple[Allow, ...] = ()


def rule_facts(blobs: BlobStore, build: Build) -> RuleFacts:
    """The rule's ``expect``, ``rename`` and ``scan.allow`` as they were applied; empty where no
    rule changed the source.
    """
    if not build.audit:
        return RuleFacts()
    audit = json.loads(blobs.path(build.audit).read_text(encoding="utf-8"))
    return RuleFacts(
        expectations=tuple(
            Expectation(kind=e["kind"], path=e.get("path") or "**") for e in audit.get("expect", ())
        ),
        renames=audit.get("rename") or {},
        allow=tuple(Allow(**entry) for entry in audit.get("allow", ())),
    )


def policy_of(target: Target, build: Build, facts: RuleFacts) -> ComparePolicy:
    """Return how one build is compared for its target."""
    name = (facts.renames or {}).get(build.source, build.source)
    ours = {build.source, name}
    return ComparePolicy(
        suffix=suffix_pattern(target.suffix) if build.debranded_release else "",
        header_tags={tag.upper(): value for tag, value in target.header_tags.items()},
        renames=facts.renames or {},
        debranded=frozenset(ours) if build.debranded_release else frozenset(),
        expectations=dict.fromkeys(ours, facts.expectations),
        causes=frozenset(target.gate.causes),
    )


def compare(hub: Hub, tools: CompareTools, build_id: str, heartbeat: Heartbeat) -> None:
    """Compare one build, store the report, and let the gate decide.

    Running it twice stores the later report.
    """
    with hub.store.begin() as tx:
        build = tx.get(Build, build_id)
        if build.state is BuildState.BUILT:
            build = builds.move(tx, build, BuildState.COMPARING, actor="compare")
        artifacts = tx.find(Artifact, build=build.id)
        made = [artifact for artifact in artifacts if not artifact.is_source]
        vendor = tx.find(VendorRpm, target=build.target, sourcerpm=build.srpm_filename, problem="")
    target = hub.target(build.target)
    facts = rule_facts(hub.blobs, build)
    heartbeat(f"reading {len(vendor)} of the vendor's RPMs and {len(made)} of ours")
    with _named(hub, build, vendor, artifacts) as (old, ours):
        new, sources = (
            [file for file in ours if is_srpm(file) is wanted] for wanted in (False, True)
        )
        report = compare_sets(old, new, policy=policy_of(target, build, facts), reader=tools.reader)
        brand = tools.brand_policy(target)
        if brand is not None:
            heartbeat(f"looking for the brand in {len(new)} RPMs and the SRPM")
        hits = list(tools.scan([*new, *sources], brand, facts.allow)) if brand is not None else []
    with hub.store.begin() as tx:
        brands = tuple(hit.as_json() for hit in hits)
        judged = judging.judge(tx, build, target, report, brand_hits=brands)
        judging.write(tx, build, judged, brand_hits=brands)
        compared = builds.move(
            tx, tx.get(Build, build.id), judged_state(judged.gate, scratch=build.scratch),
            actor="compare", verdict=judged.report.verdict.value, gate=judged.gate,
            gate_reason=judged.reason,
        )  # fmt: skip
        if judged.gate is Gate.PASSED and target.tags.destination in compared.tags:
            # compared again while the tag carries it: no new generation will come along to say so
            builds.move(tx, compared, BuildState.PUBLISHED, actor="compare", finished=tx.now)


@contextmanager
def _named(
    hub: Hub, build: Build, vendor: Sequence[VendorRpm], made: Sequence[Artifact]
) -> Iterator[tuple[list[Path], list[Path]]]:
    """The blobs under the names people know, in a scratch folder."""
    folder = hub.scratch / f"compare-{build.id}"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        old = [
            _link(hub.blobs.path(rpm.sha256), folder / "vendor" / rpm.filename) for rpm in vendor
        ]
        new = [_link(hub.blobs.path(a.sha256), folder / "ours" / a.filename) for a in made]
        yield old, new
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _link(blob: Path, place: Path) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(blob, place)
    except OSError:
        shutil.copyfile(blob, place)
    return place
