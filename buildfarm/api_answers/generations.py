"""Generations of a tag, and what changed between them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from buildfarm.api_answers.base import Answer, Moment, NamedBuild, Page, VerdictOrNone
from buildfarm.domain.repository import GenerationState

Change = Literal["added", "removed", "updated", "rebuilt"]


class Generation(Answer):
    """One immutable state of a tag's repositories; ``path`` is where dnf finds it."""

    id: str
    target: str
    tag: str
    number: int
    state: GenerationState
    digest: str
    builds: int
    rpms: int
    in_force: bool
    path: str
    created: Moment
    ready: Moment | None


class GenerationList(Page):
    """Generations, the newest first."""

    generations: list[Generation]


class Neighbour(Answer):
    """The generation before or after."""

    id: str
    number: int
    state: GenerationState


class NewBuild(NamedBuild):
    """A build that came in, and what its comparison said."""

    verdict: VerdictOrNone


class ChangedSource(Answer):
    """A source whose build is another."""

    source: str
    change: Change
    old: NamedBuild | None
    new: NewBuild | None


class ChangedRpm(Answer):
    """An RPM that is another, by epoch, version and release."""

    name: str
    arch: str
    change: Change
    old: str | None
    new: str | None


class Changes(Answer):
    """What differs from the generation before: the first of ``builds_total`` sources, with their RPMs."""

    counts: dict[Change, int]
    builds: list[ChangedSource]
    builds_total: int
    rpms: list[ChangedRpm]


class OwnRpms(Answer):
    """RPMs that we built (``ours``) of ``all`` in the buildroots behind it."""

    ours: int
    all: int


class GenerationPage(Generation):
    """One generation; ``carried`` are digests of the vendor's metadata that went into it, by kind."""

    now: Moment
    carried: dict[str, str]
    self_hosted: OwnRpms
    previous: Neighbour | None
    next: Neighbour | None = Field(description="The generation after it, if there is one.")
    changes: Changes
