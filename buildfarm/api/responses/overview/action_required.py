"""What needs a person now."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from buildfarm.api.responses.core.base import Answer, Moment, NamedBuild, VerdictOrNone
from buildfarm.domain.core.build import BuildState
from buildfarm.domain.intake.drop import DropState


class Need(Answer):
    """One line: what it is, since when and why, who answers, and the command that usually comes
    next.

    Exactly one of ``build``, ``cluster``, ``drop`` and ``waiver`` is there and says what it is
    about; ``ask`` is a waiver asked for of a ``build``. ``count`` is for how many builds it stands
    (``others``, or the first of them in ``builds``).
    """

    title: str
    since: Moment
    why: str
    act: str
    sig: str
    contact: str
    count: int = 1
    target: str = ""
    build: str = ""
    source: str = ""
    state: BuildState | DropState | None = None
    verdict: VerdictOrNone = ""
    others: list[NamedBuild] = Field(default_factory=list)
    cluster: str = ""
    failure_kind: str = ""
    builds: list[NamedBuild] = Field(default_factory=list)
    sigs: dict[str, int] = Field(default_factory=dict)
    drop: str = ""
    waiver: str = ""
    ask: str = ""
    expires: date | None = None


class ActionGroup(Answer):
    """Needs of one kind; ``total`` counts builds, drops or waivers, ``more`` of them are not
    listed.
    """

    kind: str
    title: str
    total: int
    more: int
    items: list[Need]


class ActionRequired(Answer):
    """What needs a person now, in the order in which to look at it."""

    now: Moment
    total: int
    groups: list[ActionGroup]
