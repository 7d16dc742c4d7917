"""Upstream lag: the hours between the vendor's shipping of a source and its publishing here, by
stage.

Each build stores the seconds it spent in each stage; the present stage is added when the build
leaves it. The stages of a published build add up to its lag, so the most expensive stage is found
without reading the history.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime

from buildfarm.domain.core.build import Build, BuildState, WaitKind


class Stage(enum.StrEnum):
    """Stages that a build's time is counted under, in the order of the pipeline."""

    ARRIVING = "arriving"  # from the vendor's build of the SRPM until it came here
    INGEST = "ingest"  # being verified and debranded
    WAITING = "waiting"  # for what it needs, or for a slot
    BUILDING = "building"
    COMPARING = "comparing"
    PUBLISHING = "publishing"  # compared and passed, not in the destination tag yet
    HELD = "held"  # until a person does something


STUCK = (WaitKind.UNRESOLVABLE, WaitKind.CYCLE, WaitKind.PAUSED, WaitKind.APPROVAL)
"""Kinds of waiting that need a person.

``blocked`` is not among them: the build that blocks needs one.
"""

_STAGE: Mapping[BuildState, Stage] = {
    BuildState.INGESTED: Stage.INGEST, BuildState.DEBRANDED: Stage.INGEST,
    BuildState.WAITING: Stage.WAITING, BuildState.QUEUED: Stage.WAITING,
    BuildState.BUILDING: Stage.BUILDING, BuildState.BUILT: Stage.COMPARING,
    BuildState.COMPARING: Stage.COMPARING, BuildState.COMPARED: Stage.PUBLISHING,
    BuildState.REFUSED: Stage.HELD, BuildState.ON_HOLD: Stage.HELD, BuildState.FAILED: Stage.HELD,
}  # fmt: skip


def stage_of(state: BuildState, *, wait_kind: str = "", seeded: bool = False) -> Stage | None:
    """The stage a build is in; ``None`` where its time is no lag any more (published, canceled,
    excluded).

    What is refused only because its cycle is built once more waits for its cycle, not for a person.

    >>> stage_of(BuildState.WAITING), stage_of(BuildState.WAITING, wait_kind="unresolvable")
    (<Stage.WAITING: 'waiting'>, <Stage.HELD: 'held'>)
    >>> stage_of(BuildState.REFUSED), stage_of(BuildState.PUBLISHED)
    (<Stage.HELD: 'held'>, None)
    """
    if state is BuildState.WAITING and wait_kind in STUCK:
        return Stage.HELD
    if state is BuildState.REFUSED and seeded:
        return Stage.WAITING
    return _STAGE.get(state)


def spent_until(build: Build, now: datetime) -> dict[str, float]:
    """Seconds by stage, with what the present stage has taken until ``now``."""
    stage = stage_of(build.state, wait_kind=build.wait_kind, seeded=bool(build.seeded))
    since = build.stage_since or build.state_since
    return with_stage(build.spent, stage, (now - since).total_seconds())


def with_stage(spent: Mapping[str, float], stage: Stage | None, seconds: float) -> dict[str, float]:
    """Return ``spent`` with more seconds in one stage; negative ones count as none (a clock was set
    back).

    >>> with_stage({"ingest": 1.0}, Stage.INGEST, 2.5)
    {'ingest': 3.5}
    >>> with_stage({}, Stage.WAITING, -1.0), with_stage({}, None, 9.0)
    ({}, {})
    """
    if stage is None or seconds <= 0:
        return dict(spent)
    return {**spent, stage.value: round(spent.get(stage.value, 0.0) + seconds, 3)}


def arrived(shipped: datetime | None, now: datetime) -> dict[str, float]:
    """Return what a new build has behind it: the time from the vendor's shipping until it came
    here.
    """
    return with_stage({}, Stage.ARRIVING, (now - shipped).total_seconds()) if shipped else {}
