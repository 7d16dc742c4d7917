"""The survey of a drop: brand words and bootstrap conditions in the text of its SRPMs.

It delays nothing; the plan shows its results.

Each SRPM is read once for each state of the target's brand policy; sources with brand words and no
rule are a list in the plan, and a spec's bootstrap condition is kept for the day its cycle needs
it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from buildfarm.domain.core.build import Build
from buildfarm.domain.core.records import SourceSurvey
from buildfarm.domain.debrand.brand import BrandPolicy
from buildfarm.domain.intake.drop import Drop
from buildfarm.domain.intake.survey import Surveyed
from buildfarm.domain.target.target import Target
from buildfarm.errors import InputError
from buildfarm.services.core import bootstrap_variants
from buildfarm.services.core.hub import Heartbeat, Hub

_BATCH = 64


class Surveyor(Protocol):
    """Reads SRPMs in the sandbox."""

    def __call__(self, srpms: Sequence[Path], policy: BrandPolicy | None) -> list[Surveyed]:
        """Return one answer for each SRPM, in order. :raises InputError: one of them ended the
        reader.
        """


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SurveyTools:
    """The reader, and the brand policy of a target (``None``: it has none)."""

    read: Surveyor
    brand_policy: Callable[[Target], BrandPolicy | None]


def survey(hub: Hub, tools: SurveyTools, drop_id: str, heartbeat: Heartbeat) -> None:
    """Read what was not read yet of a drop. Running it twice reads nothing the second time."""
    with hub.store.read() as tx:
        drop = tx.get(Drop, drop_id)
        builds = [
            build
            for build in tx.find(Build, drop_id=drop.id, order_by="source,id")
            if build.version
        ]
        known = {
            one.id: one for one in tx.find(SourceSurvey, id=tuple({build.srpm for build in builds}))
        }
    policy = tools.brand_policy(hub.target(drop.target))
    stamp = policy_digest(policy)
    for start in range(0, len(builds), _BATCH):
        batch = builds[start : start + _BATCH]
        unread = sorted(
            {b.srpm for b in batch if b.srpm not in known or known[b.srpm].policy != stamp}
        )
        heartbeat(f"reading {start + 1} to {start + len(batch)} of {len(builds)} SRPMs")
        answers = dict(zip(unread, _read(hub, tools.read, unread, policy), strict=True))
        _write(hub, batch, answers, known, stamp)
    with hub.store.begin() as tx:
        found = tx.find(SourceSurvey, id=tuple({build.srpm for build in builds}))
        branded = sum(bool(one.found) for one in found)
        tx.event("drop.surveyed", drop.id, actor="survey", srpms=len(found), branded=branded)


def policy_digest(policy: BrandPolicy | None) -> str:
    """Return what tells one state of a brand policy from another."""
    if policy is None:
        return ""
    return hashlib.sha256(
        json.dumps(dataclasses.asdict(policy), sort_keys=True).encode()
    ).hexdigest()


def _read(
    hub: Hub, read: Surveyor, srpms: Sequence[str], policy: BrandPolicy | None
) -> list[Surveyed]:
    if not srpms:
        return []
    try:
        return read([hub.blobs.path(srpm) for srpm in srpms], policy)
    except InputError as error:
        if len(srpms) == 1:
            return [Surveyed(problem=str(error))]
        return [answer for srpm in srpms for answer in _read(hub, read, [srpm], policy)]


def _write(
    hub: Hub,
    builds: Sequence[Build],
    answers: dict[str, Surveyed],
    known: dict[str, SourceSurvey],
    stamp: str,
) -> None:
    with hub.store.begin() as tx:
        for srpm, answer in answers.items():
            record = SourceSurvey(
                id=srpm, policy=stamp, condition=answer.condition, found=answer.found,
                hits=tuple(hit.as_json() for hit in answer.hits), problem=answer.problem,
                created=tx.now,
            )  # fmt: skip
            if not tx.insert_or_ignore(record):
                tx.update(
                    tx.get(SourceSurvey, srpm), policy=stamp, condition=record.condition,
                    found=record.found, hits=record.hits, problem=record.problem, created=tx.now,
                )  # fmt: skip
        for build in builds:
            condition = (
                answers[build.srpm].condition
                if build.srpm in answers
                else known[build.srpm].condition
            )
            if condition and not build.scratch:
                bootstrap_variants.offer(tx, build, condition)
