"""Composes: release states of a target, and what changed between them."""

from __future__ import annotations

from typing import Literal

from buildfarm.api_answers.base import Answer, Moment, Page, VerdictOrNone
from buildfarm.domain.compose import ComposeState
from buildfarm.domain.repository import GenerationState

Change = Literal["added", "removed", "updated", "rebuilt"]


class Compose(Answer):
    """One generation of a destination tag under a name; users get the one ``in_force``. ``path`` is its folder for dnf and productmd."""

    id: str
    target: str
    tag: str
    generation: str
    number: int
    build_generation: str
    state: ComposeState
    in_force: bool
    path: str
    actor: str
    reason: str
    created: Moment
    written: Moment | None
    released: Moment | None
    released_by: str
    released_why: str
    retired: Moment | None
    retired_by: str
    retired_why: str


class ComposeList(Page):
    """Composes, the newest first."""

    composes: list[Compose]


class OldBuild(Answer):
    """A build that was there before."""

    id: str
    nvr: str


class NewBuild(OldBuild):
    """A build that is there now."""

    verdict: VerdictOrNone


class ChangedSource(Answer):
    """What became of one source."""

    source: str
    change: Change
    old: OldBuild | None
    new: NewBuild | None


class ChangedRpm(Answer):
    """What became of one RPM; ``old`` and ``new`` are EVRs."""

    name: str
    arch: str
    change: Change
    old: str | None
    new: str | None


class Changes(Answer):
    """What two generations differ in: ``counts`` of all sources, in detail the first of ``builds_total``."""

    counts: dict[Change, int]
    builds: list[ChangedSource]
    builds_total: int
    rpms: list[ChangedRpm]


class ComposePage(Compose):
    """One compose, and what changed since the ``previous`` one of its target."""

    now: Moment
    generation_state: GenerationState
    digest: str
    rpms: int
    builds: int
    previous: Compose | None
    changes: Changes
