"""What needs a person now."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from buildfarm.api_answers.base import Answer, Moment


class NamedBuild(Answer):
    """A build by id and name-version-release."""

    id: str
    nvr: str


class Need(Answer):
    """One thing that waits, of ``count`` alike; ``build``, ``drop`` or ``waiver`` names it, ``act`` is the usual next step."""

    title: str
    since: Moment | None
    why: str
    act: str
    sig: str
    contact: str
    build: str = ""
    drop: str = ""
    waiver: str = ""
    ask: str = ""
    source: str = ""
    target: str = ""
    state: str = ""
    verdict: str = ""
    expires: date | None = None
    count: int = 1
    others: list[NamedBuild] = Field(default_factory=list)
    cluster: str = ""
    failure_kind: str = ""
    sigs: dict[str, int] = Field(default_factory=dict)
    builds: list[NamedBuild] = Field(default_factory=list)


class NeedGroup(Answer):
    """What waits for one kind of decision; ``more`` are not listed."""

    kind: str
    title: str
    total: int
    more: int
    items: list[Need]


class Needs(Answer):
    """Everything that needs a person, what waits longest first."""

    now: Moment
    total: int
    groups: list[NeedGroup]
