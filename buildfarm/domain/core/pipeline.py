"""The pipeline: the tasks a build needs in each of its states.

ingested  ─ debrand ─►  debranded  ─ srpm (if a rule changed it) ─►  waiting  ─ plan ─►  queued ─
build, one task an arch ─►  built  ─ compare, and sign beside it ─►  compared  ─ publish, seal ─►
published
"""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.task import TaskKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """The next step of a build: tasks that must exist, or the state it can enter at once."""

    tasks: tuple[TaskKind, ...] = ()
    state: BuildState | None = None


def advance(build: Build, *, signed: bool) -> Advance:
    """Return what moves ``build`` on from its state.

    :param signed: every RPM of the build has been signed (asked for in ``built`` and later).
    """
    match build.state:
        case BuildState.INGESTED:
            following = Advance(tasks=(TaskKind.DEBRAND,))
        case BuildState.DEBRANDED if build.debranded_tree and not build.debranded_srpm:
            following = Advance(tasks=(TaskKind.SRPM,))
        case BuildState.DEBRANDED:
            following = Advance(state=BuildState.WAITING)
        case BuildState.QUEUED:
            following = Advance(tasks=(TaskKind.BUILD,))
        case BuildState.BUILT | BuildState.COMPARING:
            following = Advance(
                tasks=(TaskKind.COMPARE,) if signed else (TaskKind.COMPARE, TaskKind.SIGN)
            )
        case BuildState.COMPARED | BuildState.REFUSED if not signed:
            following = Advance(tasks=(TaskKind.SIGN,))
        case _:
            following = Advance()
    return following
