"""The line: which task a build needs next. The whole way of one SRPM, in one place.

ingested  ─ debrand ─►  debranded  ─ srpm (if a rule changed it) ─►  waiting  ─ plan ─►  queued ─
build, one task an arch ─►  built  ─ compare, and sign beside it ─►  compared  ─ publish, seal ─►
published
"""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.task import TaskKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a build needs now: tasks that must exist, or the state it can enter at once."""

    tasks: tuple[TaskKind, ...] = ()
    state: BuildState | None = None


NOTHING = Needs()


def next_step(build: Build, *, signed: bool) -> Needs:
    """Return what moves ``build`` on from the state it is in.

    :param signed: every RPM of the build has been signed (asked for in ``built`` and later).
    """
    match build.state:
        case BuildState.INGESTED:
            needs = Needs(tasks=(TaskKind.DEBRAND,))
        case BuildState.DEBRANDED if build.debranded_tree and not build.debranded_srpm:
            needs = Needs(tasks=(TaskKind.SRPM,))
        case BuildState.DEBRANDED:
            needs = Needs(state=BuildState.WAITING)
        case BuildState.QUEUED:
            needs = Needs(tasks=(TaskKind.BUILD,))
        case BuildState.BUILT | BuildState.COMPARING:
            needs = Needs(
                tasks=(TaskKind.COMPARE,) if signed else (TaskKind.COMPARE, TaskKind.SIGN)
            )
        case BuildState.COMPARED | BuildState.REFUSED if not signed:
            needs = Needs(tasks=(TaskKind.SIGN,))
        case _:
            needs = NOTHING
    return needs
